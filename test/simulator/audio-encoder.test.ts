import { describe, expect, test } from "bun:test";
import type { AudioEncoder } from "../../src/simulator/audio-encoder.ts";
import { createAudioEncoder } from "../../src/simulator/create-audio-encoder.ts";
import { WasmOpusEncoder } from "../../src/simulator/opus-encoder.ts";
import { createOpusModule } from "../../src/simulator/opus-module.ts";
import type { AudioFormat } from "../../src/wire/audio-format.ts";
import { CodecShelf } from "../../workers/codecs/codec-shelf.ts";

/** A second of two tones that fade in and out, as speech does. */
const sound = Int16Array.from({ length: 16_000 }, (_, i) => {
  const envelope = Math.sin((Math.PI * (i % 4_000)) / 4_000);
  return 8_000 * envelope * (Math.sin((2 * Math.PI * 300 * i) / 16_000) + 0.4 * Math.sin(i * 0.61));
});

function messagesOf(encoder: AudioEncoder): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; at + encoder.messageSamples <= sound.length; at += encoder.messageSamples) {
    messages.push(encoder.encode(sound.subarray(at, at + encoder.messageSamples)));
  }
  return messages;
}

/** What the server's codec makes of the messages. */
function decoded(format: AudioFormat, messages: readonly Uint8Array[]): Int16Array {
  const codec = new CodecShelf("auto").open(format, () => {
    throw new Error("a frame could not be decoded");
  });
  const samples = messages.flatMap((message) => [...codec.decode(message)]);
  codec.close();
  return Int16Array.from(samples);
}

/** Likeness of two signals (1: the same but for loudness), at the best of all delays a codec may have. */
function likeness(a: Int16Array, b: Int16Array): number {
  let best = 0;
  for (let delay = 0; delay < 400; delay++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = 0; i + delay < b.length; i++) {
      const [x, y] = [a[i] ?? 0, b[i + delay] ?? 0];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    best = Math.max(best, ab / Math.sqrt(aa * bb || 1));
  }
  return best;
}

describe("an audio encoder", () => {
  test("of PCM sends the samples as they are, in messages of 1600 bytes", () => {
    const messages = messagesOf(createAudioEncoder({ codec: "pcm" }));
    expect(messages.map(({ length }) => length)).toEqual(Array.from({ length: 20 }, () => 1600));
    expect(decoded({ codec: "pcm" }, messages)).toEqual(sound);
  });

  test("of Opus sends packets of 20 ms from which the server gets the sound back", () => {
    const encoder = createAudioEncoder({ codec: "opus" });
    const messages = messagesOf(encoder);
    expect(messages).toHaveLength(50);
    expect(Math.max(...messages.map(({ length }) => length))).toBeLessThan(300);
    expect(likeness(sound, decoded({ codec: "opus" }, messages))).toBeGreaterThan(0.95);
    encoder.close();
    encoder.close();
    expect(() => encoder.encode(sound.subarray(0, 320))).toThrow("closed");
  });

  test("of Opus does without libopus", () => {
    const encoder = new WasmOpusEncoder(createOpusModule());
    expect(likeness(sound, decoded({ codec: "opus" }, messagesOf(encoder)))).toBeGreaterThan(0.95);
    encoder.close();
    encoder.close();
    expect(() => encoder.encode(sound.subarray(0, 320))).toThrow("closed");
  });

  test.each([20, 40, 60] as const)(
    "of LC3 sends two frames of %d bytes from which the server gets the sound back",
    (frameBytes) => {
      const format: AudioFormat = { codec: "lc3", frameBytes };
      const messages = messagesOf(createAudioEncoder(format));
      expect(messages.map(({ length }) => length)).toEqual(Array.from({ length: 50 }, () => 2 * frameBytes));
      expect(likeness(sound, decoded(format, messages))).toBeGreaterThan(0.95);
    },
  );
});
