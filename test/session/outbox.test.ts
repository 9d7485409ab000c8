import { expect, test } from "bun:test";
import { Outbox } from "../../src/session/outbox.ts";

const bounds = { outboxEvents: 4, outboxBytes: 1_000 };

/** Everything, in the order of delivery. */
function taken(outbox: Outbox<string>): string[] {
  const messages: string[] = [];
  for (let held = outbox.first; held !== undefined; held = outbox.first) {
    messages.push(held.message);
    outbox.shift();
  }
  return messages;
}

test("gives back what must arrive in order, then the newest of each stream", () => {
  const outbox = new Outbox<string>(bounds);
  outbox.hold("up", "newest", "head");
  outbox.hold("press 1", "must", "button");
  outbox.hold("down", "newest", "head");
  outbox.hold("press 2", "must", "button");
  expect(taken(outbox)).toEqual(["press 1", "press 2", "down"]);
  expect(outbox.size).toBe(0);
});

test("drops the newest-wins class first when full, then the oldest that must arrive, and counts both", () => {
  const outbox = new Outbox<string>(bounds);
  outbox.hold("up", "newest", "head");
  for (let i = 1; i <= 4; i++) outbox.hold(`press ${i}`, "must", "button");
  expect(outbox.lost).toBe(1);
  expect(outbox.hold("press 5", "must", "button")).toBe(1);
  expect(outbox.lost).toBe(2);
  expect(taken(outbox)).toEqual(["press 2", "press 3", "press 4", "press 5"]);
});

test("is bounded in bytes as well", () => {
  const outbox = new Outbox<string>({ outboxEvents: 100, outboxBytes: 100 });
  for (let i = 0; i < 10; i++) outbox.hold("x".repeat(38), "must", "button");
  expect(outbox.size).toBe(2);
  expect(outbox.lost).toBe(8);
});

test("forgets an interim that its final has overtaken", () => {
  const outbox = new Outbox<string>(bounds);
  outbox.hold("hel", "newest", "speech");
  outbox.supersede("speech");
  outbox.hold("hello", "must", "speech");
  expect(taken(outbox)).toEqual(["hello"]);
});

test("tells the class of what it gives back, keeps what is not taken, and has room for as much as was taken", () => {
  const outbox = new Outbox<string>({ outboxEvents: 100, outboxBytes: 100 });
  outbox.hold("x".repeat(38), "newest", "head");
  outbox.hold("y".repeat(38), "must", "button");
  expect(outbox.first).toMatchObject({ deliveryClass: "must", bytes: 40 });
  outbox.shift();
  expect(outbox.first).toMatchObject({ deliveryClass: "newest" });
  expect(outbox.hold("z".repeat(38), "must", "button")).toBe(0);
  expect(taken(outbox)).toEqual(["z".repeat(38), "x".repeat(38)]);
  expect(outbox.hold("x".repeat(98), "newest", "head")).toBe(0);
});
