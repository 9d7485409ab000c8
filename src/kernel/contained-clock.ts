import { type Clock, DeadlineClock } from "./clock.ts";
import type { Stop } from "./stop.ts";

/** A clock whose callbacks may throw: what they throw goes to their owner, and everybody else's run all the same. */
export class ContainedClock extends DeadlineClock {
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;

  constructor(clock: Clock, onError: (error: unknown) => void) {
    super();
    this.#clock = clock;
    this.#onError = onError;
  }

  now(): number {
    return this.#clock.now();
  }

  at(deadlineMs: number, run: () => void): Stop {
    return this.#clock.at(deadlineMs, () => {
      try {
        run();
      } catch (error) {
        this.#onError(error);
      }
    });
  }
}
