import { expect, test } from "bun:test";
import { apiKey, appRecord, type Connected, captions, FakeApp, FakeWorld } from "../support/fake-world.ts";
import { restarted } from "../support/restarted.ts";

const userId = "user@example.com";
const press = (buttonId: string) => ({ type: "button_press", buttonId, pressType: "short" }) as const;

const killAndRestart = (former: FakeWorld, awayMs: number, aheadMs = 0) =>
  restarted(former, userId, awayMs, aheadMs);

async function running(...subscriptions: string[]): Promise<Connected & { world: FakeWorld; app: FakeApp }> {
  const world = new FakeWorld();
  const connected = await world.connect(userId);
  const app = await world.runApp(connected.session, captions, ...subscriptions);
  return { ...connected, world, app };
}

test("a session goes on after a restart: app, subscriptions and what must arrive, then display and microphone", async () => {
  const { world, session, generation, app } = await running("button_press", "transcription:en-US");
  world.show(session, app, captions, "hello");
  session.receiveGlasses(generation, press("1"));
  await world.clock.advanceAsync(world.limits.receiptMs);
  session.receiveGlasses(generation, press("2"));

  const next = await killAndRestart(world, 800);
  const resumed = next.storage.getSession(userId);
  if (resumed === undefined) throw new Error("the session is gone");
  expect(resumed.state).toBe("DISCONNECTED");
  expect(resumed.apps.inState("GRACE_PERIOD")).toEqual([captions]);

  // The SDK dials again by itself, under the nonce of a webhook that this process never sent.
  const back = next.connectApp(resumed, captions, "of-the-former-process");
  expect(back.sent[0]).toMatchObject({ type: "tpa_connection_ack", resume: { lost: 0 } });
  expect(back.events).toEqual([]);
  next.subscribe(resumed, back, captions, "button_press", "transcription:en-US");
  expect(back.events.map(({ data }) => data)).toMatchObject([press("2")]);
  expect(next.webhooks.starts).toEqual([]);

  const { glasses } = await next.connect(userId);
  await next.clock.advanceAsync(1_000);
  expect(glasses.texts).toEqual(["hello"]);
  expect(glasses.microphone).toBe(true);
  expect(resumed.state).toBe("ACTIVE");
});

test("an app that does not come back by itself gets its webhook 3.5 s after the loss, or at once where that is past", async () => {
  for (const [awayMs, waitsMs] of [
    [500, 3_000],
    [6_000, 0],
  ] as const) {
    const { world } = await running("button_press");
    const next = await killAndRestart(world, awayMs);
    if (waitsMs > 0) await next.clock.advanceAsync(waitsMs - 1);
    expect(next.webhooks.starts.length).toBe(0);
    await next.clock.advanceAsync(1);
    expect(next.webhooks.starts.length).toBe(1);
  }
});

test("the grace of a session does not begin anew with a restart, and one whose grace has passed is forgotten", async () => {
  const { world, session, generation } = await running("button_press");
  session.glassesClosed(generation);
  await world.clock.advanceAsync(10_000);
  const next = await killAndRestart(world, 5_000);
  await next.clock.advanceAsync(world.limits.sessionGraceMs - 15_000 - 1);
  expect(next.storage.getSession(userId)).toBeDefined();
  await next.clock.advanceAsync(1);
  expect(next.storage.getSession(userId)).toBeUndefined();

  const late = await killAndRestart(world, world.limits.sessionGraceMs);
  expect(late.storage.size).toBe(0);
  expect(await late.count("browline_sessions_resumed_total", { outcome: "expired" })).toBe(1);
});

test("a photo that was asked for is still awaited after a restart, and asked for once more on the glasses' return", async () => {
  const { world, session, app } = await running("button_press");
  session.apps.receive(captions, app.generation, { type: "photo_request", requestId: "p1" });
  const next = await killAndRestart(world, 1_000);
  const resumed = next.storage.getSession(userId);
  if (resumed === undefined) throw new Error("the session is gone");
  next.connectApp(resumed, captions, "of-the-former-process");
  const { glasses } = await next.connect(userId);
  expect(glasses.of("photo_request")).toMatchObject([{ requestId: "p1" }]);
});

