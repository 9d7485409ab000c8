import { describe, expect, test } from "bun:test";
import { effectiveTier, freshForMs, readTier } from "../../src/session/location-manager.ts";
import { readPlace } from "../../src/session/place.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import { parseStream } from "../../src/wire/streams.ts";
import { appRecord, captions, type FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";

const other = "com.example.maps";
const vienna = { lat: 48.2082, lng: 16.3738 };

function poll(
  session: UserSession,
  app: FakeApp,
  correlationId: string,
  accuracy?: string,
  packageName = captions,
) {
  session.apps.receive(packageName, app.generation, {
    type: "location_poll_request",
    correlationId,
    ...(accuracy === undefined ? {} : { accuracy }),
  });
}

describe("how exactly the phone looks", () => {
  test("is the most that any app asks for, a bare subscription counting as standard", () => {
    const of = (...rates: (string | undefined)[]) =>
      effectiveTier(
        rates.map((rate) => {
          const stream = parseStream(rate === undefined ? "location_update" : "location_stream");
          return stream.kind === "plain" && rate !== undefined ? { ...stream, rate } : stream;
        }),
      );
    expect(effectiveTier([])).toBe("reduced");
    expect(effectiveTier([parseStream("transcription:en-US")])).toBe("reduced");
    expect(of(undefined)).toBe("standard");
    expect(of("kilometer", "threeKilometers")).toBe("kilometer");
    expect(of("tenMeters", undefined)).toBe("standard");
    expect(of("realtime", "high")).toBe("realtime");
    expect(of("nonsense")).toBe("standard");
  });

  test.each([
    ["realtime", 1_000],
    ["high", 10_000],
    ["standard", 30_000],
    ["tenMeters", 30_000],
    ["hundredMeters", 60_000],
    ["kilometer", 300_000],
    ["threeKilometers", 900_000],
    ["reduced", 900_000],
  ])("a place is good enough for %s for %i ms", (tier, ms) => {
    expect(freshForMs(readTier(tier))).toBe(ms);
  });

  test("D-51: is what the app says with its subscription, which takes the permission", async () => {
    const world = new FakeWorld();
    world.records.set(other, appRecord(other, { permissions: ["MICROPHONE"] }));
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    session.apps.receive(captions, app.generation, {
      type: "subscription_update",
      subscriptions: [{ stream: "location_stream", rate: "high" }],
    });
    await world.clock.advanceAsync(100);
    expect(glasses.of("set_location_tier")).toMatchObject([{ tier: "high" }]);

    const spy = await world.runApp(session, other, "location_stream", "location_update");
    session.location.applyReport(vienna);
    expect(spy.events).toEqual([]);
    expect(spy.sent).toContainEqual(expect.objectContaining({ type: "permission_error" }));
    expect(app.events.length).toBe(1);
  });

  test("is told only when it changes, and again to a phone that returns", async () => {
    const world = new FakeWorld();
    world.records.set(other, appRecord(other));
    const { session, glasses, generation } = await world.connect();
    const app = await world.runApp(session, captions, "location_update");
    await world.runApp(session, other, "location_update");
    world.subscribe(session, app, captions, "location_update", "button_press");
    await world.clock.advanceAsync(1_000);
    world.subscribe(session, app, captions, "location_update");
    await world.clock.advanceAsync(1_000);
    expect(glasses.of("set_location_tier").map(({ tier }) => tier)).toEqual(["standard"]);

    session.glassesClosed(generation);
    session.apps.stop(other);
    await world.clock.advanceAsync(1_000);
    const returned = new FakeGlasses(world.clock);
    const second = session.attachGlasses(returned);
    expect(returned.of("set_location_tier").map(({ tier }) => tier)).toEqual(["standard"]);
    const types = returned.sent.map(({ message }) => message.type);
    expect(types.slice(0, 3)).toEqual(["connection_ack", "microphone_state_change", "set_location_tier"]);

    session.apps.stop(captions);
    await world.clock.advanceAsync(1_000);
    expect(returned.of("set_location_tier").at(-1)?.tier).toBe("reduced");
    session.glassesClosed(second);
    const third = new FakeGlasses(world.clock);
    session.attachGlasses(third);
    expect(third.of("set_location_tier")).toEqual([]);
  });
});

describe("a place", () => {
  test("is read from every shape that phones send, and from nothing else", () => {
    const now = Date.UTC(2026, 0, 1);
    const time = new Date(now - 5_000).toISOString();
    expect(readPlace({ ...vienna, accuracy: 7, timestamp: time, speed: 3 }, now)).toEqual({
      place: { type: "location_update", ...vienna, accuracy: 7, timestamp: time },
      atMs: now - 5_000,
    });
    const expo = { coords: { latitude: 48.2082, longitude: 16.3738, accuracy: null }, timestamp: now - 9 };
    expect(readPlace(expo, now)).toEqual({
      place: { type: "location_update", ...vienna, timestamp: now - 9 },
      atMs: now - 9,
    });
    expect(readPlace({ ...vienna, timestamp: now + 60_000 }, now)?.atMs).toBe(now);
    expect(readPlace(vienna, now)?.place.timestamp).toBe(new Date(now).toISOString());
    for (const bad of [
      null,
      5,
      "here",
      {},
      { lat: 91, lng: 0 },
      { lat: "48", lng: 16 },
      { lat: 0, lng: Number.NaN },
    ]) {
      expect(readPlace(bad, now)).toBeUndefined();
    }
  });

  test("reaches each app under its own strings, and with no other fields than a place has", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "location_update", "location_stream");
    const timestamp = new Date(world.clock.now()).toISOString();
    const message = { type: "location_update", ...vienna, accuracy: 4, timestamp, provider: "gps" } as const;
    session.receiveGlasses(generation, message);
    const data = { type: "location_update", ...vienna, accuracy: 4, timestamp };
    expect(app.events).toEqual([
      { streamType: "location_update", data },
      { streamType: "location_stream", data },
    ]);
  });

  test("reaches an app that hears everything once", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, "*");
    session.location.applyReport(vienna);
    expect(app.events.map(({ streamType }) => streamType)).toEqual(["*"]);
  });

  test("that is known already is told once to each connection that begins to listen", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    session.location.applyReport(vienna);
    const app = await world.runApp(session, captions, "location_update");
    world.subscribe(session, app, captions);
    world.subscribe(session, app, captions, "location_update");
    expect(app.events.map(({ data }) => data)).toMatchObject([vienna]);
    session.apps.closed(captions, app.generation);
    const again = world.connectApp(session);
    world.subscribe(session, again, captions, "location_update");
    expect(again.events.map(({ data }) => data)).toMatchObject([vienna]);
  });
});

