import type { Clock } from "../kernel/clock.ts";
import type { Stop } from "../kernel/stop.ts";

/**
 * Wakes sleepers one after the other: the next one's turn comes when the one before is awake, or after `patienceMs`,
 * so that one that never wakes up does not keep the others asleep.
 */
export class WakeQueue {
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #wake: (name: string) => void;
  readonly #waiting = new Set<string>();
  #waking: string | undefined;
  #cancel: Stop | undefined;

  constructor(clock: Clock, patienceMs: number, wake: (name: string) => void) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
    this.#wake = wake;
  }

  add(names: readonly string[]): void {
    for (const name of names) if (name !== this.#waking) this.#waiting.add(name);
    if (this.#waking === undefined) this.#next();
  }

  /** Is awake, or gone: it need not be waited for. */
  settled(name: string): void {
    this.#waiting.delete(name);
    if (name === this.#waking) this.#next();
  }

  close(): void {
    this.#waiting.clear();
    this.#waking = undefined;
    this.#cancel?.();
  }

  #next(): void {
    this.#cancel?.();
    const [name] = this.#waiting;
    this.#waking = name;
    if (name === undefined) return;
    this.#waiting.delete(name);
    this.#cancel = this.#clock.after(this.#patienceMs, () => this.#next());
    this.#wake(name);
  }
}
