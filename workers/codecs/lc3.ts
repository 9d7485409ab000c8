import { dlopen, FFIType, type Pointer, ptr } from "bun:ffi";
import { sampleRate, samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { Codec, OnUndecodable } from "./codec.ts";

const symbols = {
  lc3_decoder_size: { args: [FFIType.i32, FFIType.i32], returns: FFIType.u32 },
  lc3_setup_decoder: {
    args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr],
    returns: FFIType.ptr,
  },
  lc3_decode: {
    args: [FFIType.ptr, FFIType.ptr, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.i32],
    returns: FFIType.i32,
  },
} as const;

type Symbols = ReturnType<typeof dlopen<typeof symbols>>["symbols"];

const frameUs = 10_000;
const frameSamples = 10 * samplesPerMs;
const signed16 = 0;

/** LC3 through Google's liblc3. */
export class Lc3Library {
  readonly #symbols: Symbols;

  private constructor(loaded: Symbols) {
    this.#symbols = loaded;
  }

  /** Undefined where the library is not installed. */
  static load(): Lc3Library | undefined {
    try {
      return new Lc3Library(dlopen("liblc3.so.0", symbols).symbols);
    } catch {
      return undefined;
    }
  }

  open(frameBytes: number, onUndecodable: OnUndecodable): Codec {
    return new Lc3Codec(this.#symbols, frameBytes, onUndecodable);
  }
}

/** Whole 10 ms frames back to back in one message. A rest that is no whole frame is left out and counted. */
class Lc3Codec implements Codec {
  readonly #symbols: Symbols;
  readonly #frameBytes: number;
  readonly #onUndecodable: OnUndecodable;
  /** The decoder's state. Kept here as long as the codec lives: native code holds only its address. */
  readonly #memory: Uint8Array;
  #decoder: bigint | Pointer | null = null;

  constructor(loaded: Symbols, frameBytes: number, onUndecodable: OnUndecodable) {
    this.#symbols = loaded;
    this.#frameBytes = frameBytes;
    this.#onUndecodable = onUndecodable;
    this.#memory = new Uint8Array(loaded.lc3_decoder_size(frameUs, sampleRate));
    this.reset();
  }

  decode(message: Uint8Array): Int16Array {
    const frames = Math.floor(message.length / this.#frameBytes);
    if (frames * this.#frameBytes !== message.length) this.#onUndecodable();
    const pcm = scratchSamples(frames * frameSamples);
    for (let i = 0; i < frames; i++) {
      const frame = message.subarray(i * this.#frameBytes, (i + 1) * this.#frameBytes);
      const out = pcm.subarray(i * frameSamples, (i + 1) * frameSamples);
      // 1 means that the frame was damaged and has been concealed; below 0 nothing was written.
      const result = this.#symbols.lc3_decode(this.#decoder, frame, this.#frameBytes, signed16, out, 1);
      if (result !== 0) this.#onUndecodable();
      if (result < 0) out.fill(0);
    }
    return pcm;
  }

  skipped(): void {}

  reset(): void {
    this.#decoder = this.#symbols.lc3_setup_decoder(frameUs, sampleRate, 0, ptr(this.#memory));
  }

  close(): void {
    this.#decoder = null;
  }
}

let scratch = new Int16Array(20 * frameSamples);

/** One buffer for all LC3 codecs of the thread, grown to the longest message seen. */
function scratchSamples(length: number): Int16Array {
  if (scratch.length < length) scratch = new Int16Array(length);
  return scratch.subarray(0, length);
}
