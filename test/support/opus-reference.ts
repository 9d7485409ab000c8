import { OpusCodec } from "../../workers/codecs/opus.ts";
import { OpusscriptLibrary } from "../../workers/codecs/opusscript.ts";
import { hummedSamples, opusPackets } from "./opus-packets.ts";

/** Streams of packets with what a decoder that is alone in its library makes of each. */
export function opusReferenceStreams(
  count: number,
  packetsEach: number,
): { packets: Uint8Array[]; samples: Int16Array[] }[] {
  return Array.from({ length: count }, (_, i) => {
    const packets = opusPackets(hummedSamples(packetsEach * 320, 90 + 37 * i));
    const codec = new OpusCodec(new OpusscriptLibrary(), () => {
      throw new Error("the reference packets are meant to be good");
    });
    return { packets, samples: packets.map((packet) => codec.decode(packet).slice()) };
  });
}
