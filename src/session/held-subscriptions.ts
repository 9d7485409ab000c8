import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Stop } from "../kernel/stop.ts";

/**
 * Decides whether an empty subscription list is meant. The SDK sends one right after each connect, before the app has
 * registered its handlers; taking it at its word would tear down streams that are wanted again a moment later. An empty
 * list shortly after a connect is therefore held back: the former list stays in force for `provisionalMs` (again after
 * each further empty list, `emptySubscriptionMs` in all), and a list with entries puts an end to the matter.
 */
export class HeldSubscriptions {
  readonly #clock: Clock;
  readonly #limits: Limits;
  #connectedAtMs = Number.NEGATIVE_INFINITY;
  #cancel: Stop | undefined;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Whether a former list is in force only until the app makes itself clear. */
  get provisional(): boolean {
    return this.#cancel !== undefined;
  }

  /** Whether the app's socket is so new that its wishes are still in doubt, whatever it has sent. */
  get unsettled(): boolean {
    return this.provisional || this.#clock.now() < this.#connectedAtMs + this.#limits.emptySubscriptionMs;
  }

  /** A new socket: the next empty list may be the SDK's opening one. */
  connected(): void {
    this.reset();
    this.#connectedAtMs = this.#clock.now();
  }

  /**
   * An empty list has come while `hasFormer` tells whether the app had entries before. Calls `apply` at once where it is
   * meant, later where it is doubtful, and not at all if a list with entries comes in between.
   */
  empty(hasFormer: boolean, apply: () => void): void {
    const now = this.#clock.now();
    const doubtUntil = this.#connectedAtMs + this.#limits.emptySubscriptionMs;
    this.reset();
    if (!hasFormer || now >= doubtUntil) {
      apply();
      return;
    }
    this.#cancel = this.#clock.at(Math.min(now + this.#limits.provisionalMs, doubtUntil), () => {
      this.#cancel = undefined;
      apply();
    });
  }

  /** A list with entries has come, or the app is gone: nothing is in doubt any more. */
  reset(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
