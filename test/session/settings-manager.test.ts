import { describe, expect, test } from "bun:test";
import { settingProblem, settingsPage, settingsWithValues } from "../../src/session/app-settings.ts";
import { settingsOfPhone, settingsOfStatus } from "../../src/session/system-settings.ts";
import { defaultSystemSettings, type ToApp } from "../../src/wire/apps.ts";
import type { GlassesMessage } from "../../src/wire/glasses.ts";
import { appRecord, captions, FakeGlasses, FakeWorld } from "../support/fake-world.ts";

const notes = "com.example.notes";

type CoreStatus = Extract<GlassesMessage, { type: "core_status_update" }>["status"]["status"];

const coreStatus = (over: Partial<CoreStatus> = {}) =>
  ({
    type: "core_status_update",
    status: { status: { core_info: {}, connected_glasses: {}, glasses_settings: {}, ...over } },
  }) as const;

function systemUpdates(sent: readonly ToApp[]): Extract<ToApp, { type: "augmentos_settings_update" }>[] {
  return sent.filter((message) => message.type === "augmentos_settings_update");
}

async function twoApps() {
  const world = new FakeWorld();
  world.records.set(notes, appRecord(notes));
  const connected = await world.connect();
  const first = await world.runApp(connected.session, captions);
  const second = await world.runApp(connected.session, notes);
  return { world, ...connected, first, second };
}

describe("system settings", () => {
  test("have defaults, which every app learns with its acknowledgement under both names", async () => {
    const { first } = await twoApps();
    expect(first.sent[0]).toMatchObject({
      type: "tpa_connection_ack",
      mentraosSettings: defaultSystemSettings,
      augmentosSettings: defaultSystemSettings,
      settings: [],
    });
  });

  test("that the phone's status changes reach every app, all of them at once, and only then", async () => {
    const { session, generation, first, second } = await twoApps();
    const report = coreStatus({
      core_info: { metric_system_enabled: true, sensing_enabled: true },
      glasses_settings: { brightness: 77 },
    });
    session.receiveGlasses(generation, report);
    session.receiveGlasses(generation, report);
    for (const app of [first, second]) {
      expect(systemUpdates(app.sent)).toEqual([
        {
          type: "augmentos_settings_update",
          sessionId: expect.stringContaining("user@example.com-"),
          settings: { ...defaultSystemSettings, metricSystemEnabled: true, brightness: 77 },
        },
      ]);
    }
  });

  test("outlive the session", async () => {
    const { world, session, generation } = await twoApps();
    session.receiveGlasses(generation, coreStatus({ glasses_settings: { head_up_angle: 35 } }));
    await session.end();
    const next = await world.connect();
    const app = await world.runApp(next.session, captions);
    expect(app.sent[0]).toMatchObject({ mentraosSettings: { ...defaultSystemSettings, headUpAngle: 35 } });
  });

  test("are told to glasses that ask, in both ways of asking", async () => {
    const { session, generation, glasses } = await twoApps();
    session.receiveGlasses(generation, { type: "request_settings" });
    session.receiveGlasses(generation, { type: "settings_update_request" });
    expect(glasses.of("settings_update")).toEqual([
      { type: "settings_update", sessionId: "user@example.com", settings: defaultSystemSettings },
      {
        type: "settings_update",
        sessionId: "user@example.com",
        settings: defaultSystemSettings,
        success: true,
        message: expect.any(String),
      },
    ]);
  });

  test("of one user are not those of another", async () => {
    const { world, session, generation } = await twoApps();
    const other = await world.connect("other@example.com");
    const app = await world.runApp(other.session, captions);
    session.receiveGlasses(generation, coreStatus({ glasses_settings: { brightness: 1 } }));
    expect(systemUpdates(app.sent)).toEqual([]);
    expect(other.session.settings.system).toEqual(defaultSystemSettings);
  });

  test("changed while an app is away come with its next acknowledgement", async () => {
    const { world, session, generation, first } = await twoApps();
    session.apps.closed(captions, first.generation);
    session.receiveGlasses(generation, coreStatus({ glasses_settings: { brightness: 9 } }));
    const again = world.connectApp(session, captions);
    expect(again.sent[0]).toMatchObject({ mentraosSettings: { brightness: 9 } });
  });

  test("are read from the status message as the phone spells them, and nothing else is", () => {
    const status = coreStatus({
      core_info: {
        force_core_onboard_mic: true,
        contextual_dashboard_enabled: false,
        metric_system_enabled: true,
        sensing_enabled: false,
        always_on_status_bar_enabled: true,
        bypass_vad_for_debugging: true,
        bypass_audio_encoding_for_debugging: true,
        enforce_local_transcription: true,
        brightness: 3,
        cloud_connection_status: "CONNECTED",
      },
      glasses_settings: {
        brightness: 10,
        auto_brightness: true,
        dashboard_height: 1,
        dashboard_depth: 2,
        head_up_angle: 45,
      },
    });
    expect(settingsOfStatus(status.status.status)).toEqual({
      useOnboardMic: true,
      contextualDashboard: false,
      metricSystemEnabled: true,
      sensingEnabled: false,
      alwaysOnStatusBar: true,
      bypassVad: true,
      bypassAudioEncoding: true,
      enforceLocalTranscription: true,
      brightness: 10,
      autoBrightness: true,
      dashboardHeight: 1,
      dashboardDepth: 2,
      headUpAngle: 45,
    });
  });

  test.each([
    [{ brightness: "50" }],
    [{ brightness: null }],
    [{ auto_brightness: 1 }],
    [{ head_up_angle: {} }],
  ])("are not changed by a value of another kind: %p", (glasses_settings) => {
    expect(settingsOfStatus(coreStatus({ glasses_settings }).status.status)).toEqual({});
    expect(settingsOfPhone(glasses_settings)).toEqual({});
  });
});

