import { dlopen, type Pointer, ptr } from "bun:ffi";
import type { AudioEncoder } from "./audio-encoder.ts";

const frameUs = 10_000;
const rateHz = 16_000;
const frameSamples = 160;
const framesPerMessage = 2;

function openLibrary() {
  return dlopen("liblc3.so.0", {
    lc3_encoder_size: { args: ["i32", "i32"], returns: "u32" },
    lc3_setup_encoder: { args: ["i32", "i32", "i32", "ptr"], returns: "ptr" },
    lc3_encode: { args: ["ptr", "i32", "ptr", "i32", "i32", "ptr"], returns: "i32" },
  });
}

let library: ReturnType<typeof openLibrary> | undefined;

/** LC3 as phones send it: frames of 10 ms, two back to back in a message. */
export class Lc3Encoder implements AudioEncoder {
  readonly messageSamples = frameSamples * framesPerMessage;
  readonly #frameBytes: number;
  /** The codec's state lives in here: it must stay referenced as long as the encoder is used. */
  readonly #memory: Uint8Array;
  readonly #encoder: Pointer | bigint;
  readonly #library: ReturnType<typeof openLibrary>;

  /** @throws Error naming the package to install when the library is not there. */
  constructor(frameBytes: number) {
    try {
      library ??= openLibrary();
    } catch {
      throw new Error("LC3 needs liblc3.so.0; on Debian: apt-get install liblc3-0");
    }
    this.#library = library;
    this.#frameBytes = frameBytes;
    this.#memory = new Uint8Array(library.symbols.lc3_encoder_size(frameUs, rateHz));
    const encoder = library.symbols.lc3_setup_encoder(frameUs, rateHz, 0, ptr(this.#memory));
    if (encoder === null) throw new Error("liblc3 refused to make an encoder");
    this.#encoder = encoder;
  }

  encode(samples: Int16Array): Uint8Array {
    const message = new Uint8Array(this.#frameBytes * framesPerMessage);
    for (let frame = 0; frame < framesPerMessage; frame++) {
      // The third argument 0 says signed 16-bit samples, the following 1 their stride.
      const failed = this.#library.symbols.lc3_encode(
        this.#encoder,
        0,
        ptr(samples, frame * frameSamples * 2),
        1,
        this.#frameBytes,
        ptr(message, frame * this.#frameBytes),
      );
      if (failed !== 0) throw new Error(`liblc3 could not encode (${failed})`);
    }
    return message;
  }

  close(): void {}
}
