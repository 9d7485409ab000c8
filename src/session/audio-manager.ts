import type { AudioDemand, AudioLane, AudioLanes, LaneListener } from "../audio/lanes.ts";
import type { Metrics, Tally } from "../kernel/metrics.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import type { UnwantedAudio } from "./unwanted-audio.ts";
import { WholeSamples } from "./whole-samples.ts";

/** What the manager needs of its session. */
export interface AudioHost {
  readonly lanes: AudioLanes;
  readonly metrics: Metrics;
  readonly listener: LaneListener;
  readonly unwantedAudio: UnwantedAudio;
}

/** Unwanted audio is looked for at every fourth frame: twice a second with clients that send as few as ten. */
const framesPerLook = 4 - 1;

/**
 * Sends a session's audio where it is wanted. PCM goes to the apps that hear it as it came: there is nothing to decode, and
 * no thread in between that could be late. Everything else is a worker's part, which the session's lane leads to. A lane is
 * opened when somebody first wants what only a worker can give, so that a silent session holds no place there; what is
 * said of the format and of voice before that is remembered and told then.
 */
export class AudioManager {
  // First what every frame needs.
  /** The socket whose audio is taken, or 0. */
  #generation = 0;
  #frames = 0;
  #lane: AudioLane | undefined;
  /** Whether frames go to the apps as they came, and whether they are for the lane. */
  #passesOn = false;
  #forLane = false;
  readonly #unwantedAudio: UnwantedAudio;
  readonly #unwanted: Tally;
  readonly #withoutLane: Tally;
  readonly #passedOn: Tally;
  readonly #samples = new WholeSamples();
  readonly #host: AudioHost;
  #format: AudioFormat;
  #demand: AudioDemand = { languages: [], pcm: false };
  #closed = false;

  constructor(host: AudioHost, format: AudioFormat) {
    this.#host = host;
    this.#unwantedAudio = host.unwantedAudio;
    this.#unwanted = host.metrics.audioFrames.tally("unwanted");
    this.#withoutLane = host.metrics.audioFrames.tally("no_lane");
    this.#passedOn = host.metrics.audioFrames.tally("passed_on");
    this.#format = format;
  }

  get format(): AudioFormat {
    return this.#format;
  }

  /** Whether somebody hears the audio, and gets it. */
  get heard(): boolean {
    return this.#passesOn || (this.#forLane && this.#lane !== undefined);
  }

  /**
   * One binary frame from the glasses: one copy, no waiting. Nothing is allocated, and few objects are touched: this runs
   * fifty times a second for everybody, and with a thousand sessions each object is a miss in the processor's cache.
   */
  receive(generation: number, frame: Uint8Array): void {
    if (generation !== this.#generation) {
      this.#host.metrics.audioFrames.inc({ fate: "stale" });
      return;
    }
    if ((++this.#frames & framesPerLook) === 0) this.#unwantedAudio.heard();
    if (this.#forLane || !this.#passesOn) this.#toLane(frame);
    else {
      this.#passedOn.count++;
      this.#lane?.skip(frame.byteLength);
    }
    if (this.#passesOn) this.#host.listener.onPcm(this.#samples.take(frame));
  }

  setFormat(format: AudioFormat): void {
    this.#format = format;
    this.#lane?.setFormat(format);
    this.#applyDemand();
  }

  /** The phone's own voice detector. */
  markVoice(active: boolean): void {
    this.#lane?.markVoice(active);
  }

  /** A new glasses socket begins a new stream of samples. */
  glassesConnected(generation: number): void {
    this.#generation = generation;
    this.#samples.reset();
    this.#lane?.reset();
    // There may be room now where there was none before.
    this.#applyDemand();
  }

  /** What an older socket says has no effect. */
  glassesGone(): void {
    this.#generation = 0;
  }

  setDemand(demand: AudioDemand): void {
    this.#demand = demand;
    this.#applyDemand();
  }

  /** Ends the lane after the words still on their way, or after `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    const lane = this.#lane;
    this.#lane = undefined;
    this.#passesOn = false;
    await lane?.close(drainMs);
  }

  #toLane(frame: Uint8Array): void {
    if (this.#lane !== undefined) this.#lane.write(frame);
    else if (this.#forLane) this.#withoutLane.count++;
    else this.#unwanted.count++;
  }

  /** Decides which way frames go, and opens a lane where one is needed. */
  #applyDemand(): void {
    if (this.#closed) return;
    const { languages, speech = [], pcm, voice = false } = this.#demand;
    const passesOn = pcm && this.#format.codec === "pcm";
    if (passesOn && !this.#passesOn) this.#samples.reset();
    this.#passesOn = passesOn;
    const ofLane = { languages, speech, pcm: pcm && !passesOn, voice: pcm && voice };
    this.#forLane = ofLane.pcm || ofLane.voice || languages.length > 0;
    if (this.#lane === undefined && this.#forLane) this.#open();
    this.#lane?.setDemand(ofLane);
  }

  #open(): void {
    this.#lane = this.#host.lanes.open(this.#host.listener);
    if (this.#lane !== undefined) this.#lane.setFormat(this.#format);
    else this.#host.listener.onSpeechState({ state: "off", detail: "Every audio lane is taken" });
  }
}
