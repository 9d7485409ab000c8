import { type Clock, isoTime } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";

/** What an app heard from a moment on. */
export interface SubscriptionChange {
  /** ISO 8601. */
  readonly at: string;
  /** The app's own strings. */
  readonly streams: readonly string[];
}

/** What each app of a session has heard and when, the last `subscriptionHistory` changes of each. For operators. */
export class SubscriptionHistory {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #changes = new Map<string, SubscriptionChange[]>();

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** An app's list has come into force. One that says what the former said is no change. */
  note(packageName: string, streams: readonly string[]): void {
    const changes = this.#changes.get(packageName) ?? [];
    const former = changes.at(-1)?.streams ?? [];
    if (former.length === streams.length && former.every((literal, i) => literal === streams[i])) return;
    changes.push({ at: isoTime(this.#clock), streams });
    if (changes.length > this.#limits.subscriptionHistory) changes.shift();
    this.#changes.set(packageName, changes);
  }

  /** By package, each oldest first. */
  get all(): Readonly<Record<string, readonly SubscriptionChange[]>> {
    return Object.fromEntries(
      [...this.#changes].map(([packageName, changes]) => [packageName, [...changes]]),
    );
  }
}