describe("an app's question for the location", () => {
  test("is answered from a fresh place at once, and only to the asker", async () => {
    const { world, session, glasses, app, listener } = await asked();
    session.location.applyReport(vienna);
    listener.sent.length = 0;
    app.sent.length = 0;
    await world.clock.advanceAsync(9_000);
    poll(session, app, "poll_1", "high");
    expect(app.events).toMatchObject([
      { streamType: "location_update", data: { ...vienna, correlationId: "poll_1" } },
    ]);
    expect(listener.events).toEqual([]);
    expect(glasses.of("request_single_location")).toEqual([]);
  });

  test("goes to the phone when the place is stale; the answer goes to the asker and is remembered", async () => {
    const { world, session, glasses, generation, app, listener } = await asked();
    session.location.applyReport({ lat: 1, lng: 1 });
    await world.clock.advanceAsync(11_000);
    listener.sent.length = 0;
    poll(session, app, "poll_2", "high");
    expect(glasses.of("request_single_location")).toEqual([
      { type: "request_single_location", accuracy: "high", correlationId: "poll_2" },
    ]);
    const answer = { type: "location_update", ...vienna, correlationId: "poll_2" } as const;
    session.receiveGlasses(generation, answer);
    expect(app.events.at(-1)).toMatchObject({ data: { ...vienna, correlationId: "poll_2" } });
    expect(listener.events).toEqual([]);
    expect(session.location.last).toMatchObject(vienna);
    expect(session.location.pendingPolls).toBe(0);
  });

  test("may be answered over HTTP; an answer that is none leaves it open", async () => {
    const { session, app } = await asked();
    poll(session, app, "poll_3");
    expect(session.location.answerPoll("poll_3", { lat: 500, lng: 0 })).toBe(false);
    expect(session.location.answerPoll("poll_3", { latitude: 48.2082, longitude: 16.3738 })).toBe(true);
    expect(session.location.answerPoll("poll_3", vienna)).toBe(false);
    expect(app.events.map(({ data }) => data)).toMatchObject([{ ...vienna, correlationId: "poll_3" }]);
  });

  test("is answered by a place that the phone tells by itself meanwhile", async () => {
    const { session, app } = await asked();
    poll(session, app, "poll_4", "realtime");
    session.location.applyReport(vienna);
    expect(app.events.map(({ data }) => data)).toContainEqual(
      expect.objectContaining({ ...vienna, correlationId: "poll_4" }),
    );
  });

  test("is given up after 15 s, with a code; its socket goes on", async () => {
    const { world, session, app } = await asked();
    poll(session, app, "poll_5");
    await world.clock.advanceAsync(14_900);
    expect(refusals(app)).toEqual([]);
    await world.clock.advanceAsync(200);
    expect(refusals(app)).toEqual(["PHONE_TIMEOUT"]);
    expect(app.closed).toBeUndefined();
    expect(session.location.pendingPolls).toBe(0);
  });

  test("is kept while the phone is away, asked once more of one that returns in time, and not a third time", async () => {
    const { world, session, glasses, generation, app } = await asked();
    poll(session, app, "sent");
    session.glassesClosed(generation);
    poll(session, app, "unsent");
    expect(glasses.of("request_single_location").length).toBe(1);
    await world.clock.advanceAsync(3_000);
    const second = new FakeGlasses(world.clock);
    const back = session.attachGlasses(second);
    const ids = (of: FakeGlasses) =>
      of.of("request_single_location").map(({ correlationId }) => correlationId);
    expect(ids(second)).toEqual(["sent", "unsent"]);
    session.glassesClosed(back);
    const third = new FakeGlasses(world.clock);
    session.attachGlasses(third);
    expect(ids(third)).toEqual(["unsent"]);
  });

  test("that no phone was there to answer says so", async () => {
    const { world, session, generation, app } = await asked();
    session.glassesClosed(generation);
    poll(session, app, "poll_6");
    await world.clock.advanceAsync(15_000);
    expect(refusals(app)).toEqual(["PHONE_NOT_CONNECTED"]);
  });

  test("of an app without the permission is refused at once, with the permission it lacks", async () => {
    const world = new FakeWorld();
    world.records.set(other, appRecord(other, { permissions: [] }));
    const { session } = await world.connect();
    const app = await world.runApp(session, other);
    session.location.applyReport(vienna);
    poll(session, app, "poll_7", "reduced", other);
    expect(app.sent.at(-1)).toMatchObject({
      type: "permission_error",
      details: [{ stream: "location_update", requiredPermission: "LOCATION" }],
    });
    expect(app.events).toEqual([]);
  });

  test("is one of at most eight of its app; the same id twice is one, and another app's id is refused", async () => {
    const { world, session, app, listener } = await asked();
    for (let i = 0; i < world.limits.locationPollsPerApp; i++) poll(session, app, `poll_${i}`);
    poll(session, app, "poll_0");
    expect(refusals(app)).toEqual([]);
    poll(session, app, "one too many");
    expect(refusals(app)).toEqual(["TOO_MANY_REQUESTS"]);
    poll(session, listener, "poll_0", undefined, other);
    expect(refusals(listener)).toEqual(["DUPLICATE_REQUEST"]);
    expect(session.location.pendingPolls).toBe(world.limits.locationPollsPerApp);
  });

  test("fails within 2 s where the phone's connection gives no sign of life", async () => {
    const { session, glasses, app, listener } = await asked();
    poll(session, app, "poll_9");
    poll(session, app, "poll_10");
    expect(session.location.answerPoll("poll_9", vienna)).toBe(true);
    glasses.fallSilent();
    expect(refusals(app)).toEqual(["PHONE_NOT_RESPONDING"]);
    expect(refusals(listener)).toEqual([]);
    expect(session.location.pendingPolls).toBe(0);
  });

  test("ends with its app", async () => {
    const { session, app } = await asked();
    poll(session, app, "poll_8");
    session.apps.stop(captions);
    expect(session.location.pendingPolls).toBe(0);
    expect(session.location.answerPoll("poll_8", vienna)).toBe(false);
  });

  function refusals(app: FakeApp): string[] {
    return app.sent.flatMap((message) => (message.type === "tpa_connection_error" ? [message.code] : []));
  }

  /** A session with an app that asks and another that only listens. */
  async function asked() {
    const world = new FakeWorld();
    world.records.set(other, appRecord(other));
    const connected = await world.connect();
    const app = await world.runApp(connected.session, captions, "location_update");
    const listener = await world.runApp(connected.session, other, "location_update");
    return { world, ...connected, app, listener };
  }
});

