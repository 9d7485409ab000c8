import { describe, expect, test } from "bun:test";
import type { AppMessage } from "../../src/wire/apps.ts";
import { closes } from "../../src/wire/close-codes.ts";
import { apiKey, appRecord, captions, FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";
import { seededRandom } from "../support/seeded-random.ts";

const speech = "transcription:en-US";

/** Something that an app heard said. */
const words = (text: string) =>
  ({
    language: "en-US",
    text,
    isFinal: true,
    utteranceId: text,
    startMs: 0,
    endMs: 1_000,
    provider: "fake",
  }) as const;

const show = (text: string): AppMessage => ({
  type: "display_event",
  layout: { layoutType: "text_wall", text },
});

describe("drops and returns", () => {
  test("D-01: after four drops of glasses and app in four minutes, captions flow within 2 s of each return", async () => {
    const world = new FakeWorld();
    let { session, glasses, generation } = await world.connect();
    let app = await world.runApp(session, captions, speech);
    await world.clock.advanceAsync(30_000);
    for (let drop = 0; drop < 4; drop++) {
      session.glassesClosed(generation);
      session.apps.closed(captions, app.generation);
      await world.clock.advanceAsync(1_000);
      app = world.connectApp(session);
      // The SDK's list comes empty first, and the real one only after it.
      world.subscribe(session, app, captions);
      glasses = new FakeGlasses(world.clock);
      generation = session.attachGlasses(glasses);
      // The phone talks on meanwhile.
      for (let i = 0; i < 10; i++) {
        session.audio.receive(generation, new Uint8Array(640));
        await world.clock.advanceAsync(100);
      }
      world.subscribe(session, app, captions, speech);
      await world.clock.advanceAsync(900);
      const heard = app.events.length;
      world.lanes.opened[0]?.listener.onTranscript(words(`after drop ${drop}`));
      expect(app.events.length).toBe(heard + 1);
      for (let i = 0; i < 600; i++) {
        session.audio.receive(generation, new Uint8Array(640));
        await world.clock.advanceAsync(100);
      }
      const states = glasses
        .of("microphone_state_change")
        .map(({ isMicrophoneEnabled }) => isMicrophoneEnabled);
      expect(states).not.toContain(false);
    }
  });

  test("D-10: a session whose old glasses socket closes after the new one opened lives on", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    await world.connect();
    session.glassesClosed(generation);
    await world.clock.advanceAsync(2 * world.limits.sessionGraceMs);
    expect(session.state).toBe("ACTIVE");
    expect(world.storage.getSession("user@example.com")).toBe(session);
  });

  test("D-11: a healthy app whose old socket closes after the new one opened is left alone", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const first = await world.runApp(session, captions, speech);
    const second = world.connectApp(session);
    world.subscribe(session, second, captions, speech);
    session.apps.closed(captions, first.generation);
    await world.clock.advanceAsync(60_000);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
    expect(second.closed).toBeUndefined();
    expect(world.webhooks.starts.length).toBe(1);
    expect(session.apps.subscriptions.match(speech).length).toBe(1);
  });

  test("D-44: glasses that drop and return within milliseconds restart nothing", async () => {
    const world = new FakeWorld();
    const { session, ...first } = await world.connect();
    let { generation } = first;
    const app = await world.runApp(session, captions, speech);
    for (let drop = 0; drop < 20; drop++) {
      session.glassesClosed(generation);
      await world.clock.advanceAsync(5);
      generation = session.attachGlasses(new FakeGlasses(world.clock));
      session.receiveGlasses(generation, { type: "connection_init" });
      await world.clock.advanceAsync(500);
    }
    expect(world.webhooks.starts.length).toBe(1);
    expect(app.closed).toBeUndefined();
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
  });

  test("sleeping apps are woken one after the other, and one that does not come holds nobody up for long", async () => {
    const world = new FakeWorld({ BROWLINE_SESSION_GRACE_MS: "600000" });
    const names = ["com.a", "com.b", "com.c"];
    for (const name of names)
      world.records.set(name, appRecord(name, { publicUrl: `http://127.0.0.1/${name}` }));
    const { session, generation } = await world.connect();
    const apps = [];
    for (const name of names) apps.push({ name, app: await world.runApp(session, name) });
    session.glassesClosed(generation);
    for (const { name, app } of apps) session.apps.closed(name, app.generation);
    await world.clock.advanceAsync(60_000);
    expect(session.apps.inState("DORMANT")).toEqual(names);
    world.webhooks.starts.length = 0;
    await world.connect();
    const called = () => world.webhooks.starts.map(({ sessionId }) => sessionId.split("-").at(-1));
    expect(called()).toEqual(["com.a"]);
    world.connectApp(session, "com.a");
    expect(called()).toEqual(["com.a", "com.b"]);
    await world.clock.advanceAsync(world.limits.appWakeMs);
    expect(called()).toEqual(names);
  });

  test("an app that hands over because a webhook made it connect anew keeps all that it hears", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, speech);
    const oldNonce = world.nonce;
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(world.limits.appNudgeMs);
    const newNonce = world.nonce;
    // Its own dial is late and comes just after the webhook, upon which the SDK leaves that socket for a new one.
    const late = world.connectApp(session, captions, oldNonce);
    session.apps.receive(captions, late.generation, {
      type: "ownership_release",
      reason: "switching_clouds",
    });
    session.apps.closed(captions, late.generation);
    expect(session.apps.inState("GRACE_PERIOD")).toEqual([captions]);
    expect(session.apps.subscriptions.match(speech).length).toBe(1);
    world.connectApp(session, captions, newNonce);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
    await world.clock.advanceAsync(10_000);
    expect(world.webhooks.starts.length).toBe(2);
  });
});