test("what was being said when the server was killed is told as a gap to those who hear speech, until they have got it", async () => {
  const { world, session, generation } = await running("transcription:en-US");
  await world.clock.advanceAsync(200);
  session.receiveGlasses(generation, { type: "VAD", status: true });
  const fromMs = world.clock.now();
  await world.clock.advanceAsync(1_500);
  const next = await killAndRestart(world, 1_000);
  const resumed = next.storage.getSession(userId);
  if (resumed === undefined) throw new Error("the session is gone");
  const back = next.connectApp(resumed, captions, "of-the-former-process");
  expect(back.sent[0]).toMatchObject({ resume: { gap: { fromMs, toMs: world.clock.now() } } });
  expect(await next.count("browline_speech_gaps_total")).toBe(1);
  const again = next.connectApp(resumed, captions, "of-the-former-process");
  expect(again.sent[0]).toHaveProperty("resume.gap");
  resumed.apps.confirmed(captions, again.generation, again.receipts[0] ?? 0);
  const third = next.connectApp(resumed, captions, "of-the-former-process");
  expect(third.sent[0]).not.toHaveProperty("resume.gap");
});

test("an app that keeps count is sent exactly what it has not got, at once", async () => {
  const { world, session, generation, app } = await running("button_press");
  for (const id of ["1", "2", "3"]) session.receiveGlasses(generation, press(id));
  const second = app.numbers.at(-2);
  const next = await killAndRestart(world, 500);
  const resumed = next.storage.getSession(userId);
  const back = new FakeApp();
  resumed?.apps.accept(captions, apiKey, undefined, back, second);
  expect(back.events.map(({ data }) => data)).toMatchObject([press("3")]);
  const third = back.sent.findIndex(({ type }) => type === "data_stream");
  expect(back.numbers[third]).toBe(app.numbers.at(-1) ?? 0);
});

test("numbers are never used again, in the next process or in the next session", async () => {
  const { world, session, generation, app } = await running("button_press");
  for (const id of ["1", "2", "3"]) session.receiveGlasses(generation, press(id));
  const next = await killAndRestart(world, 100);
  const resumed = next.storage.getSession(userId);
  if (resumed === undefined) throw new Error("the session is gone");
  const back = next.connectApp(resumed, captions, "of-the-former-process");
  next.subscribe(resumed, back, captions, "button_press");
  const { generation: own } = await next.connect(userId);
  resumed.receiveGlasses(own, press("4"));
  expect(back.events.at(-1)?.data).toMatchObject(press("4"));
  expect(back.numbers.at(-1)).toBeGreaterThan(app.numbers.at(-1) ?? 0);
  await resumed.end();
  next.clock.advance(1);
  const { session: later } = await next.connect(userId);
  const anew = await next.runApp(later, captions, "button_press");
  expect(anew.numbers[0]).toBeGreaterThan(back.numbers.at(-1) ?? 0);
});

test("a session that cannot be read is left out, and the others go on", async () => {
  const { world } = await running("button_press");
  const body = world.journal.sessionOf(userId) ?? "";
  const next = new FakeWorld({}, {}, undefined, world.clock.now());
  const kept = async (of: string, text: string) => ({
    userId: of,
    savedMs: world.clock.now(),
    body: text,
    user: await next.users.loadUser(of),
    events: [],
  });
  const sessions = [
    await kept("a@example.com", "{"),
    await kept("b@example.com", body.replace('"version":1', '"version":99')),
    await kept("c@example.com", body.replace('"display":', '"former":')),
    await kept(userId, body),
  ];
  expect(next.storage.resume({ aliveMs: world.clock.now(), aheadMs: 0, sessions })).toBe(1);
  expect(next.storage.getSession(userId)).toBeDefined();
  expect(await next.count("browline_sessions_resumed_total", { outcome: "failed" })).toBe(3);
});

test("after a long absence the apps' servers are not called for everybody in the same instant", async () => {
  const { world } = await running("button_press");
  const body = world.journal.sessionOf(userId) ?? "";
  const savedMs = world.clock.now();
  const next = new FakeWorld({}, {}, undefined, savedMs + 10_000);
  const users = Array.from({ length: 10 }, (_, n) => `${n}@example.com`);
  const sessions = await Promise.all(
    users.map(async (of) => ({
      userId: of,
      savedMs,
      body,
      user: await next.users.loadUser(of),
      events: [],
    })),
  );
  expect(next.storage.resume({ aliveMs: savedMs, aheadMs: 0, sessions })).toBe(10);
  const calls: number[] = [];
  for (let step = 0; step < 10; step++) {
    await next.clock.advanceAsync(world.limits.circuitJitterMs / 10);
    calls.push(next.webhooks.starts.length);
  }
  expect(calls[0]).toBeLessThanOrEqual(2);
  expect(calls[4]).toBeGreaterThanOrEqual(4);
  expect(calls[4]).toBeLessThanOrEqual(6);
  expect(calls.at(-1)).toBe(10);
});

