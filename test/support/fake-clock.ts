import { DeadlineClock, DeadlineQueue } from "../../src/kernel/clock.ts";
import type { Stop } from "../../src/kernel/stop.ts";

/** Time that stands still until a test moves it. */
export class FakeClock extends DeadlineClock {
  readonly #queue = new DeadlineQueue();
  #nowMs: number;

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    super();
    this.#nowMs = startMs;
  }

  /** Deadlines still to run. */
  get pending(): number {
    return this.#queue.size;
  }

  now(): number {
    return this.#nowMs;
  }

  at(deadlineMs: number, run: () => void): Stop {
    return this.#queue.add(deadlineMs, run);
  }

  /** Moves the time forward and runs every deadline on the way, each at its own moment. */
  advance(byMs: number): void {
    const target = this.#nowMs + byMs;
    while (this.#runNext(target));
    this.#nowMs = target;
  }

  /** Like `advance`, but lets promises settle before each deadline and at the end. */
  async advanceAsync(byMs: number): Promise<void> {
    const target = this.#nowMs + byMs;
    do await settle();
    while (this.#runNext(target));
    this.#nowMs = target;
    await settle();
  }

  #runNext(target: number): boolean {
    const earliest = this.#queue.earliest();
    if (earliest === undefined || earliest > target) return false;
    this.#nowMs = Math.max(this.#nowMs, earliest);
    this.#queue.takeDue(this.#nowMs)?.();
    return true;
  }
}

/** One turn of the event loop: every promise that can settle without I/O has settled afterwards. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
