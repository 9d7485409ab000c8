import { type Durations, histogramWords, LatencyHistogram } from "./latency-histogram.ts";

/** The stages of one audio frame and of one transcript on their way through the server. */
export const stageNames = [
  /**
   * From the callback of the socket until the frame lies in its ring, and with the apps where it is passed on to them. Every
   * 32nd frame is timed.
   */
  "socket_to_ring",
  /** The wait in the ring. */
  "ring_to_worker",
  /** Every 16th frame is timed. */
  "decode",
  /** From the ring's newest frame in a chunk to the hand-over of the chunk to the provider's socket. */
  "to_provider",
  /** From the provider's word in the worker to the main thread. */
  "provider_to_main",
  /** From there until the app's socket has taken it. */
  "main_to_app",
  /** Audio that had to be decoded on its way back to the main thread. */
  "pcm_to_main",
  /** From an app's display request until the glasses' socket has taken it, where nothing had to wait for its turn. */
  "display_to_glasses",
] as const;

export type StageName = (typeof stageNames)[number];

/** How long each stage took, as one thread has measured it; in shared memory, so that any other may read. */
export class StageTimes {
  readonly buffer: SharedArrayBuffer;
  readonly #histograms: readonly LatencyHistogram[];

  constructor(buffer = new SharedArrayBuffer(stageNames.length * histogramWords * 4)) {
    this.buffer = buffer;
    this.#histograms = stageNames.map(
      (_, i) => new LatencyHistogram(new Uint32Array(buffer, i * histogramWords * 4, histogramWords)),
    );
  }

  of(stage: StageName): LatencyHistogram {
    const histogram = this.#histograms[stageNames.indexOf(stage)];
    if (histogram === undefined) throw new RangeError(stage);
    return histogram;
  }

  read(stage: StageName): Durations {
    return this.of(stage).read();
  }
}
