import { describe, expect, test } from "bun:test";
import { appRecord, captions, FakeWorld } from "../support/fake-world.ts";

const note = { notificationId: "n1", app: "Mail", title: "Ann", content: "Lunch?", priority: "high" };

describe("the phone's notifications", () => {
  test("reach apps that may read them, from the socket and from HTTP alike", async () => {
    const world = new FakeWorld();
    const nosy = "com.example.nosy";
    world.records.set(nosy, appRecord(nosy, { permissions: ["LOCATION"] }));
    const { session, generation } = await world.connect();
    const streams = ["phone_notification", "phone_notification_dismissed"];
    const app = await world.runApp(session, captions, ...streams);
    const denied = await world.runApp(session, nosy, ...streams, "*");
    session.receiveGlasses(generation, { type: "phone_notification", ...note });
    expect(session.notifications.receive({ notificationId: 2, packageName: "org.chat", content: "Hi" })).toBe(
      true,
    );
    expect(session.notifications.dismiss({ notificationId: "n1", notificationKey: "k" })).toBe(true);
    expect(app.events).toMatchObject([
      { streamType: "phone_notification", data: { type: "phone_notification", ...note } },
      {
        streamType: "phone_notification",
        data: { notificationId: "2", app: "org.chat", title: "", content: "Hi", priority: "normal" },
      },
      {
        streamType: "phone_notification_dismissed",
        data: { type: "phone_notification_dismissed", notificationId: "n1", notificationKey: "k" },
      },
    ]);
    expect(denied.events).toEqual([]);
  });

  test("without an id are none", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    expect(session.notifications.receive({ title: "x" })).toBe(false);
    expect(session.notifications.dismiss({ notificationId: "" })).toBe(false);
    expect(session.notifications.latest).toBeUndefined();
  });

  test("are remembered, the last one, until it is dismissed", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    session.notifications.receive(note);
    session.notifications.receive({ ...note, notificationId: "n2", title: "Ben" });
    session.notifications.dismiss({ notificationId: "n1" });
    expect(session.notifications.latest?.title).toBe("Ben");
    session.receiveGlasses(generation, { type: "phone_notification_dismissed", notificationId: "n2" });
    expect(session.notifications.latest).toBeUndefined();
  });
});

describe("a touch", () => {
  test("reaches an app once for each string that means it, character for character", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(
      session,
      captions,
      "touch_event",
      "touch_event:long_press",
      "touch_event:up_swipe",
    );
    const touch = { type: "touch_event", device_model: "Mentra Live", gesture_name: "long_press" } as const;
    session.receiveGlasses(generation, touch);
    expect(app.events).toEqual([
      { streamType: "touch_event", data: touch },
      { streamType: "touch_event:long_press", data: touch },
    ]);
  });

  test("reaches an app that hears everything once", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "all");
    session.receiveGlasses(generation, { type: "touch_event", gesture_name: "single_tap" });
    expect(app.events.map(({ streamType }) => streamType)).toEqual(["all"]);
  });
});

describe("what is only passed on", () => {
  test.each([
    ["open_dashboard", { type: "open_dashboard" }],
    ["vps_coordinates", { type: "vps_coordinates", x: 1 }],
    ["dashboard_state", { type: "dashboard_state", isOpen: true }],
    ["swipe_volume_status", { type: "swipe_volume_status", enabled: true }],
    ["switch_status", { type: "switch_status", switch_type: 1, switch_value: 2 }],
    ["video_stream_response", { type: "video_stream_response", appId: "a", streamUrl: "u" }],
    ["phone_battery_update", { type: "phone_battery_update", level: 50, charging: true }],
    ["glasses_battery_update", { type: "glasses_battery_update", level: 80, charging: false }],
    ["photo_taken", { type: "photo_taken", mimeType: "image/jpeg" }],
  ] as const)("%s reaches the apps that listen", async (stream, message) => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, stream);
    session.receiveGlasses(generation, message);
    expect(app.events).toEqual([{ streamType: stream, data: message }]);
  });
});
