import { describe, expect, test } from "bun:test";
import { RecentAudio } from "../../src/audio/recent-audio.ts";
import { seededRandom } from "../support/seeded-random.ts";

const second = 16_000;

/** Samples that tell their own number. */
function counting(from: number, length: number): Int16Array {
  return Int16Array.from({ length }, (_, i) => (from + i) % 32_749);
}

/** What a reader gets from `from` on, or -1. */
function heard(recent: RecentAudio, from: number, length: number): Int16Array | -1 {
  const into = new Int16Array(length);
  const count = recent.read(from, into);
  return count < 0 ? -1 : into.subarray(0, count);
}

describe("recent audio", () => {
  test("gives back what was written, or says that it is gone, whatever is settled and whoever reads", () => {
    const random = seededRandom("recent audio");
    const [capacityMs, keptMs] = [3_000, 1_000];
    let writer = RecentAudio.allocate(capacityMs, keptMs);
    const reader = new RecentAudio(writer.buffer);
    const first = random.integer(0, 100_000);
    writer.clear(first);
    let written = first;
    let settled = first;
    for (let turn = 0; turn < 3_000; turn++) {
      // Another thread takes over now and then, and knows nothing but the memory.
      if (random.chance(0.02)) writer = new RecentAudio(writer.buffer);
      const length = random.chance(0.01) ? random.integer(1, 5 * second) : random.integer(1, 2_000);
      writer.append(counting(written, length));
      written += length;
      if (random.chance(0.3)) {
        settled = random.integer(settled, written);
        writer.settle(settled);
      }
      expect(reader.written).toBe(written);
      const from = random.integer(Math.max(0, written - 4 * second), written);
      const got = heard(reader, from, 500);
      const mustBeThere = from >= Math.max(first, Math.min(settled, written - second), written - 3 * second);
      if (got === -1) expect(mustBeThere).toBeFalse();
      else {
        const silence = Math.min(got.length, Math.max(0, first - from));
        expect(got.length).toBe(Math.min(500, written - from));
        expect(got.subarray(silence)).toEqual(counting(from + silence, got.length - silence));
        expect(got.subarray(0, silence).every((sample) => sample === 0)).toBeTrue();
      }
    }
  });

  test("writes to few pages while all is settled, and to more while it is owed", () => {
    const touched = (owes: boolean): number => {
      const recent = RecentAudio.allocate(30_000, 10_000);
      for (let at = 0; at < 60 * second; at += 320) {
        recent.append(new Int16Array(320).fill(7));
        if (!owes) recent.settle(recent.written);
      }
      const samples = new Int16Array(recent.buffer, 4096);
      let pages = 0;
      for (let page = 0; page < samples.length; page += 4096) if (samples[page] === 7) pages++;
      return (pages * 4096) / second;
    };
    expect(touched(false)).toBeLessThan(10.8);
    expect(touched(true)).toBeGreaterThan(29);
  });

  test("nothing of its former session is heard in the next", () => {
    const recent = RecentAudio.allocate(1_000);
    recent.append(new Int16Array(second).fill(9));
    recent.clear(2_000);
    recent.append(new Int16Array(100).fill(1));
    const got = heard(recent, 1_900, 200);
    expect(got).toEqual(Int16Array.from({ length: 200 }, (_, i) => (i < 100 ? 0 : 1)));
  });

  test("of more than it holds, the newest is kept", () => {
    const recent = RecentAudio.allocate(1_000);
    recent.append(counting(0, 500));
    recent.append(counting(500, 3 * second));
    expect(recent.written).toBe(500 + 3 * second);
    expect(heard(recent, 500 + 2 * second, second)).toEqual(counting(500 + 2 * second, second));
    expect(heard(recent, 499 + 2 * second, 10)).toBe(-1);
  });
});
