import { dlopen, type Pointer, ptr } from "bun:ffi";
import type { AudioEncoder } from "./audio-encoder.ts";
import { createOpusModule, type OpusModule } from "./opus-module.ts";

const rateHz = 16_000;
/** 20 ms: what nearly every Opus sender uses. */
const packetSamples = 320;
const voip = 2048;
const largestPacketBytes = 1275;

function openLibrary() {
  return dlopen("libopus.so.0", {
    opus_encoder_create: { args: ["i32", "i32", "i32", "ptr"], returns: "ptr" },
    opus_encode: { args: ["ptr", "ptr", "i32", "ptr", "i32"], returns: "i32" },
    opus_encoder_destroy: { args: ["ptr"], returns: "void" },
  });
}

let library: ReturnType<typeof openLibrary> | undefined;

/** Opus as 20 ms packets: with libopus where it is installed, else with the package's WebAssembly build. */
export function createOpusEncoder(): AudioEncoder {
  try {
    library ??= openLibrary();
  } catch {
    return new WasmOpusEncoder(createOpusModule());
  }
  return new NativeOpusEncoder(library);
}

class NativeOpusEncoder implements AudioEncoder {
  readonly messageSamples = packetSamples;
  readonly #library: ReturnType<typeof openLibrary>;
  readonly #packet = new Uint8Array(largestPacketBytes);
  #encoder: Pointer | bigint | null;

  constructor(library: ReturnType<typeof openLibrary>) {
    this.#library = library;
    const error = new Int32Array(1);
    this.#encoder = library.symbols.opus_encoder_create(rateHz, 1, voip, ptr(error));
    if (this.#encoder === null || error[0] !== 0) {
      throw new Error(`libopus refused to make an encoder (${error[0]})`);
    }
  }

  encode(samples: Int16Array): Uint8Array {
    if (this.#encoder === null) throw new Error("the Opus encoder is closed");
    const bytes = this.#library.symbols.opus_encode(
      this.#encoder,
      ptr(samples),
      packetSamples,
      ptr(this.#packet),
      this.#packet.length,
    );
    if (bytes <= 0) throw new Error(`libopus could not encode (${bytes})`);
    return this.#packet.slice(0, bytes);
  }

  close(): void {
    if (this.#encoder !== null) this.#library.symbols.opus_encoder_destroy(this.#encoder);
    this.#encoder = null;
  }
}

/**
 * The package's own wrapper places samples at twice their address; this talks to the codec inside it with real
 * addresses, and looks at the heap anew each time since growing it replaces the views. The codec wants every byte of the
 * samples in a 16-bit word of its own. Exported for tests, since a
 * machine with libopus would never choose it.
 */
export class WasmOpusEncoder implements AudioEncoder {
  readonly messageSamples = packetSamples;
  readonly #module: OpusModule;
  readonly #handler: InstanceType<OpusModule["OpusScriptHandler"]>;
  readonly #samplesAt: number;
  readonly #packetAt: number;
  #closed = false;

  constructor(module: OpusModule) {
    this.#module = module;
    this.#handler = new module.OpusScriptHandler(rateHz, 1, voip);
    this.#samplesAt = module._malloc(packetSamples * 4);
    // The codec may write as much as three of the largest packets.
    this.#packetAt = module._malloc(3 * (largestPacketBytes + 1));
  }

  encode(samples: Int16Array): Uint8Array {
    if (this.#closed) throw new Error("the Opus encoder is closed");
    const source = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    const heap = this.#module.HEAPU8;
    for (let i = 0; i < source.length; i++) {
      heap[this.#samplesAt + 2 * i] = source[i] ?? 0;
      heap[this.#samplesAt + 2 * i + 1] = 0;
    }
    const bytes = this.#handler._encode(this.#samplesAt, source.length, this.#packetAt, packetSamples);
    if (bytes <= 0) throw new Error(`opusscript could not encode (${bytes})`);
    return this.#module.HEAPU8.slice(this.#packetAt, this.#packetAt + bytes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#module.OpusScriptHandler.destroy_handler(this.#handler);
    this.#module._free(this.#samplesAt);
    this.#module._free(this.#packetAt);
  }
}
