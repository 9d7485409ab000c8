const sampleBytes = 2;
const nothing = new Uint8Array(0);

/** Cuts a stream of 16-bit PCM, whose frames may have any length, where samples end. */
export class WholeSamples {
  /** The first byte of a sample whose second has not come yet. */
  #half: number | undefined;

  /** The whole samples up to the end of `frame`: itself, as long as nobody splits one. */
  take(frame: Uint8Array): Uint8Array {
    const { length } = frame;
    if (this.#half === undefined && length % sampleBytes === 0) return frame;
    const begun = this.#half === undefined ? nothing : Uint8Array.of(this.#half);
    const bytes = Buffer.concat([begun, frame]);
    const whole = bytes.length - (bytes.length % sampleBytes);
    this.#half = bytes[whole];
    return bytes.subarray(0, whole);
  }

  /** What comes next begins a new stream. */
  reset(): void {
    this.#half = undefined;
  }
}
