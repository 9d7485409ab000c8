import loadFvad, { type FvadModule } from "@echogarden/fvad-wasm";
import { samplesPerMs } from "../src/audio/recent-audio.ts";

const frameSamples = 20 * samplesPerMs;
/**
 * The strictest of four. In recordings, mode 2 takes the first sounds of a room for speech, mode 3 hardly; it begins at most
 * three frames later, which the pre-roll covers. Both take hiss at a sixth of full scale for speech.
 */
const mode = 3;
/** A new instance hears up to four frames of speech in any noise, before it knows the noise. */
const onsetFrames = 5;
const endFrames = 30;

/** Where speech begins and ends, in samples since the session began. */
export interface VoiceListener {
  /** @param sample the first one that was heard as speech; a little before now. */
  onVoiceStart(sample: number): void;
  /** @param sample the one after the last that was heard as speech; before now by the silence that ended it. */
  onVoiceEnd(sample: number): void;
}

/** One WebAssembly module a worker, which all its detectors share. */
export class VoiceDetectors {
  readonly #module: FvadModule;
  readonly #frame: number;

  private constructor(module: FvadModule) {
    this.#module = module;
    this.#frame = module._malloc(frameSamples * 2);
  }

  static async load(): Promise<VoiceDetectors> {
    return new VoiceDetectors(await loadFvad());
  }

  /** @param firstSample number of the sample that will be heard first. */
  open(listener: VoiceListener, firstSample: number): VoiceDetector {
    return new VoiceDetector(this.#module, this.#frame, listener, firstSample);
  }
}

/**
 * Hears in 20 ms steps whether somebody speaks. Speech begins with 100 ms of it and ends after 600 ms without; the phone's
 * own detector may begin and end it as well.
 */
export class VoiceDetector {
  readonly #module: FvadModule;
  readonly #frame: number;
  readonly #listener: VoiceListener;
  #instance: number;
  #position: number;
  readonly #rest = new Int16Array(frameSamples);
  #resting = 0;
  #active = false;
  #voicedFrames = 0;
  #silentFrames = 0;

  /** Made by `VoiceDetectors.open`. */
  constructor(module: FvadModule, frame: number, listener: VoiceListener, firstSample: number) {
    this.#module = module;
    this.#frame = frame;
    this.#listener = listener;
    this.#position = firstSample;
    this.#instance = module._fvad_new();
    if (this.#instance === 0) throw new Error("no memory for another voice detector");
    this.#configure();
  }

  get active(): boolean {
    return this.#active;
  }

  hear(pcm: Int16Array): void {
    if (this.#resting === 0 && pcm.length === frameSamples) {
      this.#position += frameSamples;
      this.#judge(pcm);
      return;
    }
    let from = 0;
    while (from < pcm.length) {
      const run = Math.min(frameSamples - this.#resting, pcm.length - from);
      this.#rest.set(pcm.subarray(from, from + run), this.#resting);
      this.#resting += run;
      from += run;
      if (this.#resting < frameSamples) return;
      this.#resting = 0;
      this.#position += frameSamples;
      this.#judge(this.#rest);
    }
  }

  /** Speech begins now, because somebody else says so. It ends like any other. */
  begin(): void {
    if (!this.#active) this.#start(this.#now());
    this.#silentFrames = 0;
  }

  /** Speech is over now, because somebody else says so or no more audio comes. */
  end(): void {
    this.#voicedFrames = 0;
    if (this.#active) this.#stop(this.#now());
  }

  /** The audio that follows does not join on to what came before. */
  reset(): void {
    this.end();
    this.#position = this.#now();
    this.#resting = 0;
    this.#module._fvad_reset(this.#instance);
    this.#configure();
  }

  close(): void {
    if (this.#instance !== 0) this.#module._fvad_free(this.#instance);
    this.#instance = 0;
  }

  #configure(): void {
    this.#module._fvad_set_mode(this.#instance, mode);
    this.#module._fvad_set_sample_rate(this.#instance, samplesPerMs * 1000);
  }

  #now(): number {
    return this.#position + this.#resting;
  }

  #judge(pcm: Int16Array): void {
    this.#module.HEAP16.set(pcm, this.#frame >> 1);
    const voiced = this.#module._fvad_process(this.#instance, this.#frame, frameSamples) === 1;
    this.#voicedFrames = voiced ? this.#voicedFrames + 1 : 0;
    this.#silentFrames = voiced ? 0 : this.#silentFrames + 1;
    if (!this.#active && this.#voicedFrames >= onsetFrames) {
      this.#start(this.#position - this.#voicedFrames * frameSamples);
    } else if (this.#active && this.#silentFrames >= endFrames) {
      this.#stop(this.#position - this.#silentFrames * frameSamples);
    }
  }

  #start(sample: number): void {
    this.#active = true;
    this.#silentFrames = 0;
    this.#listener.onVoiceStart(sample);
  }

  #stop(sample: number): void {
    this.#active = false;
    this.#listener.onVoiceEnd(sample);
  }
}
