import type { Codec } from "./codec.ts";

/**
 * Signed 16-bit little-endian samples in frames of any length. A sample may be cut in two by the end of a frame: its
 * first half waits here for the next one.
 */
export class PcmCodec implements Codec {
  /** Whether the stream stands in the middle of a sample. */
  #midSample = false;
  /** The sample's first byte; undefined when it was lost, and the second is of no use alone. */
  #firstHalf: number | undefined;

  decode(frame: Uint8Array): Int16Array {
    let from = 0;
    let filled = 0;
    const bytes = scratchBytes(frame.length + 1);
    if (this.#midSample && frame.length > 0) {
      if (this.#firstHalf === undefined) from = 1;
      else bytes[filled++] = this.#firstHalf;
      this.#midSample = false;
    }
    bytes.set(from === 0 ? frame : frame.subarray(from), filled);
    filled += frame.length - from;
    if ((filled & 1) === 1) {
      this.#midSample = true;
      this.#firstHalf = bytes[filled - 1];
    }
    return new Int16Array(bytes.buffer, 0, filled >> 1);
  }

  skipped(bytes: number): void {
    if (bytes === 0) return;
    this.#midSample = this.#midSample !== ((bytes & 1) === 1);
    this.#firstHalf = undefined;
  }

  reset(): void {
    this.#midSample = false;
    this.#firstHalf = undefined;
  }

  close(): void {}
}

let scratch = new Uint8Array(8192);

/** One buffer for all PCM codecs of the thread, grown to the largest frame seen. */
function scratchBytes(length: number): Uint8Array {
  if (scratch.length < length) scratch = new Uint8Array((length + 1023) & ~1023);
  return scratch;
}
