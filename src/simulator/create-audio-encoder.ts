import type { AudioFormat } from "../wire/audio-format.ts";
import type { AudioEncoder } from "./audio-encoder.ts";
import { Lc3Encoder } from "./lc3-encoder.ts";
import { createOpusEncoder } from "./opus-encoder.ts";

/** 1600 bytes: what the simulated client that app developers use sends. */
const pcmMessageSamples = 800;

/**
 * Makes the encoder of a format: PCM in messages of 50 ms, Opus in packets of 20 ms, LC3 in two frames of 10 ms.
 * @throws Error naming the package to install when the codec's library is not there.
 */
export function createAudioEncoder(format: AudioFormat): AudioEncoder {
  switch (format.codec) {
    case "pcm":
      return {
        messageSamples: pcmMessageSamples,
        encode: (samples) => new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength).slice(),
        close: () => {},
      };
    case "opus":
      return createOpusEncoder();
    case "lc3":
      return new Lc3Encoder(format.frameBytes);
  }
}
