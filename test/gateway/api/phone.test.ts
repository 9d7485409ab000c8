import { beforeEach, describe, expect, test } from "bun:test";
import type { Connected, FakeApp } from "../../support/fake-world.ts";
import { TestApi } from "../../support/test-api.ts";

const user = "user@example.com";
const captions = "com.example.captions";

let api: TestApi;
let phone: Connected;
let app: FakeApp;
beforeEach(async () => {
  api = new TestApi();
  await api.register(captions);
  phone = await api.world.connect(user);
  app = await api.world.runApp(
    phone.session,
    captions,
    "location_update",
    "calendar_event",
    "phone_notification",
    "phone_notification_dismissed",
  );
});

const post = (path: string, body?: unknown, as = user) =>
  api.call("POST", path, { user: as, ...(body === undefined ? {} : { body }) });
const heard = (stream: string) =>
  app.events.filter(({ streamType }) => streamType === stream).map(({ data }) => data);

describe("what phones ask of everyone", () => {
  test("the least version is none, and there is no LiveKit", async () => {
    expect((await api.call("GET", "/api/client/min-version")).body).toMatchObject({
      success: true,
      data: { required: "0.0.0", recommended: "0.0.0" },
    });
    const livekit = await api.call("GET", "/api/client/livekit/token", { user });
    expect([livekit.status, livekit.body]).toMatchObject([404, { error: "NOT_FOUND" }]);
  });

  test("F22: a goodbye is 200, and shortens nobody's grace", async () => {
    expect((await post("/api/client/goodbye")).status).toBe(200);
    expect((await post("/api/client/goodbye", undefined, "without.session@example.com")).status).toBe(200);
    phone.session.glassesClosed(phone.generation);
    await api.world.clock.advanceAsync(api.world.limits.sessionGraceMs - 1);
    expect(phone.session.state).toBe("DISCONNECTED");
  });

  test("feedback and error reports are taken", async () => {
    expect((await post("/api/client/feedback", { feedback: "nice" })).body).toMatchObject({
      success: true,
      data: { feedback: "nice" },
    });
    expect((await post("/api/client/feedback", {})).status).toBe(400);
    expect((await post("/app/error-report", { error: "x" })).body).toEqual({ success: true });
    expect((await post("/app/error-report")).body).toEqual({ success: true });
  });
});

