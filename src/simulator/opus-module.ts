import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The part of opusscript's WebAssembly module that is used, addresses and lengths in bytes. */
export interface OpusModule {
  readonly HEAPU8: Uint8Array;
  readonly OpusScriptHandler: {
    new (rateHz: number, channels: number, application: number): OpusHandler;
    destroy_handler(handler: OpusHandler): void;
  };
  _malloc(bytes: number): number;
  _free(address: number): void;
}

interface OpusHandler {
  _encode(samplesAt: number, sampleBytes: number, packetAt: number, frameSamples: number): number;
}

/** A fresh instance of the module, whose memory nobody else uses. */
export function createOpusModule(): OpusModule {
  const require = createRequire(import.meta.url);
  const path = require.resolve("opusscript/build/opusscript_native_wasm.js");
  const create: (options: object) => OpusModule = require(path);
  // Inside a worker the module does not know by itself where its WebAssembly file lies.
  return create({ locateFile: (file: string) => join(dirname(path), file) });
}
