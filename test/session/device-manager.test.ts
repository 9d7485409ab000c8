import { describe, expect, test } from "bun:test";
import { deviceChanges, nextDeviceState, readDeviceReport } from "../../src/session/device-manager.ts";
import type { DeviceState, ToApp } from "../../src/wire/apps.ts";
import { capabilitiesOf } from "../../src/wire/capabilities.ts";
import { compatibility, hardwareParts } from "../../src/wire/hardware.ts";
import { appRecord, captions, type FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";

const camera = "com.example.camera";
const g1 = "Even Realities G1";
const live = "Mentra Live";

function of<T extends ToApp["type"]>(app: FakeApp, type: T): Extract<ToApp, { type: T }>[] {
  return app.sent.filter((message): message is Extract<ToApp, { type: T }> => message.type === type);
}

function status(status: string, modelName?: string | null) {
  return {
    type: "glasses_connection_state",
    status,
    ...(modelName === undefined ? {} : { modelName }),
  } as const;
}

function coreStatus(modelName: string) {
  const core = { core_info: {}, connected_glasses: { model_name: modelName }, glasses_settings: {} };
  return { type: "core_status_update", status: { status: core } } as const;
}

describe("the state of the glasses", () => {
  test.each<[string, DeviceState, DeviceState, boolean | undefined]>([
    ["a model that is named is connected", {}, { modelName: g1 }, true],
    ["a model that is null is not", { connected: true }, { modelName: null }, false],
    ["nor is an empty one", { connected: true }, { modelName: "" }, false],
    ["the report's own word counts more", {}, { modelName: g1, connected: false }, false],
    ["in both directions", {}, { modelName: null, connected: true }, true],
    ["a report of neither leaves it", { connected: true }, { batteryLevel: 5 }, true],
    ["also when it is gone", { connected: false }, { wifiSsid: "home" }, false],
    ["or not known", {}, { charging: true }, undefined],
  ])("%s", (_rule, state, report, connected) => {
    expect(nextDeviceState(state, report).connected).toBe(connected);
  });

  test("F13: comes out the same whatever order the parts are reported in", () => {
    const parts: DeviceState[] = [
      { modelName: g1 },
      { batteryLevel: 80 },
      { charging: false },
      { wifiConnected: true, wifiSsid: "home" },
    ];
    const orders = parts.flatMap((_, i) => [
      [...parts.slice(i), ...parts.slice(0, i)],
      [...parts.slice(i), ...parts.slice(0, i)].reverse(),
    ]);
    const expected: DeviceState = {
      connected: true,
      modelName: g1,
      batteryLevel: 80,
      charging: false,
      wifiConnected: true,
      wifiSsid: "home",
    };
    for (const order of orders) expect(order.reduce(nextDeviceState, {})).toEqual(expected);
  });

  test("changes only in what differs", () => {
    const before = { connected: true, modelName: g1 };
    expect(deviceChanges(before, nextDeviceState(before, { modelName: g1 }))).toBeUndefined();
    expect(deviceChanges(before, nextDeviceState(before, { modelName: null }))).toEqual({
      connected: false,
      modelName: null,
    });
  });

  test("takes of a report what is known and of its type", () => {
    const body = {
      modelName: g1,
      fwVersion: "1",
      batteryLevel: "80",
      charging: true,
      connected: null,
      wifiSsid: null,
    };
    expect(readDeviceReport(body)).toEqual({ modelName: g1, charging: true, wifiSsid: null });
    expect(readDeviceReport({ modelName: "x".repeat(300) })).toEqual({});
  });
});

describe("the glasses of a session", () => {
  test("an app is told all that is known right after its acknowledgement, and then what changes", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    session.receiveGlasses(generation, status("CONNECTED", g1));
    const app = await world.runApp(session);
    expect(app.sent[0]).toMatchObject({ type: "tpa_connection_ack", capabilities: capabilitiesOf(g1) });
    expect(of(app, "device_state_update")).toEqual([
      { type: "device_state_update", state: { connected: true, modelName: g1 }, fullSnapshot: true },
    ]);
    session.receiveGlasses(generation, { type: "glasses_battery_update", level: 66, charging: true });
    expect(of(app, "device_state_update").at(-1)).toEqual({
      type: "device_state_update",
      state: { batteryLevel: 66, charging: true },
      fullSnapshot: false,
    });
  });

  test("D-57: apps hear of a status once, and again after the phone's or their own return", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "glasses_connection_state");
    for (let i = 0; i < 5; i++) session.receiveGlasses(generation, status("CONNECTED", g1));
    expect(app.events.length).toBe(1);
    expect(of(app, "device_state_update").filter(({ fullSnapshot }) => !fullSnapshot).length).toBe(1);

    session.glassesClosed(generation);
    const returned = session.attachGlasses(new FakeGlasses(world.clock));
    session.receiveGlasses(returned, status("CONNECTED", g1));
    expect(app.events.length).toBe(2);

    session.apps.closed(captions, app.generation);
    const again = world.connectApp(session);
    world.subscribe(session, again, captions, "glasses_connection_state");
    world.subscribe(session, again, captions, "glasses_connection_state", "button_press");
    expect(again.events.map(({ streamType }) => streamType)).toEqual(["glasses_connection_state"]);
    expect(of(again, "device_state_update")[0]?.fullSnapshot).toBe(true);
  });

  test("D-27: the phone's microphone is off 3 to 4 s after its glasses went, and on again with them", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    session.receiveGlasses(generation, status("CONNECTED", g1));
    await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(2_000);
    expect(glasses.microphone).toBe(true);
    session.receiveGlasses(generation, status("DISCONNECTED"));
    await world.clock.advanceAsync(2_900);
    expect(glasses.microphone).toBe(true);
    await world.clock.advanceAsync(1_100);
    expect(glasses.microphone).toBe(false);
    session.receiveGlasses(generation, status("RECONNECTED", g1));
    await world.clock.advanceAsync(1_000);
    expect(glasses.microphone).toBe(true);
  });

  test("a status that the client repeats every few seconds does not bring glasses back that it has lost", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    session.receiveGlasses(generation, coreStatus(g1));
    expect(session.device.facts).toMatchObject({ connected: true, modelName: g1 });
    session.receiveGlasses(generation, status("DISCONNECTED", g1));
    session.receiveGlasses(generation, coreStatus(g1));
    expect(session.device.facts.connected).toBe(false);
    expect(session.device.facts.capabilities?.modelName).toBe(g1);
  });

  test("a report over HTTP is answered with what it came to, and reaches the apps", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session);
    expect(session.device.applyReport({ modelName: live, batteryLevel: 40 })).toEqual({
      isGlassesConnected: true,
      isPhoneConnected: true,
      modelName: live,
      capabilities: capabilitiesOf(live),
    });
    expect(of(app, "capabilities_update")).toEqual([
      { type: "capabilities_update", capabilities: capabilitiesOf(live), modelName: live },
    ]);
    session.glassesClosed(generation);
    expect(session.device.applyReport({ modelName: "" })).toMatchObject({
      isGlassesConnected: false,
      isPhoneConnected: false,
      modelName: null,
    });
    expect(of(app, "device_state_update").at(-1)?.state).toEqual({ connected: false, modelName: null });
    expect(of(app, "capabilities_update").length).toBe(1);
  });

  test("Wi-Fi is learnt from the status, and forgotten when it says so", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    session.receiveGlasses(generation, {
      ...status("CONNECTED", live),
      wifi: { connected: true, ssid: "home" },
    });
    expect(session.device.state).toMatchObject({ wifiConnected: true, wifiSsid: "home" });
    session.receiveGlasses(generation, {
      ...status("CONNECTED", live),
      wifi: { connected: null, ssid: null },
    });
    expect(session.device.state).toMatchObject({ wifiConnected: null, wifiSsid: null });
  });

  test("a model that is not listed counts as the plainest one", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const { capabilities, modelName } = session.device.applyReport({ modelName: "Glasses of tomorrow" });
    expect(modelName).toBe("Glasses of tomorrow");
    expect(capabilities).toEqual(capabilitiesOf(g1));
  });
});

