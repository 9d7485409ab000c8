import { describe, expect, test } from "bun:test";
import { Arena } from "../../src/audio/arena.ts";
import { recordBytes } from "../../src/audio/ring.ts";
import { seededRandom } from "../support/seeded-random.ts";

const layout = { slots: 100, ringBytes: 1024, pcmRingBytes: 1024 };

function found(arena: Arena): number[] {
  const slots: number[] = [];
  arena.fetchDirty((slot) => slots.push(slot));
  return slots;
}

describe("an arena", () => {
  test("tells each slot that was rung for once, whatever its number", () => {
    const arena = Arena.allocate(layout);
    const random = seededRandom("dirty bits");
    for (let round = 0; round < 200; round++) {
      const rung = new Set(Array.from({ length: random.integer(0, 40) }, () => random.integer(0, 99)));
      for (const slot of rung) for (let n = random.integer(1, 3); n > 0; n--) arena.ring(slot);
      expect(found(arena)).toEqual([...rung].sort((a, b) => a - b));
      expect(found(arena)).toBeEmpty();
    }
  });

  test("lays no slot's rings over another's", () => {
    const arena = Arena.allocate(layout);
    const payload = (slot: number) => new Uint8Array(400).fill(slot + 1);
    for (let slot = 0; slot < layout.slots; slot++) {
      expect(arena.slot(slot).writer().write(1, slot, slot, payload(slot))).toBeTrue();
      expect(
        arena
          .slot(slot)
          .pcmWriter()
          .write(2, slot, slot, payload(slot + 100)),
      ).toBeTrue();
    }
    const into = new Uint8Array(400);
    for (let slot = 0; slot < layout.slots; slot++) {
      for (const [reader, expected] of [
        [arena.slot(slot).reader(), payload(slot)],
        [arena.slot(slot).pcmReader(), payload(slot + 100)],
      ] as const) {
        expect(reader.next()).toBeTrue();
        expect(reader.generation).toBe(slot);
        reader.take(into);
        expect(into).toEqual(expected);
      }
    }
  });

  test("wakes a worker that sleeps when somebody rings", async () => {
    const arena = Arena.allocate(layout);
    const woken = arena.sleep(60_000);
    arena.ring(42);
    await woken;
    expect(found(arena)).toEqual([42]);
  });

  test("does not let a worker sleep over what came just before", async () => {
    const arena = Arena.allocate(layout);
    arena.ring(7);
    await arena.sleep(60_000);
    expect(found(arena)).toEqual([7]);
  });

  test("wakes a worker that has ended its own sleep", async () => {
    const arena = Arena.allocate(layout);
    const woken = arena.sleep(60_000);
    arena.wakeSelf();
    await woken;
    expect(found(arena)).toBeEmpty();
  });

  test("rings for a new worker although the former died asleep", async () => {
    const arena = Arena.allocate(layout);
    void arena.sleep(10);
    arena.setCurrentSlot(5);
    arena.prepareForNewWorker();
    expect(arena.currentSlot).toBe(-1);
    const successor = new Arena(arena.buffer, layout);
    const woken = successor.sleep(60_000);
    arena.ring(1);
    await woken;
  });

  test("tells how much waits in its rings, and what its workers have cost", () => {
    const arena = Arena.allocate(layout);
    expect(arena.backlog()).toEqual({ total: 0, most: 0 });
    arena.slot(1).writer().write(1, 1, 0, new Uint8Array(40));
    const fuller = arena.slot(2).writer();
    for (let i = 0; i < 2; i++) fuller.write(1, 1, 0, new Uint8Array(40));
    expect(arena.backlog()).toEqual({ total: 3 * recordBytes(40), most: 2 * recordBytes(40) });
    arena.setCpuMs(1_234.5);
    expect(new Arena(arena.buffer, layout).cpuMs).toBe(1_234);
  });
});
