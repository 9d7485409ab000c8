import { describe, expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import type { AppMessage } from "../../src/wire/apps.ts";
import { appRecord, captions, type FakeApp, FakeWorld } from "../support/fake-world.ts";

const other = "com.example.other";

type LedOrder = Extract<AppMessage, { type: "rgb_led_control" }>;

function order(session: UserSession, app: FakeApp, fields: Partial<LedOrder>, packageName = captions): void {
  session.apps.receive(packageName, app.generation, {
    type: "rgb_led_control",
    requestId: "led",
    action: "on",
    ...fields,
  });
}

function answersTo(app: FakeApp) {
  return app.sent.filter((message) => message.type === "rgb_led_control_response");
}

async function open() {
  const world = new FakeWorld();
  world.records.set(other, appRecord(other));
  const { session, glasses, generation } = await world.connect();
  const app = await world.runApp(session, captions);
  const second = await world.runApp(session, other);
  return { world, session, glasses, generation, app, second };
}

describe("the light on the glasses", () => {
  test("gets an app's order with everything that was left out filled in", async () => {
    const { session, glasses, app } = await open();
    order(session, app, { requestId: "a" });
    order(session, app, { requestId: "b", color: "green", ontime: 500, offtime: 200, count: 3 });
    order(session, app, { requestId: "c", action: "off" });
    const common = {
      type: "rgb_led_control",
      sessionId: "user@example.com",
      appId: captions,
      packageName: captions,
    };
    expect(glasses.of("rgb_led_control") as unknown[]).toEqual([
      { ...common, requestId: "a", action: "on", color: "red", ontime: 1_000, offtime: 0, count: 1 },
      { ...common, requestId: "b", action: "on", color: "green", ontime: 500, offtime: 200, count: 3 },
      { ...common, requestId: "c", action: "off", color: "red", ontime: 1_000, offtime: 0, count: 1 },
    ]);
  });

  test("tells its outcome to the app that gave the order, once", async () => {
    const { session, generation, app, second } = await open();
    order(session, app, { requestId: "a" });
    const outcome = { type: "rgb_led_control_response", requestId: "a", success: true } as const;
    session.receiveGlasses(generation, { ...outcome, error: null });
    session.receiveGlasses(generation, outcome);
    expect(answersTo(app)).toEqual([outcome]);
    expect(answersTo(second)).toEqual([]);
  });

  test("is refused at once while the phone is away, its glasses are gone, or they have none", async () => {
    const { world, session, generation, app } = await open();
    session.receiveGlasses(generation, { type: "glasses_connection_state", status: "DISCONNECTED" });
    order(session, app, { requestId: "no glasses" });
    session.receiveGlasses(generation, {
      type: "glasses_connection_state",
      status: "CONNECTED",
      modelName: "Even Realities G1",
    });
    order(session, app, { requestId: "no light" });
    session.glassesClosed(generation);
    order(session, app, { requestId: "no phone" });
    expect(answersTo(app)).toMatchObject([
      { requestId: "no glasses", success: false, code: "GLASSES_NOT_CONNECTED", hop: "glasses" },
      { requestId: "no light", success: false, code: "HARDWARE_MISSING", hop: "glasses" },
      { requestId: "no phone", success: false, code: "PHONE_NOT_CONNECTED", hop: "phone" },
    ]);
    expect(app.closed).toBeUndefined();
    expect(await world.count("browline_app_requests_refused_total", { request: "rgb_led_control" })).toBe(3);
  });

  test("goes dark with the app whose order is still at work, and not for any other", async () => {
    const { world, session, glasses, app, second } = await open();
    order(session, app, { ontime: 500, offtime: 500, count: 100 });
    session.apps.stop(other);
    expect(glasses.of("rgb_led_control").length).toBe(1);
    session.apps.stop(captions);
    expect(glasses.of("rgb_led_control").at(-1)).toMatchObject({ action: "off", appId: captions });
    expect(second.closed).toBeDefined();

    const again = await world.runApp(session, captions);
    order(session, again, { ontime: 500, count: 2 });
    await world.clock.advanceAsync(1_000);
    session.apps.stop(captions);
    expect(glasses.of("rgb_led_control").at(-1)).toMatchObject({ action: "on" });
  });

  test("keeps no more unanswered orders than it should: a phone that never answers stops nothing", async () => {
    const { session, glasses, generation, app } = await open();
    for (let i = 0; i <= limits.ledOrders; i++) order(session, app, { requestId: `${i}` });
    expect(glasses.of("rgb_led_control").length).toBe(limits.ledOrders + 1);
    for (const requestId of ["0", "1"]) {
      session.receiveGlasses(generation, { type: "rgb_led_control_response", requestId, success: true });
    }
    expect(answersTo(app).map(({ requestId }) => requestId)).toEqual(["1"]);
  });

  test("gives no app the outcome of another's order by a borrowed id, nor that of a stopped app to anybody", async () => {
    const { session, generation, app, second } = await open();
    order(session, app, { requestId: "a" });
    order(session, second, { requestId: "a" }, other);
    expect(answersTo(second)).toMatchObject([{ success: false, code: "DUPLICATE_REQUEST" }]);
    session.apps.stop(captions);
    session.receiveGlasses(generation, { type: "rgb_led_control_response", requestId: "a", success: true });
    expect(answersTo(app)).toEqual([]);
    expect(answersTo(second).length).toBe(1);
  });
});
