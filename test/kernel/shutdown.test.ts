import { describe, expect, test } from "bun:test";
import { Shutdown } from "../../src/kernel/shutdown.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";

/** A process that is told to end, and what becomes of it. */
function running(close: () => Promise<void>, unfinished: readonly string[] = []) {
  const clock = new FakeClock();
  const ends: number[] = [];
  const lines: string[] = [];
  let closes = 0;
  const shutdown = new Shutdown({
    clock,
    close: () => {
      closes++;
      return close();
    },
    unfinished: () => unfinished,
    exit: (code) => void ends.push(code),
    complain: (line) => void lines.push(line),
  });
  return { clock, ends, lines, shutdown, closes: () => closes };
}

const never = () => new Promise<void>(() => {});

describe("a process that is told to end", () => {
  test("closes everything and ends with 0", async () => {
    const { shutdown, ends, lines, closes } = running(async () => {});
    shutdown.signal();
    expect(ends).toEqual([]);
    await settle();
    expect({ ends, lines, closes: closes() }).toEqual({ ends: [0], lines: [], closes: 1 });
  });

  test("takes what comes within a second for the same signal", async () => {
    const closing = Promise.withResolvers<void>();
    const { clock, shutdown, ends, closes } = running(() => closing.promise);
    shutdown.signal();
    shutdown.signal();
    clock.advance(999);
    shutdown.signal();
    expect([ends, closes()]).toEqual([[], 1]);
    closing.resolve();
    await settle();
    expect(ends).toEqual([0]);
  });

  test("ends at once with 1 and a line at a later signal", () => {
    const { clock, shutdown, ends, lines } = running(never);
    shutdown.signal();
    clock.advance(1_000);
    shutdown.signal();
    expect(ends).toEqual([1]);
    expect(lines).toEqual(["Ended by a second signal, before everything was closed"]);
  });

  test("ends with 1 and a line when closing fails", async () => {
    const { shutdown, ends, lines } = running(() => Promise.reject(new Error("no way")));
    shutdown.signal();
    await settle();
    expect([ends, lines]).toEqual([[1], ["Closing failed: no way"]]);
  });

  test("ends with 1 and a line when closing throws before it waits", async () => {
    const { shutdown, ends, lines } = running(() => {
      throw new Error("no way");
    });
    shutdown.signal();
    await settle();
    expect([ends, lines]).toEqual([[1], ["Closing failed: no way"]]);
  });

  test("ends with 1 and a line when closing takes more than five seconds", async () => {
    const { clock, shutdown, ends, lines } = running(never);
    shutdown.signal();
    await clock.advanceAsync(4_999);
    expect(ends).toEqual([]);
    await clock.advanceAsync(1);
    expect(ends).toEqual([1]);
    expect(lines).toEqual(["Not everything was closed within 5 s; ended all the same"]);
  });

  test("names what hung, with 1, whether everything else was closed or not", async () => {
    const closed = running(async () => {}, ["the database"]);
    closed.shutdown.signal();
    await settle();
    expect([closed.ends, closed.lines]).toEqual([
      [1],
      ["Not everything was closed, since this hung: the database; ended all the same"],
    ]);
    const stuck = running(never, ["the database", "the log"]);
    stuck.shutdown.signal();
    await stuck.clock.advanceAsync(5_000);
    expect([stuck.ends, stuck.lines]).toEqual([
      [1],
      ["Not everything was closed within 5 s, since this hung: the database, the log; ended all the same"],
    ]);
  });
});
