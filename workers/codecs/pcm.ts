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
    // As nearly every frame is: whole samples, which can be read where they lie.
    if (!this.#midSample && ((frame.length | frame.byteOffset) & 1) === 0) return samplesOf(frame);
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

let view: Int16Array = new Int16Array(0);

/** The samples in a frame; the same view as long as the frames come in the same memory and have the same length. */
function samplesOf({ buffer, byteOffset, length }: Uint8Array): Int16Array {
  const known = view.buffer === buffer && view.byteOffset === byteOffset && view.byteLength === length;
  if (!known) view = new Int16Array(buffer, byteOffset, length >> 1);
  return view;
}

let scratch = new Uint8Array(8192);

/** One buffer for all PCM codecs of the thread, grown to the largest frame seen. */
function scratchBytes(length: number): Uint8Array {
  if (scratch.length < length) scratch = new Uint8Array((length + 1023) & ~1023);
  return scratch;
}
