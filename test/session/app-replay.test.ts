import { expect, test } from "bun:test";
import type { NumberedMessage } from "../../src/session/numbered-message.ts";
import type { MessageClass, SendResult } from "../../src/session/ports.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import { refusalError } from "../../src/wire/refusals.ts";
import { apiKey, captions, FakeApp, FakeWorld } from "../support/fake-world.ts";

/** Remembers the class of each event, and how many bytes came in one turn. */
class CountingApp extends FakeApp {
  readonly classes: MessageClass[] = [];
  bytes = 0;

  override send(numbered: NumberedMessage, messageClass: MessageClass): SendResult {
    if (numbered.message.type === "data_stream") {
      this.classes.push(messageClass);
      this.bytes += numbered.text.length;
    }
    return super.send(numbered, messageClass);
  }
}

const count = 300;
const pressOf = (n: number) =>
  ({ type: "button_press", buttonId: `${n} ${"x".repeat(2_000)}`, pressType: "short" }) as const;

/** An app that has missed `count` large events and one that only its newest counts, and is back. */
async function backAfterMuch(): Promise<{
  world: FakeWorld;
  session: UserSession;
  generation: number;
  app: CountingApp;
  numbers: () => number[];
}> {
  const world = new FakeWorld();
  const { session, generation } = await world.connect();
  const former = await world.runApp(session, captions, "button_press", "head_position");
  session.apps.closed(captions, former.generation);
  session.receiveGlasses(generation, { type: "head_position", position: "up" });
  for (let n = 0; n < count; n++) session.receiveGlasses(generation, pressOf(n));
  const app = new CountingApp();
  const accepted = session.apps.accept(captions, apiKey, world.nonce, app);
  app.generation = "generation" in accepted ? accepted.generation : 0;
  const numbers = () =>
    app.events
      .filter(({ streamType }) => streamType === "button_press")
      .map(({ data }) => Number.parseInt((data as { buttonId: string }).buttonId, 10));
  return { world, session, generation, app, numbers };
}

test("what an app has missed reaches it in pieces of 64 KiB, with newer events behind it and each in its class", async () => {
  const { world, session, generation, app, numbers } = await backAfterMuch();
  world.subscribe(session, app, captions, "button_press", "head_position");
  expect(app.bytes).toBeGreaterThan(world.limits.replayPieceBytes / 2);
  expect(app.bytes).toBeLessThan(world.limits.replayPieceBytes * 1.1);
  session.receiveGlasses(generation, pressOf(count));
  await world.clock.advanceAsync(0);
  expect(numbers()).toEqual(Array.from({ length: count + 1 }, (_, n) => n));
  expect(app.events.at(-1)).toMatchObject({ streamType: "head_position", data: { position: "up" } });
  expect([new Set(app.classes.slice(0, -1)), app.classes.at(-1)]).toEqual([new Set(["event"]), "interim"]);
  session.receiveGlasses(generation, pressOf(count + 1));
  expect(numbers().at(-1)).toBe(count + 1);
});

test("what an app has missed waits while its socket is full, and goes on when there is room", async () => {
  const { world, session, app, numbers } = await backAfterMuch();
  world.subscribe(session, app, captions, "button_press", "head_position");
  app.queuedBytes = world.limits.socketQueueBytes / 2;
  const sent = numbers().length;
  await world.clock.advanceAsync(5_000);
  expect(numbers().length).toBe(sent);
  app.queuedBytes = 0;
  await world.clock.advanceAsync(1_000);
  expect(numbers().length).toBe(count);
});

test("what an app has not confirmed when it is lost once more, it gets on its next socket, in order", async () => {
  const { world, session, app, numbers } = await backAfterMuch();
  world.subscribe(session, app, captions, "button_press", "head_position");
  const sent = numbers().length;
  expect(sent).toBeLessThan(count);
  const confirmed = sent - 2;
  const seq = app.numbers[app.sent.findLastIndex(({ type }) => type === "data_stream") - 2];
  session.apps.confirmed(captions, app.generation, seq ?? 0);
  session.apps.closed(captions, app.generation);
  await world.clock.advanceAsync(1_000);
  expect(numbers().length).toBe(sent);
  const next = world.connectApp(session);
  world.subscribe(session, next, captions, "button_press", "head_position");
  await world.clock.advanceAsync(0);
  expect(next.events.length).toBe(count - confirmed + 1);
  expect(next.events[0]?.data).toMatchObject({ buttonId: pressOf(confirmed).buttonId });
});

/** The number behind which a socket goes on, as its acknowledgement says. */
function resumeOf({ sent: [ack] }: FakeApp): number {
  return ack?.type === "tpa_connection_ack" ? ack.resume.seq : Number.NaN;
}

test("an app that keeps count misses nothing when it loses its socket between acknowledgement and replay", async () => {
  const world = new FakeWorld();
  const { session, generation } = await world.connect();
  const former = await world.runApp(session, captions, "button_press");
  for (const buttonId of ["1", "2"])
    session.receiveGlasses(generation, { type: "button_press", buttonId, pressType: "short" });
  session.apps.closed(captions, former.generation);
  const ids = (app: FakeApp) => app.events.map(({ data }) => (data as { buttonId: string }).buttonId);
  const before = former.numbers.at(former.sent.findIndex(({ type }) => type === "data_stream")) ?? 0;

  const cut = new FakeApp();
  const accepted = session.apps.accept(captions, apiKey, world.nonce, cut, before);
  expect(ids(cut)).toEqual(["2"]);
  // Nothing but the acknowledgement has come before the next loss.
  session.apps.closed(captions, "generation" in accepted ? accepted.generation : 0);
  const back = new FakeApp();
  session.apps.accept(captions, apiKey, world.nonce, back, resumeOf(cut));
  expect(ids(back)).toEqual(["2"]);
});