describe("the last place", () => {
  test("outlives its session, with when it was taken, and no app is told of it as a setting", async () => {
    const world = new FakeWorld();
    const first = await world.connect();
    const atMs = world.clock.now();
    first.session.location.applyReport({ ...vienna, accuracy: 5 });
    await first.session.end();
    await world.clock.advanceAsync(120_000);
    const { session, glasses } = await world.connect();
    expect(session.location.last).toMatchObject({ ...vienna, accuracy: 5, timestamp: atMs });
    expect(JSON.stringify(session.settings.system)).not.toContain("48.2");
    expect(session.settings.phone).toEqual({});
    const app = await world.runApp(session, captions, "location_update");
    expect(app.events).toMatchObject([{ streamType: "location_update", data: vienna }]);
    // Two minutes old, it is good for a question after the neighbourhood, and not for one after the street.
    poll(session, app, "rough", "kilometer");
    expect(glasses.of("request_single_location")).toEqual([]);
    poll(session, app, "exact", "high");
    expect(glasses.of("request_single_location")).toMatchObject([{ correlationId: "exact" }]);
  });

  test("of nobody is none, and what is kept that is no place does no harm", async () => {
    const world = new FakeWorld();
    world.users.saveSetting("user@example.com", { packageName: "(location)" }, "place", { lat: "north" });
    const { session } = await world.connect();
    expect(session.location.last).toBeUndefined();
    await session.end();
  });
});