test("a session that cannot be resumed to its end leaves nothing behind: no app of it is called", async () => {
  const { world } = await running("button_press");
  const body = (world.journal.sessionOf(userId) ?? "").replace('"display":', '"former":');
  const next = new FakeWorld({}, {}, undefined, world.clock.now());
  const user = await next.users.loadUser(userId);
  const sessions = [{ userId, savedMs: world.clock.now(), body, user, events: [] }];
  expect(next.storage.resume({ aliveMs: world.clock.now(), aheadMs: 0, sessions })).toBe(0);
  expect(next.clock.pending).toBe(0);
  expect(next.rooms.usersOf(captions)).toEqual([]);
  await next.clock.advanceAsync(60_000);
  expect(next.webhooks.starts).toEqual([]);
});

test("a manager that cannot read what was kept of it begins anew, and the rest of the session goes on", async () => {
  const { world, session, app } = await running("button_press");
  world.show(session, app, captions, "hello");
  await world.clock.advanceAsync(500);
  const state = JSON.parse(world.journal.sessionOf(userId) ?? "");
  const body = JSON.stringify({ ...state, managers: { ...state.managers, photo: { photos: 7 } } });
  const next = new FakeWorld({}, {}, undefined, world.clock.now());
  const user = await next.users.loadUser(userId);
  const sessions = [{ userId, savedMs: world.clock.now(), body, user, events: [] }];
  expect(next.storage.resume({ aliveMs: world.clock.now(), aheadMs: 0, sessions })).toBe(1);
  expect(await next.count("browline_errors_total", { where: "resume" })).toBe(1);
  const { glasses } = await next.connect(userId);
  await next.clock.advanceAsync(1_000);
  expect(glasses.texts).toEqual(["hello"]);
});

test("what was committed while the app was away arrives after a restart as well, in order and once", async () => {
  const { world, session, generation, app } = await running("button_press");
  session.apps.closed(captions, app.generation);
  for (let n = 0; n < 20; n++) session.receiveGlasses(generation, press(String(n)));
  const next = await killAndRestart(world, 500);
  const resumed = next.storage.getSession(userId);
  if (resumed === undefined) throw new Error("the session is gone");
  const back = next.connectApp(resumed, captions, "of-the-former-process");
  next.subscribe(resumed, back, captions, "button_press");
  await next.clock.advanceAsync(world.limits.receiptMs);
  expect(back.events.map(({ data }) => data)).toMatchObject(
    Array.from({ length: 20 }, (_, n) => press(String(n))),
  );
  expect(next.journal.eventsOf(userId)).toEqual([]);
});

test("what had no room is told after a restart as often as it was lost, and is not kept any longer", async () => {
  const { world, session, generation, app } = await running("button_press");
  session.apps.closed(captions, app.generation);
  const { outboxEvents } = world.limits;
  for (let n = 0; n < outboxEvents + 88; n++) session.receiveGlasses(generation, press(String(n)));
  expect(world.journal.eventsOf(userId).length).toBe(outboxEvents);

  const next = await killAndRestart(world, 500);
  const resumed = next.storage.getSession(userId);
  if (resumed === undefined) throw new Error("the session is gone");
  const back = next.connectApp(resumed, captions, "of-the-former-process");
  expect(back.sent[0]).toMatchObject({ resume: { lost: 88 } });
  next.subscribe(resumed, back, captions, "button_press");
  await next.clock.advanceAsync(world.limits.receiptMs);
  expect(back.events.map(({ data }) => data)).toMatchObject(
    Array.from({ length: outboxEvents }, (_, n) => press(String(n + 88))),
  );
});

test("an app that is started is kept before any event for it: the next process would not know whose it is", async () => {
  const world = new FakeWorld();
  const { session } = await world.connect(userId);
  const before = world.journal.outOfTurn;
  void session.apps.start(captions);
  expect(world.journal.outOfTurn).toBe(before + 1);
  world.connectApp(session);
  expect(world.journal.outOfTurn).toBe(before + 1);
});

test("graces end when they are due though the time of day was set meanwhile, forward or back", async () => {
  const hourMs = 3_600_000;
  for (const aheadMs of [hourMs, -hourMs]) {
    const { world, session, generation } = await running("button_press");
    session.glassesClosed(generation);
    await world.clock.advanceAsync(10_000);
    const next = await killAndRestart(world, 5_000, aheadMs);
    await next.clock.advanceAsync(world.limits.sessionGraceMs - 15_000 - 1);
    expect(next.storage.getSession(userId)).toBeDefined();
    await next.clock.advanceAsync(1);
    expect(next.storage.getSession(userId)).toBeUndefined();
  }
});

test("an app is not called for a user whose glasses were away before the server was killed", async () => {
  const { world, session, generation } = await running("button_press");
  session.glassesClosed(generation);
  await world.clock.advanceAsync(1_000);
  const next = await killAndRestart(world, 500);
  await next.clock.advanceAsync(10_000);
  expect(next.webhooks.starts).toEqual([]);
  await next.connect(userId);
  await next.clock.advanceAsync(1_000);
  expect(next.webhooks.starts.length).toBe(1);
});

