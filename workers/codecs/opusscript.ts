import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { sampleRate } from "../../src/audio/recent-audio.ts";
import type { OpusDecoder, OpusLibrary } from "./opus.ts";

/** The package's own native object: an encoder and a decoder together. Addresses are plain numbers. */
export interface OpusscriptHandler {
  _decode(packetAddress: number, packetBytes: number, pcmAddress: number): number;
  _encode(pcmAddress: number, pcmBytes: number, packetAddress: number, samples: number): number;
}

/** What is used of the module that the package builds with Emscripten. The heap views change when the memory grows. */
export interface OpusscriptModule {
  readonly HEAPU8: Uint8Array;
  readonly HEAPU16: Uint16Array;
  _malloc(bytes: number): number;
  readonly OpusScriptHandler: {
    new (sampleRate: number, channels: number, application: number): OpusscriptHandler;
    destroy_handler(handler: OpusscriptHandler): void;
  };
}

/** Makes a new instance of the package's WebAssembly module, with a memory of its own. Takes about 30 ms. */
export function loadOpusscriptModule(): OpusscriptModule {
  const require = createRequire(import.meta.url);
  const path = require.resolve("opusscript/build/opusscript_native_wasm.js");
  const create: (options: object) => OpusscriptModule = require(path);
  return create({
    // The module's own guess at where its WebAssembly file lies is wrong inside a worker.
    locateFile: (file: string) => join(dirname(path), file),
    print: ignore,
    printErr: ignore,
  });
}

function ignore(): void {}

const voip = 2048;
const packetBufferBytes = 4096;
/** The package writes each byte of PCM into a cell of two; 5760 samples is what it decodes at the very most. */
const pcmBufferBytes = 5760 * 4;

/**
 * Opus through the npm package `opusscript`, contained. The package's own `decode()` writes the samples at twice the
 * address that it reserved, so sessions overwrite each other, and from about the 77th instance on outside of the memory.
 * Here its raw handler gets one buffer a thread for packets and one for samples, both large enough for everything that
 * may happen, and an instance that has aborted is thrown away with all its decoders; each gets a new one when its
 * next packet comes.
 */
export class OpusscriptLibrary implements OpusLibrary {
  readonly name = "opusscript";
  readonly #load: () => OpusscriptModule;
  #instance: Instance | undefined;
  #deaths = 0;

  constructor(load: () => OpusscriptModule = loadOpusscriptModule) {
    this.#load = load;
    this.#instance = new Instance(load());
  }

  /** How many module instances have aborted. */
  get deaths(): number {
    return this.#deaths;
  }

  open(): OpusDecoder {
    let instance: Instance | undefined;
    let handler: OpusscriptHandler | undefined;
    return {
      decode: (packet) => {
        try {
          if (handler === undefined || instance !== this.#instance) {
            this.#instance ??= new Instance(this.#load());
            instance = this.#instance;
            handler = instance.open();
          }
          return instance?.decode(handler, packet);
        } catch {
          // Errors in a packet come back as numbers; what is thrown comes from a module whose memory nobody can trust.
          if (this.#instance === instance || instance === undefined) this.#instance = undefined;
          this.#deaths++;
          handler = undefined;
          return undefined;
        }
      },
      close: () => {
        if (handler !== undefined && instance === this.#instance) instance?.close(handler);
        handler = undefined;
      },
    };
  }
}

/** One module instance with its two buffers. */
class Instance {
  readonly #module: OpusscriptModule;
  readonly #packetAddress: number;
  readonly #pcmAddress: number;
  readonly #pcm = new Int16Array(5760);

  constructor(module: OpusscriptModule) {
    this.#module = module;
    this.#packetAddress = module._malloc(packetBufferBytes);
    this.#pcmAddress = module._malloc(pcmBufferBytes);
  }

  open(): OpusscriptHandler {
    return new this.#module.OpusScriptHandler(sampleRate, 1, voip);
  }

  close(handler: OpusscriptHandler): void {
    this.#module.OpusScriptHandler.destroy_handler(handler);
  }

  decode(handler: OpusscriptHandler, packet: Uint8Array): Int16Array | undefined {
    this.#module.HEAPU8.set(packet, this.#packetAddress);
    const samples = handler._decode(this.#packetAddress, packet.length, this.#pcmAddress);
    if (samples <= 0) return undefined;
    const cells = this.#module.HEAPU16;
    const pcm = this.#pcm;
    for (let i = 0, cell = this.#pcmAddress >> 1; i < samples; i++, cell += 2) {
      pcm[i] = (cells[cell] ?? 0) | ((cells[cell + 1] ?? 0) << 8);
    }
    return pcm.subarray(0, samples);
  }
}
