import { samplesPerMs } from "../audio/recent-audio.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import type { AudioEncoder } from "./audio-encoder.ts";
import { createAudioEncoder } from "./create-audio-encoder.ts";
import { RoomNoise } from "./room-noise.ts";

/** When a piece of speech was sent. Milliseconds since the Unix epoch. */
export interface Spoken {
  readonly startedAtMs: number;
  /** When its last sample's message was handed to the socket. */
  readonly endedAtMs: number;
}

interface Utterance {
  readonly samples: Int16Array;
  readonly done: PromiseWithResolvers<Spoken>;
  sent: number;
  startedAtMs: number;
}

export interface MicrophoneOptions {
  readonly format: AudioFormat;
  readonly seed: number;
  /** `noise` keeps sending a room's hiss while nobody speaks, as an open microphone does; `none` sends nothing then. */
  readonly background: "noise" | "none";
  /** Receives each encoded message. */
  readonly send: (message: Uint8Array) => void;
}

/**
 * A microphone that hears what it is given, in real time: message n leaves n message lengths after the start, so that
 * lateness of one message does not add to the next. While it is muted nothing leaves and speech waits.
 */
export class Microphone {
  readonly #options: MicrophoneOptions;
  readonly #noise: RoomNoise;
  readonly #utterances: Utterance[] = [];
  #encoder: AudioEncoder;
  #samples: Int16Array;
  #open = false;
  #held = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #originMs = 0;
  #sent = 0;

  constructor(options: MicrophoneOptions) {
    this.#options = options;
    this.#noise = new RoomNoise(options.seed);
    this.#encoder = createAudioEncoder(options.format);
    this.#samples = new Int16Array(this.#encoder.messageSamples);
  }

  /** Opens or mutes it. */
  setOpen(open: boolean): void {
    this.#open = open;
    this.#run();
  }

  /** Stops sending until `release`, without losing anything that is to be spoken. */
  hold(): void {
    this.#held = true;
    this.#run();
  }

  release(): void {
    this.#held = false;
    this.#run();
  }

  /** From the next message on. @throws Error when the codec's library is missing; the former format then stays. */
  setFormat(format: AudioFormat): void {
    const encoder = createAudioEncoder(format);
    this.#encoder.close();
    this.#encoder = encoder;
    this.#samples = new Int16Array(encoder.messageSamples);
    this.#pause();
    this.#run();
  }

  /**
   * Says `samples` (16 kHz, mono) after all that was to be said before. Resolves when the last of them has been sent,
   * rejects with the signal's reason, or when the microphone is closed first.
   */
  speak(samples: Int16Array, signal?: AbortSignal): Promise<Spoken> {
    signal?.throwIfAborted();
    const utterance: Utterance = { samples, done: Promise.withResolvers(), sent: 0, startedAtMs: 0 };
    const abort = () => {
      const at = this.#utterances.indexOf(utterance);
      if (at >= 0) this.#utterances.splice(at, 1);
      utterance.done.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#utterances.push(utterance);
    this.#run();
    return utterance.done.promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** Says nothing more. Speech under way is given up. Safe to call twice. */
  close(): void {
    this.#held = true;
    this.#pause();
    for (const utterance of this.#utterances.splice(0)) {
      utterance.done.reject(new Error("the glasses were closed while they spoke"));
    }
    this.#encoder.close();
  }

  get #busy(): boolean {
    const something = this.#utterances.length > 0 || this.#options.background === "noise";
    return this.#open && !this.#held && something;
  }

  #run(): void {
    if (!this.#busy) this.#pause();
    else if (this.#timer === undefined) this.#begin();
  }

  #begin(): void {
    this.#originMs = performance.now();
    this.#sent = 0;
    this.#schedule();
  }

  #pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** A microphone has heard a message's sound only when its time is over, so the first leaves one length later. */
  #schedule(): void {
    const due = this.#originMs + ((this.#sent + 1) * this.#encoder.messageSamples) / samplesPerMs;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, due - performance.now()));
  }

  #tick(): void {
    this.#timer = undefined;
    const elapsedSamples = (performance.now() - this.#originMs) * samplesPerMs;
    const due = Math.floor(elapsedSamples / this.#encoder.messageSamples);
    while (this.#busy && this.#sent < due) {
      this.#sendMessage();
      this.#sent++;
    }
    if (this.#busy) this.#schedule();
  }

  #sendMessage(): void {
    const samples = this.#samples;
    this.#noise.fill(samples);
    const finished: Utterance[] = [];
    let filled = 0;
    for (let next = this.#utterances[0]; next !== undefined && filled < samples.length; ) {
      if (next.sent === 0) next.startedAtMs = Date.now();
      const piece = next.samples.subarray(next.sent, next.sent + samples.length - filled);
      samples.set(piece, filled);
      filled += piece.length;
      next.sent += piece.length;
      if (next.sent < next.samples.length) break;
      finished.push(next);
      this.#utterances.shift();
      next = this.#utterances[0];
    }
    this.#options.send(this.#encoder.encode(samples));
    const endedAtMs = Date.now();
    for (const { done, startedAtMs } of finished) done.resolve({ startedAtMs, endedAtMs });
  }
}
