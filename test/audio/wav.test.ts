import { describe, expect, test } from "bun:test";
import { readWav, writeWav } from "../../src/audio/wav.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** A WAV file of the given format with the given interleaved samples, and an odd-sized chunk before them. */
function wavFile(rate: number, channels: number, samples: readonly number[], bits = 16): Uint8Array {
  const file = new Uint8Array(12 + 24 + 12 + 8 + samples.length * 2);
  const view = new DataView(file.buffer);
  const put = (at: number, text: string) => file.set(new TextEncoder().encode(text), at);
  put(0, "RIFF");
  put(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint16(34, bits, true);
  put(36, "LIST");
  view.setUint32(40, 3, true);
  put(48, "data");
  view.setUint32(52, samples.length * 2, true);
  samples.forEach((sample, i) => {
    view.setInt16(56 + i * 2, sample, true);
  });
  return file;
}

function sine(hz: number, rate: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) =>
    Math.round(10_000 * Math.sin((2 * Math.PI * hz * i) / rate)),
  );
}

describe("WAV files", () => {
  test("come back as they were written", () => {
    const random = seededRandom("wav round trip");
    const samples = Int16Array.from({ length: 1_001 }, () => random.integer(-32_768, 32_767));
    expect(readWav(writeWav(samples))).toEqual(samples);
  });

  test("of two channels are mixed to one, chunks that are not known skipped", () => {
    expect([...readWav(wavFile(16_000, 2, [100, 300, -50, -150]))]).toEqual([200, -100]);
  });

  test.each([8_000, 22_050, 44_100, 48_000])(
    "at %d Hz are brought to 16 kHz with their pitch kept",
    (rate) => {
      const converted = readWav(wavFile(rate, 1, sine(440, rate, rate)));
      expect(Math.abs(converted.length - 16_000)).toBeLessThanOrEqual(1);
      const crossings = converted.reduce(
        (count, sample, i) => count + (i > 0 && sample >= 0 && (converted[i - 1] ?? 0) < 0 ? 1 : 0),
        0,
      );
      expect(Math.abs(crossings - 440)).toBeLessThanOrEqual(2);
      expect(Math.max(...converted)).toBeGreaterThan(9_000);
    },
  );

  test("whose header gives no size end where the file ends", () => {
    const file = wavFile(16_000, 1, [1, 2, 3]);
    new DataView(file.buffer).setUint32(52, 0xffff_ffff, true);
    expect([...readWav(file)]).toEqual([1, 2, 3]);
  });

  test("that are none, are cut off or hold something else are refused with a reason", () => {
    expect(() => readWav(new TextEncoder().encode("hello, this is text"))).toThrow("not a WAV file");
    expect(() => readWav(wavFile(16_000, 1, [1]).subarray(0, 40))).toThrow("no samples");
    expect(() => readWav(wavFile(16_000, 1, [1], 24))).toThrow("24-bit");
  });
});
