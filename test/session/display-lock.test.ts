import { describe, expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import {
  type DisplayLock,
  freeLock,
  type LockView,
  lockAfterRequest,
  lockWakeMs,
  lockWithout,
  settleLock,
} from "../../src/session/display-lock.ts";

const { backgroundLockMs, backgroundIdleMs } = limits;

/** A view in which each of these apps wants something shown until then. */
function view(ends: Record<string, number>, foregroundShows = true): LockView {
  return { wishEndMs: (packageName) => ends[packageName], foregroundShows };
}

const ask = (lock: DisplayLock, packageName: string, ends: Record<string, number>, nowMs: number) =>
  lockAfterRequest(lock, packageName, view(ends), nowMs, limits);

const forEver = Number.POSITIVE_INFINITY;

describe("the lock of background displays", () => {
  test("goes to who asks first and cannot be drawn out by asking again", () => {
    const taken = ask(freeLock, "a", { a: forEver }, 0);
    expect(taken.holder).toEqual({
      packageName: "a",
      untilMs: backgroundLockMs,
      hardEndMs: backgroundLockMs,
    });
    expect(ask(taken, "a", { a: forEver }, 5_000).holder?.untilMs).toBe(backgroundLockMs);
  });

  test("ends 2 s after the display it was taken for, and a further display keeps it up to its 10 s", () => {
    const short = ask(freeLock, "a", { a: 500 }, 0);
    expect(short.holder?.untilMs).toBe(500 + backgroundIdleMs);
    const again = ask(short, "a", { a: 6_000 }, 2_000);
    expect(again.holder?.untilMs).toBe(6_000 + backgroundIdleMs);
    expect(ask(again, "a", { a: 60_000 }, 5_000).holder?.untilMs).toBe(backgroundLockMs);
  });

  test("goes to those who wait in the order in which they asked", () => {
    const ends = { a: 500, b: forEver, c: forEver };
    let lock = ask(freeLock, "a", ends, 0);
    lock = ask(lock, "b", ends, 100);
    lock = ask(lock, "c", ends, 200);
    lock = ask(lock, "b", ends, 300);
    expect(lock.holder?.packageName).toBe("a");
    expect(lock.waiting).toEqual(["b", "c"]);
    lock = settleLock(lock, view(ends), 2_500, limits);
    expect(lock.holder).toEqual({
      packageName: "b",
      untilMs: 2_500 + backgroundLockMs,
      hardEndMs: 2_500 + backgroundLockMs,
    });
    expect(lock.waiting).toEqual(["c"]);
  });

  test("rests for 2 s after a holder that has used up its time, if the foreground app has something to show", () => {
    const ends = { a: forEver, b: forEver };
    const asked = ask(ask(freeLock, "a", ends, 0), "b", ends, 100);
    const ended = settleLock(asked, view(ends), backgroundLockMs, limits);
    expect(ended).toMatchObject({ holder: undefined, waiting: ["b"] });
    expect(lockWakeMs(ended, backgroundLockMs)).toBe(backgroundLockMs + backgroundIdleMs);
    const rested = settleLock(ended, view(ends), backgroundLockMs + backgroundIdleMs, limits);
    expect(rested.holder?.packageName).toBe("b");
    const uncontested = settleLock(asked, view(ends, false), backgroundLockMs, limits);
    expect(uncontested.holder?.packageName).toBe("b");
  });

  test("passes over those whose display has ended meanwhile", () => {
    const asked = ask(ask(freeLock, "a", { a: 500 }, 0), "b", { a: 500, b: 1_000 }, 100);
    const settled = settleLock(asked, view({ a: 500, b: 1_000 }), 2_500, limits);
    expect(settled).toMatchObject({ holder: undefined, waiting: [] });
  });

  test("is free at once when its holder goes, and nobody waits who has gone", () => {
    const ends = { a: forEver, b: forEver };
    const asked = ask(ask(freeLock, "a", ends, 0), "b", ends, 100);
    expect(settleLock(lockWithout(asked, "a"), view(ends), 200, limits).holder?.packageName).toBe("b");
    expect(lockWithout(asked, "b").waiting).toEqual([]);
  });
});
