const nothing = new Uint8Array(0);

/** Keeps count of where samples end in a stream of 16-bit PCM, whose frames may have any length, and cuts it there. */
export class WholeSamples {
  /** Whether the stream stands in the middle of a sample. */
  #isInside = false;
  /** The first byte of that sample, where it was among what was taken. */
  #half: number | undefined;

  get isInside(): boolean {
    return this.#isInside;
  }

  /** The whole samples up to the end of `frame`, valid until the next call: the frame itself, as long as nobody splits one. */
  take(frame: Uint8Array): Uint8Array {
    if (!this.#isInside && frame.length % 2 === 0) return frame;
    // Of a sample whose first byte went elsewhere, the second is of no use.
    const from = this.#isInside && this.#half === undefined ? 1 : 0;
    const begun = this.#half === undefined ? nothing : Uint8Array.of(this.#half);
    const bytes = Buffer.concat([begun, frame.subarray(from)]);
    const whole = bytes.length - (bytes.length % 2);
    this.#half = bytes[whole];
    this.#isInside = this.#half !== undefined;
    return bytes.subarray(0, whole);
  }

  /** So many bytes of the stream went elsewhere. */
  skip(bytes: number): void {
    this.#half = undefined;
    if (bytes % 2 === 1) this.#isInside = !this.#isInside;
  }

  /** What comes next begins a new stream. */
  reset(): void {
    this.#half = undefined;
    this.#isInside = false;
  }
}