describe("starting and stopping", () => {
  test.each([4, 8, 15, 19])(
    "D-13: an app that takes %i s to connect is started by one try",
    async (seconds) => {
      const world = new FakeWorld();
      const { session } = await world.connect();
      const start = session.apps.start(captions);
      await world.clock.advanceAsync(seconds * 1_000);
      world.connectApp(session);
      expect(await start).toEqual({ success: true });
      expect(world.webhooks.starts.length).toBe(1);
    },
  );

  test("D-13: an app that takes 25 s is late for its caller and welcome all the same", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const start = session.apps.start(captions);
    await world.clock.advanceAsync(25_000);
    expect(await start).toMatchObject({ success: false, error: { stage: "TIMEOUT" } });
    const app = world.connectApp(session);
    world.subscribe(session, app, captions, speech);
    await world.clock.advanceAsync(1_000);
    expect(app.closed).toBeUndefined();
    expect(glasses.of("app_state_change").at(-1)?.userSession.activeAppSessions).toEqual([captions]);
    expect(world.users.wanted.get("user@example.com")?.has(captions)).toBe(true);
  });

  test("D-15: an app that was too slow once is started again at the next login", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    await world.runApp(session);
    await session.end();
    // This time its server is there but does not connect.
    const second = await world.connect();
    expect(world.webhooks.starts.length).toBe(2);
    await world.clock.advanceAsync(25_000);
    expect(second.session.apps.inState("RUNNING")).toEqual([]);
    expect(world.users.wanted.get("user@example.com")?.has(captions)).toBe(true);
    await second.session.end();
    const third = await world.connect();
    expect(world.webhooks.starts.length).toBe(3);
    world.connectApp(third.session);
    expect(third.session.apps.inState("RUNNING")).toEqual([captions]);
  });

  test("the wish list holds one standard app, the latest, and what the user stops leaves it", async () => {
    const world = new FakeWorld();
    for (const name of ["com.a", "com.b"]) world.records.set(name, appRecord(name, { type: "standard" }));
    const { session } = await world.connect();
    await world.runApp(session, captions);
    await world.runApp(session, "com.a");
    const failing = session.apps.start("com.b");
    expect([...(world.users.wanted.get("user@example.com") ?? [])]).toEqual([captions, "com.a"]);
    world.connectApp(session, "com.b");
    await failing;
    expect([...(world.users.wanted.get("user@example.com") ?? [])]).toEqual([captions, "com.b"]);
    session.apps.stop(captions);
    expect([...(world.users.wanted.get("user@example.com") ?? [])]).toEqual(["com.b"]);
  });

  test("D-16: an app's server is told why it was stopped, and nothing when it is brought back or the session ends", async () => {
    const world = new FakeWorld();
    for (const name of ["com.a", "com.b"]) world.records.set(name, appRecord(name, { type: "standard" }));
    const { session } = await world.connect();
    const lost = await world.runApp(session, captions);
    session.apps.closed(captions, lost.generation);
    await world.clock.advanceAsync(world.limits.appGraceMs + 5_000);
    world.connectApp(session);
    expect(world.webhooks.stops).toEqual([]);
    await world.runApp(session, "com.a");
    const replaced = await world.runApp(session, "com.b");
    session.apps.stop(captions);
    await session.end();
    expect(
      world.webhooks.stops.map(({ sessionId, reason }) => [sessionId.split("-").at(-1), reason]),
    ).toEqual([
      ["com.a", "system_stop"],
      [captions, "user_disabled"],
    ]);
    expect(replaced.closed).toEqual(closes.sessionEnded);
    // On the socket, with which all ends, but not as if the user had wanted it.
    expect(replaced.sent.at(-1)).toEqual({ type: "app_stopped", reason: "system_stop" });
  });

  test("D-17: a stop is over when it returns, in its order, and nothing follows app_stopped", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    const app = await world.runApp(session, captions, speech, "button_press", "audio_chunk");
    session.apps.receive(captions, app.generation, show("words"));
    await world.clock.advanceAsync(1_000);
    const before = world.clock.now();
    let whenTold: unknown;
    world.webhooks.stop = () => {
      whenTold = [
        session.apps.subscriptions.match(speech).length,
        session.display.inspect("main").wanted,
        app.sent.some(({ type }) => type === "app_stopped"),
        app.closed,
      ];
    };
    expect(session.apps.stop(captions)).toBe(true);
    expect(world.clock.now()).toBe(before);
    expect(whenTold).toEqual([0, undefined, false, undefined]);
    const last = app.sent.length;
    expect(app.sent.at(-1)).toEqual({ type: "app_stopped", reason: "user_disabled" });
    world.lanes.opened[0]?.listener.onTranscript(words("too late"));
    world.lanes.opened[0]?.listener.onPcm(new Uint8Array(640));
    session.receiveGlasses(generation, { type: "button_press", buttonId: "main", pressType: "short" });
    session.apps.receive(captions, app.generation, show("ghost"));
    await world.clock.advanceAsync(60_000);
    expect(app.sent.length).toBe(last);
    expect(app.audio.length).toBe(0);
    expect(glasses.texts.at(-1)).toBe("");
    expect(session.apps.inState("STOPPING", "STOPPED")).toEqual([]);
  });

  test("nothing reaches an app before its acknowledgement", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    void session.apps.start(captions);
    session.receiveGlasses(generation, { type: "button_press", buttonId: "main", pressType: "short" });
    world.lanes.opened[0]?.listener.onTranscript(words("early"));
    const app = world.connectApp(session);
    expect(app.sent[0]?.type).toBe("tpa_connection_ack");
    expect(app.events).toEqual([]);
  });

  test("D-26: of two standard apps that are started in one tick the second runs, and only it", async () => {
    const world = new FakeWorld();
    for (const name of ["com.a", "com.b"]) world.records.set(name, appRecord(name, { type: "standard" }));
    const { session } = await world.connect();
    const starts = [session.apps.start("com.a"), session.apps.start("com.b")];
    const nonces = world.webhooks.starts.map(({ mentraOSWebsocketUrl }) =>
      mentraOSWebsocketUrl.split("/").at(-2),
    );
    world.connectApp(session, "com.b", nonces[1]);
    const loser = session.apps.accept("com.a", apiKey, nonces[0], new FakeApp());
    expect(loser).toMatchObject({ fault: { code: "APP_NOT_STARTED" } });
    expect(await Promise.all(starts)).toMatchObject([{ success: false }, { success: true }]);
    expect(session.apps.inState("RUNNING")).toEqual(["com.b"]);
  });

  test("D-26: a standard app that comes too late does not take the foreground from the one started since", async () => {
    const world = new FakeWorld();
    for (const name of ["com.a", "com.b"]) world.records.set(name, appRecord(name, { type: "standard" }));
    const { session } = await world.connect();
    void session.apps.start("com.a");
    const nonce = world.nonce;
    await world.clock.advanceAsync(25_000);
    await world.runApp(session, "com.b");
    const late = session.apps.accept("com.a", apiKey, nonce, new FakeApp());
    expect(late).toMatchObject({ fault: { code: "APP_NOT_STARTED" } });
    expect(session.apps.foreground).toBe("com.b");
  });

  test("D-54: a login is acknowledged at once, though the apps of the last session are dead", async () => {
    const world = new FakeWorld();
    world.users.wanted.set("user@example.com", new Set([captions, "com.gone"]));
    world.records.set("com.gone", appRecord("com.gone"));
    const before = world.clock.now();
    const { glasses } = await world.connect();
    expect(glasses.sent[0]?.message.type).toBe("connection_ack");
    expect(glasses.sent[0]?.atMs).toBe(before);
    expect(world.webhooks.starts.length).toBe(2);
  });
});

