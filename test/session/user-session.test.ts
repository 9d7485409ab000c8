import { describe, expect, test } from "bun:test";
import type { AppMessage } from "../../src/wire/apps.ts";
import { closes } from "../../src/wire/close-codes.ts";
import { appRecord, captions, FakeGlasses, FakeWorld } from "../support/fake-world.ts";
import { liveAndLeaveNothing } from "../support/session-lives.ts";

describe("a user session", () => {
  test("acknowledges the glasses before anything else, then tells the microphone's state", async () => {
    const world = new FakeWorld();
    const { glasses } = await world.connect();
    expect(glasses.sent.map(({ message }) => message.type).slice(0, 2)).toEqual([
      "connection_ack",
      "microphone_state_change",
    ]);
    expect(glasses.of("connection_ack")[0]?.sessionId).toBe("user@example.com");
  });

  test("answers a connection_init with nothing: it is acknowledged already", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    const before = glasses.sent.length;
    session.receiveGlasses(generation, { type: "connection_init" });
    session.receiveGlasses(generation, { type: "connection_init" });
    expect(glasses.sent.length).toBe(before);
  });

  test("is made once when two sockets of one user come at the same time, whatever the spelling", async () => {
    const world = new FakeWorld();
    const [one, two] = await Promise.all([
      world.storage.getOrCreate("User@Example.com"),
      world.storage.getOrCreate("user@example.com "),
    ]);
    expect(one).toBe(two);
    expect(world.users.loads).toBe(1);
    expect(world.storage.size).toBe(1);
  });

  test("acknowledges at once though an app the user wants is dead", async () => {
    const world = new FakeWorld();
    world.users.saveWantedApp("user@example.com", captions, true);
    const { glasses } = await world.connect();
    expect(glasses.sent[0]?.message.type).toBe("connection_ack");
    expect(world.webhooks.starts.length).toBe(1);
  });

  test("closes the older of two glasses sockets and stays alive when its close comes late", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    const second = new FakeGlasses(world.clock);
    const newer = session.attachGlasses(second);
    expect(glasses.closed).toEqual(closes.superseded);
    session.glassesClosed(generation);
    await world.clock.advanceAsync(2 * world.limits.sessionGraceMs);
    expect(session.state).toBe("ACTIVE");
    expect(second.closed).toBeUndefined();
    session.glassesClosed(newer);
    expect(session.state).toBe("DISCONNECTED");
  });

  test("ignores what a superseded socket says, and counts it", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "button_press", "audio_chunk", "transcription:en-US");
    await world.clock.advanceAsync(200);
    session.attachGlasses(new FakeGlasses(world.clock));
    const press = { type: "button_press", buttonId: "main", pressType: "short" } as const;
    session.receiveGlasses(generation, press);
    session.audio.receive(generation, new Uint8Array(640));
    expect(app.events).toEqual([]);
    expect(app.audio).toEqual([]);
    expect(world.lanes.opened[0]?.frames).toEqual([]);
    expect(await world.count("browline_messages_rejected_total", { reason: "stale" })).toBe(1);
    expect(await world.count("browline_audio_frames_total", { fate: "stale" })).toBe(1);
  });

  test("survives a drop of under 30 s: display and microphone restored, apps untouched", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US");
    world.show(session, app, captions, "before the drop");
    await world.clock.advanceAsync(1_000);
    expect(glasses.microphone).toBe(true);

    session.glassesClosed(generation);
    await world.clock.advanceAsync(5_000);
    world.show(session, app, captions, "during the drop");
    await world.clock.advanceAsync(world.limits.sessionGraceMs - 5_001);
    expect(session.state).toBe("DISCONNECTED");

    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    expect(returned.sent.map(({ message }) => message.type).slice(0, 3)).toEqual([
      "connection_ack",
      "microphone_state_change",
      "display_event",
    ]);
    expect(returned.microphone).toBe(true);
    expect(returned.texts).toEqual(["during the drop"]);
    await world.clock.advanceAsync(2 * world.limits.sessionGraceMs);
    expect(session.state).toBe("ACTIVE");
    expect(app.closed).toBeUndefined();
    expect(world.webhooks.starts.length).toBe(1);
  });

  test("tells returning glasses, in this order: microphone, location, what they show, what they were asked; then the apps", async () => {
    const world = new FakeWorld({ BROWLINE_SESSION_GRACE_MS: "600000" });
    world.records.set("com.away", appRecord("com.away"));
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US", "location_update");
    const away = await world.runApp(session, "com.away");
    world.show(session, app, captions, "words");
    const ask = (message: AppMessage) => session.apps.receive(captions, app.generation, message);
    ask({ type: "display_event", view: "dashboard", layout: { layoutType: "text_wall", text: "a line" } });
    session.receiveGlasses(generation, {
      type: "glasses_connection_state",
      modelName: "Mentra Live",
      status: "CONNECTED",
    });
    await world.clock.advanceAsync(1_000);
    ask({ type: "photo_request", requestId: "photo" });
    ask({ type: "audio_play_request", requestId: "sound", audioUrl: "http://127.0.0.1:1/a.wav" });
    ask({ type: "location_poll_request", correlationId: "place", accuracy: "high" });
    session.glassesClosed(generation);
    session.apps.closed("com.away", away.generation);
    await world.clock.advanceAsync(5_000);
    const told = app.sent.length;
    const returned = new FakeGlasses(world.clock);
    const called: number[] = [];
    world.webhooks.answer = () => {
      called.push(returned.sent.length);
      return new Promise(() => {});
    };
    session.attachGlasses(returned);
    const types = returned.sent.map(({ message }) => message.type);
    expect(types.slice(0, 4)).toEqual([
      "connection_ack",
      "microphone_state_change",
      "set_location_tier",
      "display_event",
    ]);
    expect(types.slice(4, -1).toSorted()).toEqual([
      "audio_play_request",
      "photo_request",
      "request_single_location",
    ]);
    expect(types.at(-1)).toBe("app_state_change");
    expect(app.sent.slice(told)).toMatchObject([{ type: "device_state_update", fullSnapshot: true }]);
    await world.clock.advanceAsync(0);
    // The one that is away is asked for when the glasses have been told everything.
    expect(called).toEqual([types.length]);
    await world.clock.advanceAsync(250);
    expect(returned.of("display_event").map(({ view }) => view)).toEqual(["main", "dashboard"]);
  });

  test("ends after 30 s without glasses: the app is told in a way that makes the SDK stop once", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(200);
    session.glassesClosed(generation);
    await world.clock.advanceAsync(world.limits.sessionGraceMs);
    expect(session.state).toBe("DISPOSED");
    expect(app.sent.at(-1)).toEqual({ type: "app_stopped", reason: "system_stop" });
    expect(app.closed).toEqual({ code: 4001, reason: "User session ended" });
    expect(world.lanes.opened[0]?.closed).toBe(true);
    expect(world.storage.getSession("user@example.com")).toBeUndefined();
    expect(world.storage.size).toBe(0);
  });

  test("that ends because the server does tells its apps to dial again, and not that they are stopped", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    await world.storage.closeAll();
    expect([app.closed, glasses.closed]).toEqual([closes.restart, closes.restart]);
    expect(app.sent.map(({ type }) => type)).not.toContain("app_stopped");
  });

  test("keeps the apps wanted when it ends, and starts them again in the next session", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    await world.runApp(session);
    session.glassesClosed(generation);
    await world.clock.advanceAsync(world.limits.sessionGraceMs);
    await world.connect();
    expect(world.webhooks.starts.length).toBe(2);
  });

  test("keeps the phone's voice markers in their place among the audio", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(200);
    const vad = (status: boolean) => session.receiveGlasses(generation, { type: "VAD", status });
    vad(true);
    session.audio.receive(generation, new Uint8Array(10));
    session.audio.receive(generation, new Uint8Array(20));
    vad(false);
    session.audio.receive(generation, new Uint8Array(30));
    const order = ["voice true", "frame of 10", "frame of 20", "voice false", "frame of 30"];
    expect(world.lanes.opened[0]?.order).toEqual(order);
  });

  test("is not given out while it ends; the user's next socket waits for that and gets a new one", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const ending = session.end();
    expect(world.storage.getSession("user@example.com")).toBeUndefined();
    const next = await world.storage.getOrCreate("user@example.com");
    expect(session.state).toBe("DISPOSED");
    await ending;
    expect(next).not.toBe(session);
    expect(world.storage.getSession("user@example.com")).toBe(next);
  });

  test("that was made but never got its socket goes away by itself", async () => {
    const world = new FakeWorld();
    const session = await world.storage.getOrCreate("user@example.com");
    await world.clock.advanceAsync(world.limits.sessionGraceMs);
    expect(session.state).toBe("DISPOSED");
    expect(world.storage.size).toBe(0);
  });

  test("is refused beyond the limit of sessions", async () => {
    const world = new FakeWorld({ BROWLINE_MAX_SESSIONS: "1" });
    await world.connect("a@example.com");
    await expect(world.connect("b@example.com")).rejects.toMatchObject({ code: "AT_CAPACITY" });
  });

  test("D-43: 500 lives leave no session, no timer and no lane behind", async () => {
    await liveAndLeaveNothing(500);
  });

  test("whose user cannot be loaded is refused so that the phone tries again, and is there when it does", async () => {
    const world = new FakeWorld();
    const load = world.users.loadUser;
    world.users.loadUser = () => Promise.reject(new Error("the store's thread has died"));
    await expect(world.storage.getOrCreate("user@example.com")).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      status: 503,
    });
    world.users.loadUser = load;
    expect((await world.connect()).session.state).toBe("ACTIVE");
  });

  test("a failing manager does not keep the rest from being disposed of", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(200);
    const lane = world.lanes.opened[0];
    if (lane) lane.close = () => Promise.reject(new Error("worker gone"));
    await session.end();
    expect(session.state).toBe("DISPOSED");
    expect(app.closed).toEqual(closes.sessionEnded);
    expect(glasses.closed).toEqual(closes.sessionEnded);
    expect(await world.count("browline_errors_total", { where: "dispose_audio" })).toBe(1);
  });

  test("finds an app's session though user id and package name contain hyphens", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect("jean-luc@ex-ample.com");
    const sessionId = session.apps.sessionIdOf("com.ex-ample.app");
    expect(world.storage.findAppSession(sessionId, "com.ex-ample.app")).toBe(session);
    expect(world.storage.findAppSession(sessionId, "ample.app")).toBeUndefined();
  });
});

test("what apps owe is counted in the metrics until they have confirmed it", async () => {
  const world = new FakeWorld();
  const { session, generation } = await world.connect();
  const app = await world.runApp(session, captions, "button_press");
  const press = { type: "button_press", buttonId: "main", pressType: "short" } as const;
  const owed = async () => [
    await world.count("browline_outbox_events"),
    await world.count("browline_outbox_most_events"),
    (await world.count("browline_outbox_bytes")) > 0,
  ];
  expect(await owed()).toEqual([0, 0, false]);
  for (let i = 0; i < 3; i++) session.receiveGlasses(generation, press);
  expect(await owed()).toEqual([3, 3, true]);
  session.apps.confirmed(captions, app.generation, app.numbers.at(-1) ?? 0);
  expect(await owed()).toEqual([0, 0, false]);
});