test("an app whose permissions were changed while the server was down gets nothing of what was kept, and begins anew", async () => {
  const { world, session, generation } = await running("button_press");
  session.receiveGlasses(generation, press("1"));
  await null;
  const body = world.journal.sessionOf(userId) ?? "";
  const next = new FakeWorld({}, {}, undefined, world.clock.now());
  next.records.set(captions, appRecord(captions, { permissions: ["CAMERA"] }));
  const user = await next.users.loadUser(userId);
  const settled: unknown[] = [];
  next.journal.settle = (...args) => void settled.push(args);
  const sessions = [
    { userId, savedMs: world.clock.now(), body, user, events: world.journal.eventsOf(userId) },
  ];
  next.storage.resume({ aliveMs: world.clock.now(), aheadMs: 0, sessions });
  const resumed = next.storage.getSession(userId);
  expect(resumed?.apps.all()).toEqual([]);
  expect(settled).toEqual([[userId, captions, Number.MAX_SAFE_INTEGER]]);
  await next.connect(userId);
  expect(next.webhooks.starts.length).toBe(1);
});

test("an app that the user has stopped a moment before the kill does not run again", async () => {
  const { world, session } = await running("button_press");
  await world.clock.advanceAsync(1_000);
  session.apps.stop(captions);
  const next = await killAndRestart(world, 500);
  expect(next.storage.getSession(userId)?.apps.states).toEqual({});
});

test("what was restored comes first, then what has come since and must arrive, then the newest state", async () => {
  const { world, session, generation } = await running("button_press", "head_position");
  session.receiveGlasses(generation, press("1"));
  const next = await killAndRestart(world, 500);
  const { session: resumed, generation: own } = await next.connect(userId);
  resumed.receiveGlasses(own, { type: "head_position", position: "up" });
  resumed.receiveGlasses(own, press("2"));
  const back = next.connectApp(resumed, captions, "of-the-former-process");
  next.subscribe(resumed, back, captions, "button_press", "head_position");
  expect(back.events.map(({ data }) => data)).toMatchObject([press("1"), press("2"), { position: "up" }]);
});

test("a sound that was to be stopped while the phone was away is stopped on its return to the next process", async () => {
  const { world, session, generation, app } = await running("button_press");
  const url = "http://127.0.0.1:1/a.wav";
  session.apps.receive(captions, app.generation, {
    type: "audio_play_request",
    requestId: "s",
    audioUrl: url,
  });
  session.glassesClosed(generation);
  session.apps.receive(captions, app.generation, { type: "audio_stop_request" });
  const next = await killAndRestart(world, 500);
  const { glasses } = await next.connect(userId);
  expect(glasses.of("audio_stop_request")).toMatchObject([{ appId: captions }]);
});

test("a sound that plays when the server is killed is reported to its app by the next process", async () => {
  const { world, session, app } = await running("button_press");
  const url = "http://127.0.0.1:1/a.wav";
  session.apps.receive(captions, app.generation, {
    type: "audio_play_request",
    requestId: "s",
    audioUrl: url,
  });
  const next = await killAndRestart(world, 500);
  const { session: resumed, glasses, generation } = await next.connect(userId);
  const back = next.connectApp(resumed, captions, "of-the-former-process");
  next.subscribe(resumed, back, captions, "button_press");
  expect(glasses.of("audio_play_request")).toMatchObject([{ requestId: "s" }]);
  resumed.receiveGlasses(generation, { type: "audio_play_response", requestId: "s", success: true });
  expect(back.sent.at(-1)).toMatchObject({ type: "audio_play_response", requestId: "s", success: true });
});

test("a gap that an app has confirmed is not told again after another kill", async () => {
  const { world, session, generation } = await running("transcription:en-US");
  await world.clock.advanceAsync(200);
  session.receiveGlasses(generation, { type: "VAD", status: true });
  await world.clock.advanceAsync(1_500);
  const next = await killAndRestart(world, 500);
  const resumed = next.storage.getSession(userId);
  if (resumed === undefined) throw new Error("the session is gone");
  const back = next.connectApp(resumed, captions, "of-the-former-process");
  expect(back.sent[0]).toHaveProperty("resume.gap");
  resumed.apps.confirmed(captions, back.generation, back.receipts[0] ?? 0);
  const third = await killAndRestart(next, 500);
  const again = third.storage.getSession(userId);
  if (again === undefined) throw new Error("the session is gone");
  expect(third.connectApp(again, captions, "of-the-first-process").sent[0]).not.toHaveProperty("resume.gap");
});
