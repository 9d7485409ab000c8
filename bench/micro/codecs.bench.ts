import { createAudioEncoder } from "../../src/simulator/create-audio-encoder.ts";
import type { AudioFormat } from "../../src/wire/audio-format.ts";
import type { Codec } from "../../workers/codecs/codec.ts";
import { Lc3Library } from "../../workers/codecs/lc3.ts";
import { LibopusLibrary } from "../../workers/codecs/libopus.ts";
import { OpusCodec, type OpusLibrary } from "../../workers/codecs/opus.ts";
import { OpusscriptLibrary } from "../../workers/codecs/opusscript.ts";
import { PcmCodec } from "../../workers/codecs/pcm.ts";
import { VoiceDetectors } from "../../workers/voice-detector.ts";
import { voiceSignal } from "../voice-signal.ts";
import { type MicroCase, type MicroGroup, measureCalls } from "./micro-bench.ts";

const frameSamples = 320;
const frames = 100;
const signal = voiceSignal(frames * frameSamples);
const ignore = () => {};

/** What 20 ms of audio of one session cost a worker. */
export const codecGroups: readonly MicroGroup[] = [
  {
    name: "codecs: 20 ms of Opus",
    baseline: "libopus",
    open: () => {
      const packets = encoded({ codec: "opus" });
      return {
        cases: [
          opusCase("libopus", LibopusLibrary.load(), packets),
          opusCase("opusscript, contained", new OpusscriptLibrary(), packets),
        ],
        close: ignore,
      };
    },
  },
  {
    name: "codecs: 20 ms of the others",
    baseline: "voice detector",
    open: openOthers,
  },
];

async function openOthers() {
  const detector = (await VoiceDetectors.load()).open({ onVoiceStart: ignore, onVoiceEnd: ignore }, 0);
  const lc3 = Lc3Library.load()?.open(40, ignore);
  const pcm = Array.from(
    pieces(),
    (piece) => new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength),
  );
  const hear = cycling(pieces(), (piece) => detector.hear(piece));
  return {
    cases: [
      { name: "voice detector", measure: () => measureCalls(hear) },
      { name: "PCM", measure: () => measureDecoding(new PcmCodec(), pcm) },
      {
        name: "LC3, frames of 40 B",
        measure: async () => lc3 && measureDecoding(lc3, encoded({ codec: "lc3", frameBytes: 40 })),
      },
    ],
    close: () => {
      detector.close();
      lc3?.close();
    },
  };
}

function opusCase(name: string, library: OpusLibrary | undefined, packets: readonly Uint8Array[]): MicroCase {
  return {
    name,
    measure: async () => {
      if (library === undefined) return undefined;
      const codec = new OpusCodec(library, ignore);
      const cost = await measureDecoding(codec, packets);
      codec.close();
      return cost;
    },
  };
}

function measureDecoding(codec: Codec, frames: readonly Uint8Array[]) {
  return measureCalls(cycling(frames, (frame) => codec.decode(frame)));
}

/** The signal in pieces of 20 ms. */
function pieces(): Int16Array[] {
  return Array.from({ length: frames }, (_, i) => signal.subarray(i * frameSamples, (i + 1) * frameSamples));
}

function encoded(format: AudioFormat): Uint8Array[] {
  const encoder = createAudioEncoder(format);
  const messages = pieces().map((piece) => encoder.encode(piece));
  encoder.close();
  return messages;
}

function cycling<Item>(items: readonly Item[], use: (item: Item) => unknown): () => unknown {
  let next = 0;
  return () => {
    const item = items[next++ % items.length];
    return item === undefined ? undefined : use(item);
  };
}
