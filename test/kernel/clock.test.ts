import { describe, expect, test } from "bun:test";
import { DeadlineQueue, SystemClock } from "../../src/kernel/clock.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("the queue of deadlines", () => {
  test("gives them back in order of time and, for ties, of registration, through any mix of adding and cancelling", () => {
    const random = seededRandom("deadline queue");
    const queue = new DeadlineQueue();
    const expected: { atMs: number; order: number }[] = [];
    for (let order = 0; order < 2_000; order++) {
      const entry = { atMs: random.integer(0, 300), order };
      expected.push(entry);
      const cancel = queue.add(entry.atMs, () => ran.push(entry));
      if (random.chance(0.6)) {
        cancel();
        cancel();
        expected.pop();
      }
    }
    const ran: { atMs: number; order: number }[] = [];
    expect(queue.size).toBe(expected.length);
    for (let run = queue.takeDue(299); run; run = queue.takeDue(299)) run();
    expect(ran).toEqual(
      expected.filter(({ atMs }) => atMs <= 299).sort((a, b) => a.atMs - b.atMs || a.order - b.order),
    );
    expect(queue.size).toBe(expected.length - ran.length);
  });
});

describe("a clock", () => {
  test("runs a periodic deadline once a period and skips what it has missed", () => {
    const clock = new FakeClock(0);
    const at: number[] = [];
    const stop = clock.every(100, () => at.push(clock.now()));
    clock.advance(350);
    expect(at).toEqual([100, 200, 300]);
    stop();
    clock.advance(1_000);
    expect(at.length).toBe(3);
    expect(clock.pending).toBe(0);
  });

  test("goes on though a callback throws, and hands the error over", async () => {
    const errors: unknown[] = [];
    const clock = new SystemClock((error) => errors.push(error));
    const done = Promise.withResolvers<void>();
    clock.after(0, () => {
      throw new Error("callback");
    });
    clock.after(1, done.resolve);
    await done.promise;
    expect(errors).toMatchObject([{ message: "callback" }]);
    expect(clock.pending).toBe(0);
  });

  test("reaches an earlier deadline that was registered after a later one", async () => {
    const clock = new SystemClock(() => {});
    const order: string[] = [];
    const done = Promise.withResolvers<void>();
    const cancel = clock.after(60_000, () => order.push("late"));
    clock.after(5, () => order.push("early"));
    clock.after(10, done.resolve);
    await done.promise;
    cancel();
    expect(order).toEqual(["early"]);
  });

  test("never runs a deadline early, not by a fraction of a millisecond", async () => {
    const clock = new SystemClock(() => {});
    const early: number[] = [];
    const runs = Array.from({ length: 200 }, (_, i) => {
      const done = Promise.withResolvers<void>();
      const deadlineMs = clock.now() + i * 0.37;
      clock.at(deadlineMs, () => {
        if (clock.now() < deadlineMs) early.push(deadlineMs - clock.now());
        done.resolve();
      });
      return done.promise;
    });
    await Promise.all(runs);
    expect(early).toEqual([]);
  });

  test("shows the same time in every thread", async () => {
    const clock = new SystemClock(() => {});
    const worker = new Worker(new URL("../support/clock-worker.ts", import.meta.url).href);
    const theirs = await new Promise<number>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
      worker.postMessage("now");
    });
    // Both read the same wall clock; what lies between is the message's way and the grain of a millisecond.
    expect(clock.now() - theirs).toBeGreaterThan(-5);
    expect(clock.now() - theirs).toBeLessThan(5_000);
    worker.terminate();
  });
});
