/**
 * The quiet hiss of a room, as a microphone hears it while nobody speaks. Digital silence would be something that no real
 * microphone sends, and some recognisers and voice detectors fare worse with it. The same seed gives the same noise.
 */
export class RoomNoise {
  readonly #amplitude: number;
  #state: number;

  /** @param amplitude largest sample value. */
  constructor(seed: number, amplitude = 12) {
    this.#state = seed >>> 0 || 1;
    this.#amplitude = amplitude;
  }

  /** Overwrites all samples of `into`. */
  fill(into: Int16Array): void {
    for (let i = 0; i < into.length; i++) {
      // xorshift32
      this.#state ^= this.#state << 13;
      this.#state ^= this.#state >>> 17;
      this.#state ^= this.#state << 5;
      into[i] = Math.round(((this.#state >>> 0) / 0xffff_ffff - 0.5) * 2 * this.#amplitude);
    }
  }
}
