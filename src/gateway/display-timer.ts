import type { LatencyHistogram } from "../kernel/latency-histogram.ts";

/**
 * Times displays from an app's request to the glasses' socket, where the one leads to the other in one go. What has to
 * wait for its turn on the screen is not timed: that wait is meant.
 */
export class DisplayTimer {
  readonly #times: LatencyHistogram;
  #askedMs: number | undefined;

  constructor(times: LatencyHistogram) {
    this.#times = times;
  }

  /** A request is about to be acted on. */
  asked(): void {
    this.#askedMs = performance.now();
  }

  /** A display has been handed to the glasses' socket. */
  sent(): void {
    if (this.#askedMs !== undefined) this.#times.record((performance.now() - this.#askedMs) * 1000);
  }

  /** The request has been acted on. */
  done(): void {
    this.#askedMs = undefined;
  }
}