describe("what phones report", () => {
  test("the state of the device is applied and answered", async () => {
    const { status, body } = await post("/api/client/device/state", {
      modelName: "Mentra Live",
      batteryLevel: 60,
    });
    expect([status, body]).toMatchObject([
      200,
      {
        success: true,
        appliedState: { isGlassesConnected: true, isPhoneConnected: true, modelName: "Mentra Live" },
      },
    ]);
    expect(app.sent.findLast(({ type }) => type === "device_state_update")).toMatchObject({
      state: { modelName: "Mentra Live", batteryLevel: 60 },
    });
    expect((await post("/api/client/device/state", [])).status).toBe(400);
  });

  test("the audio format is taken from the next frame on", async () => {
    const lc3Config = { sampleRate: 16000, frameDurationMs: 10, frameSizeBytes: 60 };
    const { body } = await post("/api/client/audio/configure", { format: "lc3", lc3Config });
    expect(body).toMatchObject({ success: true, format: "lc3", lc3Config });
    expect(api.world.users.formats.get(user)).toEqual({ codec: "lc3", frameBytes: 60 });
    expect((await post("/api/client/audio/configure", { format: "flac" })).status).toBe(400);
    api.health = { ...api.health, codecs: ["pcm"] };
    expect((await post("/api/client/audio/configure", { format: "opus" })).status).toBe(501);
  });

  test.each([
    [{ location: { lat: 48.2, lng: 16.3, accuracy: 5 } }],
    [{ location: { coords: { latitude: 48.2, longitude: 16.3, accuracy: 5 } } }],
    [{ latitude: 48.2, longitude: 16.3, accuracy: 5 }],
  ])("the place %p reaches the apps", async (body) => {
    expect((await post("/api/client/location", body)).body).toMatchObject({ success: true });
    expect(heard("location_update")).toMatchObject([{ lat: 48.2, lng: 16.3, accuracy: 5 }]);
  });

  test("what is no place is refused", async () => {
    for (const body of [{}, { location: 7 }, { location: { lat: 91, lng: 0 } }]) {
      const { status, body: said } = await post("/api/client/location", body);
      expect([status, said]).toEqual([400, { success: false, message: "location object required" }]);
    }
    expect(heard("location_update")).toEqual([]);
  });

  test("the answer to an app's question goes to it", async () => {
    const asked = { type: "location_poll_request", correlationId: "poll_1", accuracy: "high" } as const;
    phone.session.apps.receive(captions, app.generation, asked);
    // The phone may have been given another id than the app's own.
    const id = phone.glasses.of("request_single_location").at(-1)?.correlationId ?? "";
    const path = `/api/client/location/poll-response/${encodeURIComponent(id)}`;
    const { body } = await post(path, { location: { lat: 1, lng: 2 } });
    expect(body).toMatchObject({ success: true, resolved: true });
    expect(heard("location_update")).toMatchObject([{ lat: 1, lng: 2, correlationId: "poll_1" }]);
    expect((await post(path, { location: { lat: 1, lng: 2 } })).body).toMatchObject({ resolved: false });
  });

  test("events of the calendar reach the apps", async () => {
    const event = {
      id: "e1",
      title: "Lunch",
      startDate: "2026-01-02T12:00:00.000Z",
      endDate: "2026-01-02T13:00:00.000Z",
      timeZone: "Europe/Vienna",
    };
    expect((await post("/api/client/calendar", { events: [event], calendars: [] })).status).toBe(200);
    expect(heard("calendar_event")).toMatchObject([{ eventId: "e1", title: "Lunch" }]);
    expect((await post("/api/client/calendar", { events: "none" })).status).toBe(400);
  });

  test("notifications and their dismissal reach the apps", async () => {
    const notification = { notificationId: "n1", app: "Mail", title: "t", content: "c", priority: "high" };
    expect((await post("/api/client/notifications", notification)).status).toBe(200);
    expect(heard("phone_notification")).toMatchObject([{ notificationId: "n1", title: "t" }]);
    const dismissed = { notificationId: "n1", notificationKey: "k", packageName: "mail" };
    expect((await post("/api/client/notifications/dismissed", dismissed)).status).toBe(200);
    expect(heard("phone_notification_dismissed")).toMatchObject([{ notificationId: "n1" }]);
    for (const path of ["/api/client/notifications", "/api/client/notifications/dismissed"]) {
      expect((await post(path, { title: "no id" })).status).toBe(400);
    }
  });

  test("none of it without a session", async () => {
    for (const [path, body] of [
      ["/api/client/device/state", { connected: true }],
      ["/api/client/location", { lat: 1, lng: 1 }],
      ["/api/client/location/poll-response/x", { lat: 1, lng: 1 }],
      ["/api/client/calendar", { events: [] }],
      ["/api/client/notifications", { notificationId: "n" }],
      ["/api/client/notifications/dismissed", { notificationId: "n" }],
    ] as const) {
      const { status, body: said } = await post(path, body, "other@example.com");
      expect([status, said]).toMatchObject([503, { error: "NO_ACTIVE_SESSION" }]);
    }
    expect(app.events).toEqual([]);
  });

  test("the user's clock, with the token in the body, reaches all apps", async () => {
    const { mintCoreToken } = await import("../../../src/gateway/core-token.ts");
    const set = async (email: string, secret = "a secret that only tests know") =>
      api.call("POST", "/api/user-data/set-datetime", {
        body: { coreToken: await mintCoreToken(secret, email), datetime: "2026-01-01T10:00:00+01:00" },
      });
    expect((await set(user)).status).toBe(200);
    expect(app.sent.at(-1)).toEqual({
      type: "custom_message",
      action: "update_datetime",
      payload: { datetime: "2026-01-01T10:00:00+01:00", section: "topLeft" },
    });
    const none = await set("other@example.com");
    expect([none.status, none.body]).toEqual([404, { error: "User session not found" }]);
    expect((await set(user, "another secret altogether")).status).toBe(401);
  });
});
