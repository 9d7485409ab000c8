import { RecentAudio } from "./recent-audio.ts";

/** Lends out recent audio, so that sessions come and go without new memory. All that was ever made is kept. */
export class RecentAudioPool {
  readonly #capacityMs: number;
  readonly #free: RecentAudio[] = [];
  #inUse = 0;

  constructor(capacityMs: number) {
    this.#capacityMs = capacityMs;
  }

  get inUse(): number {
    return this.#inUse;
  }

  get free(): number {
    return this.#free.length;
  }

  /** An empty one whose next sample is number `firstSample`. */
  acquire(firstSample: number): RecentAudio {
    const recent = this.#free.pop() ?? RecentAudio.allocate(this.#capacityMs);
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