describe("an app's own settings", () => {
  const declared = [
    { type: "group", title: "Looks" },
    { key: "size", type: "text", label: "Size", value: "medium", defaultValue: "small" },
    { key: "name", type: "text", defaultValue: "me" },
  ] as const;

  test("are the app's, with the user's values: first the user's, then the value, then the default", () => {
    expect(settingsWithValues(declared, {}).map(({ key, value }) => [key, value])).toEqual([
      ["size", "medium"],
      ["name", "me"],
    ]);
    expect(settingsWithValues(declared, { size: "big", gone: 1 }).map(({ value }) => value)).toEqual([
      "big",
      "me",
    ]);
    expect(settingsWithValues(undefined, { size: "big" })).toEqual([]);
    expect(settingsPage(declared, { name: "you" })).toMatchObject([
      { type: "group" },
      { selected: "medium" },
      { selected: "you" },
    ]);
  });

  test.each([
    ["toggle", true, "true"],
    ["text", "x", 1],
    ["slider", 3, 11],
    ["numeric_input", 3, "3"],
    ["select", "a", "c"],
    ["multiselect", ["a", "b"], ["a", "c"]],
  ])("of the kind %s take %p, and not %p", (type, good, bad) => {
    const options = ["a", "b"].map((value) => ({ label: value, value }));
    const setting = [{ key: "k", type, options, min: 0, max: 10 }];
    expect(settingProblem(setting, "k", good)).toBeUndefined();
    expect(settingProblem(setting, "k", bad)).toBeString();
    expect(settingProblem(setting, "other", good)).toBeString();
  });

  test("changed are followed by all system settings, to that app only", async () => {
    const { world, session, first, second } = await twoApps();
    world.records.set(captions, appRecord(captions, { settings: declared }));
    const before = [first.sent.length, second.sent.length];
    session.settings.changeApp(captions, { size: "big" });
    expect(first.sent.slice(before[0])).toMatchObject([
      {
        type: "settings_update",
        packageName: captions,
        settings: [{ key: "size", value: "big" }, { key: "name" }],
      },
      { type: "augmentos_settings_update", settings: defaultSystemSettings },
    ]);
    expect(second.sent.length).toBe(before[1] ?? 0);
  });
});

describe("the phone's settings", () => {
  test("that say nothing new are not saved again", async () => {
    const { world, session } = await twoApps();
    let saves = 0;
    const save = world.users.saveSetting.bind(world.users);
    world.users.saveSetting = (...setting) => {
      saves++;
      save(...setting);
    };
    session.settings.changePhone({ theme: "dark" });
    session.settings.changePhone({ theme: "dark" });
    expect(saves).toBe(1);
    session.settings.changePhone({ theme: undefined });
    expect([saves, session.settings.phone]).toEqual([2, {}]);
  });

  test("are there for the next glasses of the session", async () => {
    const { world, session } = await twoApps();
    session.settings.changePhone({ voice_commands: true });
    session.attachGlasses(new FakeGlasses(world.clock));
    expect(session.settings.phone).toEqual({ voice_commands: true });
  });
});
