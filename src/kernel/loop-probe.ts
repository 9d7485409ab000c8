import { LatencyHistogram } from "./latency-histogram.ts";
import type { Stop } from "./stop.ts";

/** A time during which the main loop did nothing, milliseconds since the Unix epoch. */
export interface Stall {
  /** When it began: whoever logs it can only do so when it is over. */
  readonly beganMs: number;
  readonly lastedMs: number;
}

const periodMs = 20;
/** Lateness from which on it is a stall. */
const stallMs = 100;
const keptStalls = 32;

/** Measures how late the main loop is: a timer every 20 ms that notes when it should have come and when it did. */
export class LoopProbe {
  readonly lag = new LatencyHistogram();
  readonly #onStall: (stall: Stall) => void;
  readonly #stalls: Stall[] = [];
  #dueMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onStall told of each stall of over 100 ms, once it is over. */
  constructor(onStall: (stall: Stall) => void = () => {}) {
    this.#onStall = onStall;
  }

  /** The latest stalls, oldest first. */
  get stalls(): readonly Stall[] {
    return this.#stalls;
  }

  start(): Stop {
    this.#arm();
    return () => clearTimeout(this.#timer);
  }

  #arm(): void {
    this.#dueMs = performance.now() + periodMs;
    this.#timer = setTimeout(this.#tick, periodMs);
    this.#timer.unref();
  }

  readonly #tick = (): void => {
    // A timer of the runtime is set in whole milliseconds and may come a little before its time.
    const lateMs = Math.max(0, performance.now() - this.#dueMs);
    this.lag.record(lateMs * 1000);
    if (lateMs > stallMs) this.#note({ beganMs: performance.timeOrigin + this.#dueMs, lastedMs: lateMs });
    this.#arm();
  };

  #note(stall: Stall): void {
    this.#stalls.push(stall);
    if (this.#stalls.length > keptStalls) this.#stalls.shift();
    this.#onStall(stall);
  }
}