describe("hardware that an app needs", () => {
  test("is there or is missing, part by part; glasses that are not known have everything", () => {
    const hardware = hardwareParts.map((type) => ({ type, level: "REQUIRED" }) as const);
    const missing = (model: string) =>
      compatibility(hardware, capabilitiesOf(model)).missingRequired.map(({ type }) => type);
    expect(missing(g1)).toEqual(["CAMERA", "SPEAKER", "BUTTON", "LIGHT", "WIFI"]);
    expect(missing(live)).toEqual(["DISPLAY"]);
    expect(compatibility(hardware, undefined).isCompatible).toBe(true);
    expect(compatibility(undefined, capabilitiesOf(g1))).toEqual({
      isCompatible: true,
      missingRequired: [],
      missingOptional: [],
      message: "",
    });
    const optional = compatibility([{ type: "CAMERA", level: "OPTIONAL" }], capabilitiesOf(g1));
    expect(optional).toMatchObject({ isCompatible: true, missingOptional: [{ type: "CAMERA" }] });
    expect(optional.message).toContain("camera");
  });

  test("keeps an app from starting on glasses without it, and says which stage refused", async () => {
    const world = withCameraApp();
    const { session } = await world.connect();
    session.device.applyReport({ modelName: g1 });
    const result = await session.apps.start(camera);
    expect(result).toMatchObject({ success: false, error: { stage: "HARDWARE_CHECK" } });
    expect(world.webhooks.starts).toEqual([]);
  });

  test("lets an app start while the model is not known, stops it when it turns out to lack something, and says so", async () => {
    const world = withCameraApp();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session, camera);
    session.device.applyReport({ modelName: g1 });
    expect(of(app, "app_stopped")).toMatchObject([{ reason: "system_stop" }]);
    expect(glasses.of("app_stopped")).toMatchObject([{ packageName: camera }]);
    expect(glasses.of("app_state_change").at(-1)?.error).toContain("camera");
    expect(world.users.wanted.get("user@example.com")?.has(camera)).toBe(true);

    session.device.applyReport({ modelName: live });
    const again = world.connectApp(session, camera);
    expect(session.apps.inState("RUNNING")).toEqual([camera]);
    expect(again.sent[0]).toMatchObject({ type: "tpa_connection_ack", capabilities: capabilitiesOf(live) });
  });

  test("an app that goes with its glasses turns no microphone on with those that come", async () => {
    const world = withCameraApp();
    const { session, glasses, generation } = await world.connect();
    const report = (modelName: string, status: string) =>
      session.receiveGlasses(generation, { type: "glasses_connection_state", modelName, status });
    report(live, "DISCONNECTED");
    await world.runApp(session, camera, "transcription:en-US");
    await world.clock.advanceAsync(1_000);
    expect(glasses.microphone).toBe(false);
    const before = glasses.of("microphone_state_change").length;
    report(g1, "CONNECTED");
    await world.clock.advanceAsync(5_000);
    expect(session.apps.inState("RUNNING")).toEqual([]);
    expect(glasses.of("microphone_state_change").length).toBe(before);
  });

  test("an app that the user has stopped in the meantime stays stopped", async () => {
    const world = withCameraApp();
    const { session } = await world.connect();
    await world.runApp(session, camera);
    session.device.applyReport({ modelName: g1 });
    session.apps.stop(camera);
    const before = world.webhooks.starts.length;
    session.device.applyReport({ modelName: live });
    expect(world.webhooks.starts.length).toBe(before);
  });

  test("a standard app does not push aside the one the user has turned to", async () => {
    const world = withCameraApp("standard");
    world.records.set(captions, appRecord(captions, { type: "standard" }));
    const { session } = await world.connect();
    await world.runApp(session, camera);
    session.device.applyReport({ modelName: g1 });
    await world.runApp(session, captions);
    session.device.applyReport({ modelName: live });
    expect(session.apps.inState("RUNNING", "CONNECTING")).toEqual([captions]);
  });

  function withCameraApp(type: "standard" | "background" = "background"): FakeWorld {
    const world = new FakeWorld();
    world.records.set(camera, appRecord(camera, { type, hardware: [{ type: "CAMERA", level: "REQUIRED" }] }));
    return world;
  }
});
