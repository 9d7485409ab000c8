import { expect, test } from "bun:test";
import { StopList } from "../../src/kernel/stop.ts";

test("stops everything once, newest first, though one of them throws", () => {
  const order: string[] = [];
  const list = new StopList();
  list.add(() => order.push("first"));
  list.add(() => {
    order.push("second");
    throw new Error("cannot stop");
  });
  list.add(() => order.push("third"));
  expect(() => list.stop()).toThrow("cannot stop");
  list.stop();
  expect(order).toEqual(["third", "second", "first"]);
});

test("stops at once what is added after the end", () => {
  const list = new StopList();
  list.stop();
  let stopped = false;
  list.add(() => {
    stopped = true;
  });
  expect(stopped).toBe(true);
});
