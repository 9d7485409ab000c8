import { samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { Codec, OnUndecodable } from "./codec.ts";

/** An implementation of Opus on this thread. */
export interface OpusLibrary {
  readonly name: "libopus" | "opusscript";
  /** @throws Error when there is no memory for another decoder. */
  open(): OpusDecoder;
}

/** One decoder, mono at 16 kHz. Only ever given packets that `packetSamples` accepts with at most 60 ms. */
export interface OpusDecoder {
  /** The samples, valid until the library's next call; undefined for an invalid packet. */
  decode(packet: Uint8Array): Int16Array | undefined;
  close(): void;
}

/** The longest Opus frame; a packet holds one or more, and ours is one frame's worth of payload at most. */
const longestPacketBytes = 1275;
const longestPacketSamples = 60 * samplesPerMs;
const usualSamples = 20 * samplesPerMs;
/** The longest packet the format allows: no more silence than that stands in for one bad packet. */
const longestSilenceSamples = 120 * samplesPerMs;

/**
 * How many samples at 16 kHz a packet says it holds, from its first byte or two (RFC 6716, section 3.1), or undefined
 * when there are none to be read.
 */
export function packetSamples(packet: Uint8Array): number | undefined {
  const toc = packet[0];
  if (toc === undefined) return undefined;
  const config = toc >> 3;
  const frameMs =
    config < 12
      ? ([10, 20, 40, 60][config & 3] ?? 0)
      : config < 16
        ? ([10, 20][config & 1] ?? 0)
        : ([2.5, 5, 10, 20][config & 3] ?? 0);
  const code = toc & 3;
  const second = packet[1];
  if (code === 3 && second === undefined) return undefined;
  const frames = code === 0 ? 1 : code === 3 ? (second ?? 0) & 63 : 2;
  return frames * frameMs * samplesPerMs;
}

/** One Opus packet of 2.5 to 60 ms a frame. Everything else is answered with silence and never reaches the library. */
export class OpusCodec implements Codec {
  readonly #library: OpusLibrary;
  readonly #onUndecodable: OnUndecodable;
  #decoder: OpusDecoder | undefined;
  #lastSamples = usualSamples;

  constructor(library: OpusLibrary, onUndecodable: OnUndecodable) {
    this.#library = library;
    this.#onUndecodable = onUndecodable;
  }

  decode(packet: Uint8Array): Int16Array {
    const samples = packetSamples(packet);
    const decodable =
      samples !== undefined &&
      samples > 0 &&
      samples <= longestPacketSamples &&
      packet.length <= longestPacketBytes;
    if (decodable) {
      this.#decoder ??= this.#library.open();
      const pcm = this.#decoder.decode(packet);
      if (pcm !== undefined) {
        this.#lastSamples = pcm.length;
        return pcm;
      }
    }
    this.#onUndecodable();
    return silence.subarray(0, samples ? Math.min(samples, longestSilenceSamples) : this.#lastSamples);
  }

  skipped(): void {}

  /** A new decoder: the former stream's state would ring on in the new one. */
  reset(): void {
    this.close();
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }
}

const silence = new Int16Array(longestSilenceSamples);
