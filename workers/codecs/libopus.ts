import { dlopen, FFIType, type Pointer } from "bun:ffi";
import { sampleRate } from "../../src/audio/recent-audio.ts";
import type { OpusDecoder, OpusLibrary } from "./opus.ts";

const symbols = {
  opus_decoder_create: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.ptr },
  opus_decode: {
    args: [FFIType.ptr, FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.i32],
    returns: FFIType.i32,
  },
  opus_decoder_destroy: { args: [FFIType.ptr], returns: FFIType.void },
} as const;

type Symbols = ReturnType<typeof dlopen<typeof symbols>>["symbols"];

/** Room for 120 ms, the longest packet there is. */
const pcmSamples = 5760;

/** Opus through the system's libopus: the same samples as `opusscript` in a good half of the time. */
export class LibopusLibrary implements OpusLibrary {
  readonly name = "libopus";
  readonly #symbols: Symbols;
  readonly #pcm = new Int16Array(pcmSamples);

  private constructor(loaded: Symbols) {
    this.#symbols = loaded;
  }

  /** Undefined where the library is not installed. */
  static load(): LibopusLibrary | undefined {
    try {
      return new LibopusLibrary(dlopen("libopus.so.0", symbols).symbols);
    } catch {
      return undefined;
    }
  }

  open(): OpusDecoder {
    const { opus_decoder_create, opus_decode, opus_decoder_destroy } = this.#symbols;
    const error = new Int32Array(1);
    let decoder: bigint | Pointer | null = opus_decoder_create(sampleRate, 1, error);
    if (decoder === null) throw new Error(`libopus cannot make a decoder: error ${error[0]}`);
    const pcm = this.#pcm;
    return {
      decode: (packet) => {
        const samples = opus_decode(decoder, packet, packet.length, pcm, pcmSamples, 0);
        return samples > 0 ? pcm.subarray(0, samples) : undefined;
      },
      close: () => {
        if (decoder !== null) opus_decoder_destroy(decoder);
        decoder = null;
      },
    };
  }
}
