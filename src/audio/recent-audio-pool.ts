import { RecentAudio } from "./recent-audio.ts";

/** Lends out recent audio, so that sessions come and go without new memory. All that was ever made is kept. */
export class RecentAudioPool {
  readonly #capacityMs: number;
  readonly #keptMs: number;
  readonly #free: RecentAudio[] = [];
  #inUse = 0;

  /** @param keptMs of the capacity, what is kept though it is recognised. */
  constructor(capacityMs: number, keptMs = capacityMs) {
    this.#capacityMs = capacityMs;
    this.#keptMs = keptMs;
  }

  get inUse(): number {
    return this.#inUse;
  }

  get free(): number {
    return this.#free.length;
  }

  /** An empty one whose next sample is number `firstSample`. */
  acquire(firstSample: number): RecentAudio {
    const recent = this.#free.pop() ?? RecentAudio.allocate(this.#capacityMs, this.#keptMs);
    recent.clear(firstSample);
    this.#inUse++;
    return recent;
  }

  /** Takes one back. Its worker must have let go of it, or be dead. */
  release(recent: RecentAudio): void {
    this.#inUse--;
    this.#free.push(recent);
  }
}
