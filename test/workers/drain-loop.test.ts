import { describe, expect, test } from "bun:test";
import { Arena } from "../../src/audio/arena.ts";
import { type Drainable, DrainLoop } from "../../workers/drain-loop.ts";
import { until } from "../support/until.ts";

/** A loop over lanes that only count their turns; each has so many turns' worth of work. */
function running(work: number[]) {
  const arena = Arena.allocate({ slots: work.length, ringBytes: 64, pcmRingBytes: 64 });
  const turns: number[] = [];
  const left = [...work];
  let alive = true;
  const lanes = work.map(
    (_, slot): Drainable => ({
      drain: () => {
        turns.push(slot);
        left[slot] = (left[slot] ?? 0) - 1;
        // A test that is over must not be swept on for ever.
        return alive && (left[slot] ?? 0) > 0;
      },
    }),
  );
  new DrainLoop(arena, (slot) => lanes[slot]).start();
  return {
    arena,
    turns,
    end: () => {
      alive = false;
    },
  };
}

describe("the drain loop", () => {
  test("sleeps when there is nothing to do, and wakes for whoever rings", async () => {
    const { arena, turns } = running([1, 1, 1]);
    for (const slot of [2, 0, 1]) {
      await until("the loop to sleep", () => arena.asleep);
      arena.ring(slot);
      await until("the lane's turn", () => turns.at(-1) === slot);
    }
    expect(turns).toEqual([2, 0, 1]);
  });

  test("gives every lane its turn before one with a long backlog has its second", async () => {
    const { arena, turns } = running([100, 1, 1, 1]);
    for (const slot of [0, 1, 2, 3]) arena.ring(slot);
    await until("all turns", () => turns.length >= 103);
    expect(turns.slice(0, 5)).toEqual([0, 1, 2, 3, 0]);
    expect(turns.length).toBe(103);
  });

  test("forgets nobody however often many of them come back", async () => {
    // An odd number of slots and turns: the queue wraps at every place.
    const work = Array.from({ length: 37 }, (_, slot) => 1 + ((slot * 7) % 11));
    const { arena, turns } = running(work);
    for (const slot of work.keys()) arena.ring(slot);
    const total = work.reduce((sum, count) => sum + count, 0);
    await until("all of the work", () => turns.length >= total);
    const done = work.map((_, slot) => turns.filter((turn) => turn === slot).length);
    expect(done).toEqual(work);
  });

  test("lets timers and messages through while a lane never runs dry", async () => {
    const { arena, turns, end } = running([Number.POSITIVE_INFINITY]);
    arena.ring(0);
    await until("many turns", () => turns.length > 1_000);
    const before = arena.beat;
    await new Promise((resolve) => setTimeout(resolve, 1));
    await until("the heart to go on", () => arena.beat > before);
    end();
  });

  test("looks at a lane about which a command has come, though nobody rang", async () => {
    const arena = Arena.allocate({ slots: 1, ringBytes: 64, pcmRingBytes: 64 });
    let turns = 0;
    const loop = new DrainLoop(arena, () => ({
      drain: () => {
        turns++;
        return false;
      },
    }));
    loop.start();
    await until("the loop to sleep", () => arena.asleep);
    loop.enqueue(0);
    await until("the lane's turn", () => turns === 1, 200);
  });

  test("leaves the mark of the slot that it dies on", () => {
    const arena = Arena.allocate({ slots: 8, ringBytes: 64, pcmRingBytes: 64 });
    arena.setCurrentSlot(5);
    expect(arena.currentSlot).toBe(5);
    arena.setCurrentSlot(-1);
    expect(arena.currentSlot).toBe(-1);
  });
});
