import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { layoutText } from "../../src/wire/layouts.ts";
import { EventLog } from "../support/event-log.ts";
import type { SdkApp, SdkReport } from "../support/sdk-app.ts";
import { Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const packageName = "com.example.everything";

/** What an app on the real SDK learns of the glasses, the place, the calendar and the dashboard. */
describe("an app on the real SDK", () => {
  let stage: Stage;
  let app: SdkApp;
  let glasses: SimulatedGlasses;
  const received = new EventLog<{ readonly type: string }>();

  beforeAll(async () => {
    stage = await Stage.open({ builtInDashboard: true, recogniser: "off" });
    app = await stage.sdkApp({
      runtime: "bun",
      packageName,
      listen: [
        ["device.state.batteryLevel.onChange"],
        ["events.onCapabilitiesUpdate"],
        ["events.on", "location_stream"],
        ["events.onCalendarEvent"],
        ["events.onPhoneNotifications"],
        ["events.onTouchEvent"],
        ["events.onTouchEvent", "long_press"],
      ],
    });
    glasses = await stage.glasses({ events: { onMessage: (message) => received.add(message) } });
    glasses.reportGlasses("Even Realities G1", "CONNECTED");
    glasses.startApp(packageName);
    await app.reports.until(({ kind }) => kind === "ready", 60_000);
  }, 90_000);

  afterAll(() => stage.close());

  test("knows the glasses with its first word, and hears when they change", async () => {
    const session = await app.reports.until((report) => report.kind === "session");
    expect(session).toMatchObject({ capabilities: { modelName: "Even Realities G1", hasDisplay: true } });
    expect(await app.call(undefined, "device.state.connected.value")).toBe(true);
    expect(await app.call(undefined, "device.state.modelName.value")).toBe("Even Realities G1");
    glasses.reportBattery(66);
    await heard("device.state.batteryLevel.onChange", 66);
    glasses.reportGlasses("Mentra Live", "CONNECTED");
    const update = await heard("events.onCapabilitiesUpdate");
    expect(update.data).toMatchObject({ modelName: "Mentra Live" });
    expect(await app.call(undefined, "capabilities.hasCamera")).toBe(true);
  });

  test("asks where the user is and is answered, from the phone and then from memory", async () => {
    const asked = app.call(undefined, "location.getLatestLocation", { accuracy: "high" });
    const { correlationId } = await glassesAsked();
    send({ type: "location_update", lat: 48.2082, lng: 16.3738, accuracy: 5, correlationId });
    expect(await asked).toMatchObject({ lat: 48.2082, lng: 16.3738, accuracy: 5, correlationId });
    const again = await app.call(undefined, "location.getLatestLocation", { accuracy: "high" });
    expect(again).toMatchObject({ lat: 48.2082, lng: 16.3738 });
  });

  test("hears of places, events, notifications and touches under its own strings", async () => {
    send({ type: "location_update", lat: 1, lng: 2 });
    await until("the place", () =>
      events().some(
        ({ argument, data }) => argument === "location_stream" && (data as { lat?: number }).lat === 1,
      ),
    );
    const dtStart = Date.now() + 3_600_000;
    send({ type: "calendar_event", eventId: "e", title: "Stand-up", dtStart, dtEnd: dtStart });
    const event = await heard("events.onCalendarEvent");
    expect(event.data).toMatchObject({ title: "Stand-up", dtStart: new Date(dtStart).toISOString() });
    send({ type: "phone_notification", notificationId: "n", app: "Mail", title: "Ann", content: "Lunch?" });
    await heard("events.onPhoneNotifications");
    send({ type: "touch_event", device_model: "Mentra Live", gesture_name: "long_press" });
    const touches = () => events().filter(({ method }) => method === "events.onTouchEvent");
    await until("both touches", () => touches().length === 2);
    expect(touches().map(({ argument }) => argument)).toContain("long_press");
  });

  test("writes to the dashboard beside the clock, the battery, the event and the notification", async () => {
    await app.call(undefined, "dashboard.content.write", "from the app");
    await until("the dashboard", () => {
      const layout = glasses.display("dashboard");
      const text = layout === undefined ? "" : layoutText(layout);
      return ["66%", "Stand-up", "Ann: Lunch?", "from the app"].every((part) => text.includes(part));
    });
  });

  function events(): Extract<SdkReport, { kind: "event" }>[] {
    return app.reports.events.filter((report) => report.kind === "event");
  }

  async function heard(method: string, data?: unknown) {
    const event = await app.reports.until(
      (report) =>
        report.kind === "event" && report.method === method && (data === undefined || report.data === data),
    );
    if (event.kind !== "event") throw new Error("not an event");
    return event;
  }

  /** The question for the location that has reached the glasses. */
  async function glassesAsked(): Promise<{ readonly correlationId: string }> {
    const message = await received.until(({ type }) => type === "request_single_location");
    return message as { type: string; correlationId: string };
  }

  function send(message: object): void {
    glasses.sendText(JSON.stringify({ ...message, timestamp: new Date().toISOString() }));
  }
});
