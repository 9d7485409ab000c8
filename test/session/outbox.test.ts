import { expect, test } from "bun:test";
import { Outbox } from "../../src/session/outbox.ts";
import type { ToApp } from "../../src/wire/apps.ts";

const epoch = 1_000;
const time = "2026-01-01T00:00:00.000Z";

const about = (text: string): ToApp => ({ type: "custom_message", action: text, payload: null });

/** An outbox and its app, whose socket takes everything that may be sent. */
function outboxOf(limits = { outboxEvents: 4, outboxBytes: 100_000 }) {
  const outbox = new Outbox(limits, epoch);
  const add = (
    text: string,
    deliveryClass: "must" | "newest" | "passing",
    slot = text,
    supersedes?: string,
  ) => {
    const added = outbox.add(about(text), deliveryClass, slot, time, supersedes);
    added.event.ready = true;
    return added;
  };
  const send = (nowMs = 0) => {
    const sent: { text: string; seq: number }[] = [];
    for (let event = outbox.next; event !== undefined; event = outbox.next) {
      const { message, seq } = event.numbered;
      sent.push({ text: message.type === "custom_message" ? message.action : message.type, seq });
      outbox.sent(nowMs);
    }
    return sent;
  };
  const texts = () => send().map(({ text }) => text);
  return { outbox, add, send, texts };
}

test("sends in the order of adding, under numbers that only rise", () => {
  const { add, send } = outboxOf();
  add("up", "newest", "head");
  add("press 1", "must");
  add("settings", "passing");
  const sent = send();
  expect(sent.map(({ text }) => text)).toEqual(["up", "press 1", "settings"]);
  expect(sent.map(({ seq }) => seq)).toEqual([epoch + 1, epoch + 2, epoch + 3]);
});

test("holds everything back behind what is not kept on the disk yet", () => {
  const { outbox, add, texts } = outboxOf();
  const { event } = outbox.add(about("press"), "must", "press", time);
  add("up", "newest", "head");
  expect(texts()).toEqual([]);
  event.ready = true;
  expect(texts()).toEqual(["press", "up"]);
});

test("gives back what was not confirmed when the socket is lost: what must arrive in order, then the newest of each stream", () => {
  const { outbox, add, send, texts } = outboxOf({ outboxEvents: 10, outboxBytes: 100_000 });
  add("up", "newest", "head");
  add("press 1", "must");
  add("press 2", "must");
  add("settings", "passing");
  send();
  expect(outbox.confirm(epoch + 2)).toBe(epoch + 2);
  add("press 3", "must");
  add("down", "newest", "head");
  outbox.rewind();
  expect(texts()).toEqual(["press 2", "press 3", "down"]);
});

test("keeps the numbers of what must arrive over a loss, and gives new ones to what comes behind it", () => {
  const { outbox, add, send } = outboxOf();
  add("up", "newest", "head");
  add("press", "must");
  send();
  outbox.rewind();
  expect(send()).toEqual([
    { text: "press", seq: epoch + 2 },
    { text: "up", seq: epoch + 3 },
  ]);
});

test("takes a receipt for what the present socket was sent only", () => {
  const { outbox, add, send, texts } = outboxOf();
  add("press 1", "must");
  send();
  outbox.rewind();
  expect(outbox.confirm(epoch + 1)).toBeUndefined();
  expect(texts()).toEqual(["press 1"]);
  expect(outbox.confirm(epoch + 1)).toBe(epoch + 1);
  expect(outbox.owesReceiptSinceMs).toBeUndefined();
});

test("believes an app that keeps count, of what is yet to be sent as well", () => {
  const { outbox, add, texts } = outboxOf();
  for (let i = 1; i <= 3; i++) add(`press ${i}`, "must");
  expect(outbox.confirmExactly(epoch + 2)).toBe(epoch + 2);
  expect(texts()).toEqual(["press 3"]);
});

test("drops the newest-wins class first when full, then the oldest that must arrive, and counts both", () => {
  const { outbox, add, texts } = outboxOf();
  add("up", "newest", "head");
  for (let i = 1; i <= 4; i++) add(`press ${i}`, "must");
  expect(outbox.lost).toBe(1);
  expect(add("press 5", "must").dropped.count).toBe(1);
  expect(outbox.lost).toBe(2);
  expect(texts()).toEqual(["press 2", "press 3", "press 4", "press 5"]);
});

test("counts what made room after it was sent only if it has not arrived", () => {
  const arrived = outboxOf();
  const missed = outboxOf();
  for (const { add, send } of [arrived, missed]) {
    for (let i = 1; i <= 6; i++) {
      expect(add(`press ${i}`, "must").dropped.count).toBe(0);
      send();
    }
  }
  expect(arrived.outbox.confirm(epoch + 6)).toBe(epoch + 6);
  for (const { outbox } of [arrived, missed]) outbox.rewind();
  expect([arrived.outbox.lost, missed.outbox.lost]).toEqual([0, 2]);
  expect(missed.texts()).toEqual(["press 3", "press 4", "press 5", "press 6"]);
});

test("tells of losses with each acknowledgement until one has arrived", () => {
  const { outbox, add, send } = outboxOf();
  for (let i = 1; i <= 6; i++) add(`press ${i}`, "must");
  expect(outbox.tellLost()).toBe(2);
  outbox.rewind();
  expect(outbox.tellLost()).toBe(2);
  send();
  outbox.confirm(epoch + 6);
  expect(outbox.lost).toBe(0);
});

test("is bounded in bytes as well", () => {
  const { outbox, add } = outboxOf({ outboxEvents: 100, outboxBytes: 500 });
  for (let i = 0; i < 10; i++) add("x".repeat(100), "must");
  expect(outbox.size).toBeGreaterThan(0);
  expect(outbox.size).toBeLessThan(4);
  expect(outbox.size + outbox.lost).toBe(10);
});

test("forgets an interim that its final has overtaken, sent or not", () => {
  const { outbox, add, send, texts } = outboxOf();
  add("hel", "newest", "speech");
  send();
  add("hell", "newest", "speech");
  add("hello", "must", "final", "speech");
  outbox.rewind();
  expect(texts()).toEqual(["hello"]);
});

test("takes what was sent long ago for arrived where nothing is ever confirmed", () => {
  const { outbox, add, send, texts } = outboxOf();
  add("press 1", "must");
  send(1_000);
  add("press 2", "must");
  send(2_000);
  expect(outbox.confirmSentBefore(1_000)).toBeUndefined();
  expect(outbox.confirmSentBefore(1_500)).toBe(epoch + 1);
  outbox.rewind();
  expect(texts()).toEqual(["press 2"]);
});

test("goes on with what a former process has left, under the same numbers and above them", () => {
  const former = outboxOf();
  former.add("press 1", "must");
  const { seq, text: kept } = former.add("press 2", "must").event.numbered;
  const outbox = new Outbox({ outboxEvents: 4, outboxBytes: 1_000 }, epoch, epoch);
  outbox.restore(seq, kept);
  expect(outbox.next?.numbered).toMatchObject({ seq: epoch + 2, message: about("press 2"), text: kept });
  expect(outbox.add(about("press 3"), "must", "", time).event.numbered.seq).toBe(epoch + 3);
});

test("says what it gives up when everything is forgotten", () => {
  const { outbox, add, send } = outboxOf();
  add("press 1", "must");
  send();
  add("press 2", "must");
  add("up", "newest");
  expect(outbox.clear()).toBe(2);
  expect(outbox.size).toBe(0);
});
