/** An allowance that fills up again by itself: `most` at once, `perSecond` in the long run. */
export class TokenBucket {
  readonly #most: number;
  readonly #perSecond: number;
  #tokens: number;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(most: number, perSecond: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#tokens = most;
  }

  /** Takes one token. False: there is none left at this time. */
  take(nowMs: number): boolean {
    const gained = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#most, this.#tokens + gained);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