describe("what apps ask for", () => {
  test("D-18: no request that cannot be served costs an app its socket", async () => {
    const world = new FakeWorld();
    world.records.set(captions, appRecord(captions, { permissions: [] }));
    const { session, generation } = await world.connect();
    const app = await world.runApp(session);
    session.glassesClosed(generation);
    const requests: AppMessage[] = [
      { type: "photo_request", requestId: "p1" },
      { type: "audio_play_request", requestId: "a1", audioUrl: "http://x/y.mp3" },
      { type: "audio_stop_request" },
      { type: "rgb_led_control", requestId: "l1", action: "on" },
      { type: "location_poll_request", correlationId: "c1" },
      { type: "request_wifi_setup" },
      { type: "rtmp_stream_request" },
      { type: "rtmp_stream_stop" },
      { type: "managed_stream_request" },
      { type: "managed_stream_stop" },
      { type: "stream_status_check" },
      { type: "dashboard_system_update", section: "topLeft", content: "x" },
      { type: "dashboard_mode_change", mode: "expanded" },
      { type: "display_event", layout: { layoutType: "no such layout" } },
      { type: "subscription_update", subscriptions: ["audio_chunk", "no such stream", "transcription:xx"] },
      { type: "app_direct_message", targetUserId: "nobody@x.y", payload: 1, messageId: "m1" },
      { type: "app_room_leave", roomId: "nowhere" },
    ];
    for (const request of requests) session.apps.receive(captions, app.generation, request);
    await world.clock.advanceAsync(60_000 / 3);
    expect(app.closed).toBeUndefined();
    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    session.apps.receive(captions, app.generation, show("still here"));
    await world.clock.advanceAsync(1_000);
    expect(returned.texts.at(-1)).toBe("still here");
  });

  test("D-22: two apps that differ only in their hints share a stream, each under its own string", async () => {
    const world = new FakeWorld();
    world.records.set("com.b", appRecord("com.b"));
    const { session } = await world.connect();
    const a = await world.runApp(session, captions, speech);
    const b = await world.runApp(session, "com.b", `${speech}?hints=es`);
    await world.clock.advanceAsync(1_000);
    expect(world.lanes.opened[0]?.demand.languages).toEqual(["en-US"]);
    world.lanes.opened[0]?.listener.onTranscript(words("hello"));
    expect(a.events.map(({ streamType }) => streamType)).toEqual([speech]);
    expect(b.events.map(({ streamType }) => streamType)).toEqual([`${speech}?hints=es`]);
  });

  test("D-23: the microphone stays on while one of two apps still listens, whatever the other does", async () => {
    const world = new FakeWorld();
    world.records.set("com.b", appRecord("com.b"));
    const { session, glasses } = await world.connect();
    await world.runApp(session, captions, speech);
    let other = await world.runApp(session, "com.b", speech);
    await world.clock.advanceAsync(10_000);
    for (let round = 0; round < 3; round++) {
      session.apps.closed("com.b", other.generation);
      await world.clock.advanceAsync(1_000);
      other = world.connectApp(session, "com.b");
      world.subscribe(session, other, "com.b");
      world.subscribe(session, other, "com.b");
      await world.clock.advanceAsync(20_000);
    }
    session.apps.stop("com.b");
    await world.clock.advanceAsync(20_000);
    const states = glasses
      .of("microphone_state_change")
      .map(({ isMicrophoneEnabled }) => isMicrophoneEnabled);
    expect(states.slice(states.indexOf(true))).not.toContain(false);
    session.apps.stop(captions);
    await world.clock.advanceAsync(5_000);
    expect(glasses.microphone).toBe(false);
  });

  test("D-24: of 100 lists in any rhythm the last one is in force", async () => {
    const random = seededRandom("100 lists");
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session);
    const streams = [speech, "button_press", "head_position", "transcription:de-DE"];
    let last: string[] = [];
    for (let i = 0; i < 100; i++) {
      last = streams.filter(() => random.chance(0.5));
      if (i === 99 && last.length === 0) last = [speech];
      world.subscribe(session, app, captions, ...last);
      await world.clock.advanceAsync(random.integer(0, 300));
    }
    await world.clock.advanceAsync(10_000);
    expect([...session.apps.subscriptions.literalsOf(captions)].sort()).toEqual([...last].sort());
  });

  test("D-25: a list or a display that comes after the stop has no effect at all", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session, captions, speech);
    await world.clock.advanceAsync(1_000);
    session.apps.stop(captions);
    world.subscribe(session, app, captions, speech);
    session.apps.receive(captions, app.generation, show("ghost"));
    await world.clock.advanceAsync(10_000);
    expect(session.apps.subscriptions.match(speech)).toEqual([]);
    expect(glasses.microphone).toBe(false);
    expect(world.lanes.opened[0]?.demand.languages).toEqual([]);
    expect(glasses.texts).not.toContain("ghost");
    expect(await world.count("browline_messages_rejected_total", { side: "app", reason: "stale" })).toBe(2);
  });

  test("D-27: the microphone is off within 4 s of the glasses' end, and on again with them", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    await world.runApp(session, captions, speech);
    await world.clock.advanceAsync(5_000);
    expect(glasses.microphone).toBe(true);
    const report = (status: string) =>
      session.receiveGlasses(generation, { type: "glasses_connection_state", status });
    report("DISCONNECTED");
    await world.clock.advanceAsync(2_500);
    expect(glasses.microphone).toBe(true);
    await world.clock.advanceAsync(1_500);
    expect(glasses.microphone).toBe(false);
    report("CONNECTED");
    await world.clock.advanceAsync(1_500);
    expect(glasses.microphone).toBe(true);
  });

  test("D-28: what apps came to hear while the phone was away turns the microphone on at its return", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session);
    await world.clock.advanceAsync(5_000);
    session.glassesClosed(generation);
    world.subscribe(session, app, captions, speech);
    await world.clock.advanceAsync(2_000);
    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    await world.clock.advanceAsync(100);
    expect(returned.microphone).toBe(true);
  });

  test("D-52: the session of a user whose id has hyphens is found by its app", async () => {
    const world = new FakeWorld();
    world.records.set("com.x-y", appRecord("com.x-y"));
    const userId = "jean-luc.o-neil@x-y.example";
    const { session } = await world.connect(userId);
    for (const packageName of [captions, "com.x-y"]) {
      void session.apps.start(packageName);
      const { sessionId } = world.webhooks.starts.at(-1) ?? {};
      expect(world.storage.findAppSession(sessionId ?? "", packageName)).toBe(session);
      world.connectApp(session, packageName);
    }
    expect(session.apps.inState("RUNNING")).toEqual([captions, "com.x-y"]);
  });

  test("D-55: what apps do while the phone is away throws nothing and is told at its return", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, speech);
    session.glassesClosed(generation);
    world.subscribe(session, app, captions, "button_press");
    await world.clock.advanceAsync(1_000);
    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    expect(returned.of("app_state_change")[0]?.userSession.appSubscriptions).toEqual({
      [captions]: ["button_press"],
    });
    expect(await world.count("browline_errors_total")).toBe(0);
  });

  test("D-61: a message acts for the app whose socket it came by, whatever names it carries", async () => {
    const world = new FakeWorld();
    world.records.set("com.victim", appRecord("com.victim"));
    const { session, glasses } = await world.connect();
    const victim = await world.runApp(session, "com.victim", "button_press");
    const forger = await world.runApp(session, captions);
    const claims = { packageName: "com.victim", sessionId: "user@example.com-com.victim" };
    const forge = (message: AppMessage) =>
      session.apps.receive(captions, forger.generation, { ...message, ...claims } as AppMessage);
    forge({ type: "subscription_update", subscriptions: ["head_position"] });
    forge(show("forged"));
    forge({ type: "ownership_release" });
    session.apps.closed(captions, forger.generation);
    expect(session.apps.subscriptions.literalsOf("com.victim")).toEqual(["button_press"]);
    expect(glasses.of("display_event").map(({ packageName }) => packageName)).not.toContain("com.victim");
    expect(session.apps.inState("RUNNING")).toEqual(["com.victim"]);
    expect(victim.closed).toBeUndefined();
  });

  test("D-61: a wrong key that anybody could have sent does not end a start", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const start = session.apps.start(captions);
    expect(session.apps.accept(captions, "guess", undefined, new FakeApp())).toMatchObject({
      fault: { code: "INVALID_API_KEY" },
    });
    world.connectApp(session);
    expect(await start).toEqual({ success: true });
  });

  test("an app whose hardware the glasses lack is not started, and the reason says so", async () => {
    const world = new FakeWorld();
    world.records.set(captions, appRecord(captions, { hardware: [{ type: "CAMERA", level: "REQUIRED" }] }));
    const { session, generation } = await world.connect();
    session.receiveGlasses(generation, {
      type: "glasses_connection_state",
      status: "CONNECTED",
      modelName: "Even Realities G1",
    });
    expect(await session.apps.start(captions)).toMatchObject({
      success: false,
      error: { stage: "HARDWARE_CHECK" },
    });
    expect(world.webhooks.starts.length).toBe(0);
  });
});
