import type { Clock } from "../kernel/clock.ts";

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/**
 * Token buckets by key: each holds as much as is allowed in a minute and fills evenly, so that a burst is served and a
 * flood is not. Keys that have not been heard of for a minute cost nothing; beyond `mostKeys` the one used longest ago is
 * forgotten, in its favour.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #mostKeys: number;
  /** In order of last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, mostKeys: number) {
    this.#clock = clock;
    this.#mostKeys = mostKeys;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one request of `key`. Returns 0 if it may go on, else after how many milliseconds the next one may. */
  take(key: string, perMinute: number): number {
    const now = this.#clock.now();
    const perMs = perMinute / 60_000;
    const bucket = this.#buckets.get(key) ?? { tokens: perMinute, filledAtMs: now };
    bucket.tokens = Math.min(perMinute, bucket.tokens + (now - bucket.filledAtMs) * perMs);
    bucket.filledAtMs = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    this.#forget(now);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / perMs);
    bucket.tokens--;
    return 0;
  }

  /** A bucket that has rested for a minute is full again, as a new one would be. */
  #forget(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (this.#buckets.size <= this.#mostKeys && now - bucket.filledAtMs < 60_000) return;
      this.#buckets.delete(key);
    }
  }
}