test("the receipt for an acknowledgement stands for nothing that was sent again behind it", async () => {
  const world = new FakeWorld({}, { outboxEvents: 2 });
  const { session, generation } = await world.connect();
  const former = await world.runApp(session, captions, "button_press");
  session.apps.closed(captions, former.generation);
  const press = (buttonId: string) =>
    session.receiveGlasses(generation, { type: "button_press", buttonId, pressType: "short" });
  for (const buttonId of ["1", "2", "3"]) press(buttonId);

  const cut = new FakeApp();
  const before = former.numbers.at(-1);
  const accepted = session.apps.accept(captions, apiKey, world.nonce, cut, before);
  const own = "generation" in accepted ? accepted.generation : 0;
  expect(cut.sent[0]).toMatchObject({ resume: { lost: 1 } });
  expect(cut.events.length).toBe(2);
  // The app has been asked behind the acknowledgement, and its answer comes when more has been sent.
  session.apps.confirmed(captions, own, cut.receipts[0] ?? 0);
  session.apps.closed(captions, own);
  const back = new FakeApp();
  session.apps.accept(captions, apiKey, world.nonce, back, resumeOf(cut));
  expect(back.events.length).toBe(2);
  expect(back.sent[0]).toMatchObject({ resume: { lost: 0 } });
});

test("on one socket of an app that keeps count, numbers only rise, also while it is sent much again", async () => {
  const world = new FakeWorld();
  const { session, generation } = await world.connect();
  const former = await world.runApp(session, captions, "button_press");
  session.apps.closed(captions, former.generation);
  for (let n = 0; n < count; n++) session.receiveGlasses(generation, pressOf(n));
  const app = new FakeApp();
  const accepted = session.apps.accept(captions, apiKey, world.nonce, app, former.numbers.at(-1));
  const own = "generation" in accepted ? accepted.generation : 0;
  expect(app.events.length).toBeLessThan(count);
  session.apps.tell(captions, own, refusalError("PERMISSION_DENIED", "no"));
  await world.clock.advanceAsync(0);
  expect(app.events.length).toBe(count);
  expect(app.sent.at(-1)?.type).toBe("tpa_connection_error");
  const [, ...numbers] = app.numbers;
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
});

/** An app that is away and has missed a press, a webhook to it under way, and its own dial that comes in just then. */
async function backWhileSummoned() {
  const world = new FakeWorld();
  const { session, generation } = await world.connect();
  const former = await world.runApp(session, captions, "button_press");
  const { nonce } = world;
  session.apps.closed(captions, former.generation);
  session.receiveGlasses(generation, pressOf(1));
  await world.clock.advanceAsync(world.limits.appNudgeMs);
  expect(world.nonce).not.toBe(nonce);
  const own = world.connectApp(session, captions, nonce);
  world.subscribe(session, own, captions, "button_press");
  return { world, session, own };
}

test("what an app has missed waits for the socket that a webhook asks for: the SDK leaves the other one at once", async () => {
  const { world, session, own } = await backWhileSummoned();
  expect(own.events).toEqual([]);
  const asked = world.connectApp(session);
  world.subscribe(session, asked, captions, "button_press");
  expect(asked.events).toHaveLength(1);
  expect(own.events).toEqual([]);
});

test("it does not wait for long, should the webhook come to nothing", async () => {
  const { world, own } = await backWhileSummoned();
  await world.clock.advanceAsync(world.limits.provisionalMs);
  expect(own.events).toHaveLength(1);
});

test("an app whose server has answered before its socket comes is sent what it has missed, though it hears less by now", async () => {
  const world = new FakeWorld();
  const { session, generation } = await world.connect();
  const former = await world.runApp(session, captions, "button_press", "head_position");
  session.apps.closed(captions, former.generation);
  session.receiveGlasses(generation, pressOf(1));
  world.webhooks.answer = async () => ({ kind: "accepted" });
  await world.clock.advanceAsync(world.limits.appNudgeMs);
  const app = world.connectApp(session);
  world.subscribe(session, app, captions, "button_press");
  await world.clock.advanceAsync(world.limits.provisionalMs);
  expect(app.events).toHaveLength(1);
  session.receiveGlasses(generation, pressOf(2));
  expect(app.events).toHaveLength(2);
});

test("an app that begins to keep count, and counts every message, misses nothing that was overtaken", async () => {
  const world = new FakeWorld();
  const { session, generation } = await world.connect();
  const former = await world.runApp(session, captions, "button_press");
  session.apps.closed(captions, former.generation);
  session.receiveGlasses(generation, pressOf(1));
  // Acknowledged and told of the device, but cut before the replay.
  const cut = world.connectApp(session);
  expect(cut.sent.length).toBeGreaterThan(1);
  expect(cut.events).toEqual([]);
  session.apps.closed(captions, cut.generation);
  const back = new FakeApp();
  session.apps.accept(captions, apiKey, world.nonce, back, Math.max(...cut.numbers));
  expect(back.events).toHaveLength(1);
});
