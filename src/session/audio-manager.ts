import type { AudioDemand, AudioLane, AudioLanes, LaneListener } from "../audio/lanes.ts";
import type { Metrics, Tally } from "../kernel/metrics.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import type { UnwantedAudio } from "./unwanted-audio.ts";

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
 * Feeds a session's audio into its lane. A lane is opened when somebody first wants to hear, so that a silent session
 * holds no place in a worker; what is said of the format and of voice before that is remembered and told then.
 */
export class AudioManager {
  // First what every frame needs.
  /** The socket whose audio is taken, or 0. */
  #generation = 0;
  #frames = 0;
  #lane: AudioLane | undefined;
  readonly #unwantedAudio: UnwantedAudio;
  readonly #unwanted: Tally;
  readonly #withoutLane: Tally;
  readonly #host: AudioHost;
  #format: AudioFormat;
  #demand: AudioDemand = { languages: [], pcm: false };
  #closed = false;

  constructor(host: AudioHost, format: AudioFormat) {
    this.#host = host;
    this.#unwantedAudio = host.unwantedAudio;
    this.#unwanted = host.metrics.audioFrames.tally("unwanted");
    this.#withoutLane = host.metrics.audioFrames.tally("no_lane");
    this.#format = format;
  }

  get format(): AudioFormat {
    return this.#format;
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
    if (this.#lane !== undefined) this.#lane.write(frame);
    else if (this.#wanted) this.#withoutLane.count++;
    else this.#unwanted.count++;
  }

  setFormat(format: AudioFormat): void {
    this.#format = format;
    this.#lane?.setFormat(format);
  }

  /** The phone's own voice detector. */
  markVoice(active: boolean): void {
    this.#lane?.markVoice(active);
  }

  /** A new glasses socket begins a new stream of samples. */
  glassesConnected(generation: number): void {
    this.#generation = generation;
    this.#lane?.reset();
    // There may be room now where there was none before.
    this.#openIfWanted();
  }

  /** What an older socket says has no effect. */
  glassesGone(): void {
    this.#generation = 0;
  }

  setDemand(demand: AudioDemand): void {
    this.#demand = demand;
    if (this.#lane === undefined) this.#openIfWanted();
    else this.#lane.setDemand(demand);
  }

  /** Ends the lane after the words still on their way, or after `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    const lane = this.#lane;
    this.#lane = undefined;
    await lane?.close(drainMs);
  }

  get #wanted(): boolean {
    return this.#demand.pcm || this.#demand.languages.length > 0;
  }

  #openIfWanted(): void {
    if (this.#lane !== undefined || this.#closed || !this.#wanted) return;
    this.#lane = this.#host.lanes.open(this.#host.listener);
    if (this.#lane === undefined) {
      this.#host.listener.onSpeechState({ state: "off", detail: "Every audio lane is taken" });
      return;
    }
    this.#lane.setFormat(this.#format);
    this.#lane.setDemand(this.#demand);
  }
}
