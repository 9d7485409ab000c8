import { expect, test } from "bun:test";
import { Closing } from "../../src/kernel/closing.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";

const never = () => new Promise<void>(() => {});

function stage() {
  const clock = new FakeClock();
  const done: string[] = [];
  const closing = new Closing(clock);
  return { clock, done, closing, note: (what: string) => () => void done.push(what) };
}

test("closes what was added last first, one after the other, and once", async () => {
  const { closing, done, note } = stage();
  const second = Promise.withResolvers<void>();
  closing.add("first", note("first"));
  closing.add("second", () => second.promise.then(note("second")));
  closing.add("third", note("third"));
  const closed = closing.close();
  await settle();
  expect(done).toEqual(["third"]);
  expect(closing.unfinished).toEqual(["second"]);
  second.resolve();
  await closed;
  await closing.close();
  expect(done).toEqual(["third", "second", "first"]);
  expect(closing.unfinished).toEqual([]);
});

test("leaves behind what hangs when its time is over, and names it", async () => {
  const { clock, closing, done, note } = stage();
  closing.add("first", note("first"));
  closing.add("the one that hangs", never, 500);
  const closed = closing.close();
  await clock.advanceAsync(499);
  expect(done).toEqual([]);
  await clock.advanceAsync(1);
  await closed;
  expect(done).toEqual(["first"]);
  expect(closing.unfinished).toEqual(["the one that hangs"]);
});

test("names what hung though a later step of the same name is done, and only once", async () => {
  const { clock, closing } = stage();
  closing.add("the sockets", () => {});
  closing.add("the sockets", never);
  closing.add("the sockets", never);
  const closed = closing.close();
  await clock.advanceAsync(2_000);
  await closed;
  expect(closing.unfinished).toEqual(["the sockets"]);
});

test("closes the others when one fails, and fails in the end with what was wrong first", async () => {
  const { closing, done, note } = stage();
  closing.add("first", () => Promise.reject(new Error("at last")));
  closing.add("second", note("second"));
  closing.add("third", () => {
    throw new Error("at once");
  });
  await expect(closing.close()).rejects.toThrow("at once");
  expect(done).toEqual(["second"]);
  expect(closing.unfinished).toEqual([]);
});

test("is not troubled by one that fails after it was left behind", async () => {
  const { clock, closing } = stage();
  const late = Promise.withResolvers<void>();
  closing.add("late", () => late.promise);
  const closed = closing.close();
  await clock.advanceAsync(1_000);
  await closed;
  late.reject(new Error("too late for anybody"));
  await settle();
  expect(closing.unfinished).toEqual([]);
});
