import { beforeEach, describe, expect, test } from "bun:test";
import type { ToApp } from "../../../src/wire/apps.ts";
import { TestApi } from "../../support/test-api.ts";

const user = "user@example.com";
const captions = "com.example.captions";
const declared = [
  { type: "group", title: "Looks" },
  {
    key: "size",
    type: "select",
    label: "Size",
    defaultValue: "small",
    options: ["small", "big"].map((value) => ({ label: value, value })),
  },
  { key: "bold", type: "toggle", label: "Bold", defaultValue: false },
  { key: "lines", type: "slider", label: "Lines", defaultValue: 3, min: 1, max: 5 },
] as const;

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.register(captions, { settings: declared });
});

const change = (body: unknown, as = user) => api.call("POST", `/appsettings/${captions}`, { user: as, body });

const page = async (as = user) => {
  const { body } = await api.call("GET", `/appsettings/${captions}`, { user: as });
  return (body as { settings: { key?: string; selected?: unknown }[] }).settings;
};

const selected = async (as = user) =>
  Object.fromEntries((await page(as)).flatMap(({ key, selected: value }) => (key ? [[key, value]] : [])));

describe("an app's settings", () => {
  test("are listed as the app declares them, headings and all, with the defaults selected", async () => {
    const { status, body } = await api.call("GET", `/appsettings/${captions}`, { user });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      success: true,
      userId: user,
      name: captions,
      uninstallable: true,
      permissions: [{ type: "ALL" }],
      settings: [
        { type: "group", title: "Looks" },
        { key: "size", value: "small", selected: "small" },
        { key: "bold", selected: false },
        { key: "lines", selected: 3 },
      ],
    });
  });

  test("are changed one by one and several at once, without a session too, for this user only", async () => {
    expect((await change({ key: "size", value: "big" })).body).toMatchObject({ success: true });
    await change([
      { key: "bold", value: true },
      { key: "lines", value: 5 },
    ]);
    expect(await selected()).toEqual({ size: "big", bold: true, lines: 5 });
    expect(await selected("other@example.com")).toEqual({ size: "small", bold: false, lines: 3 });
  });

  test.each([
    [{ key: "size", value: "huge" }],
    [{ key: "bold", value: "yes" }],
    [{ key: "lines", value: 6 }],
    [{ key: "nothing", value: 1 }],
    [{ value: 1 }],
    [[]],
    ["size"],
    [
      [
        { key: "size", value: "big" },
        { key: "bold", value: 7 },
      ],
    ],
  ])("are not changed by %p", async (body) => {
    expect((await change(body)).status).toBe(400);
    expect(await selected()).toEqual({ size: "small", bold: false, lines: 3 });
  });

  test("of an app that nobody knows are 404", async () => {
    expect((await api.call("GET", "/appsettings/com.example.unknown", { user })).status).toBe(404);
    const body = { key: "a", value: 1 };
    expect((await api.call("POST", "/appsettings/com.example.unknown", { user, body })).status).toBe(404);
  });

  test("that change reach the running app at once, followed by all system settings", async () => {
    const { session } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions);
    const before = app.sent.length;
    await change({ key: "size", value: "big" });
    const [first, second, ...rest] = app.sent
      .slice(before)
      .filter(({ type }) => type.endsWith("settings_update"));
    expect(first).toMatchObject({
      type: "settings_update",
      packageName: captions,
      settings: [
        { key: "size", value: "big" },
        { key: "bold", value: false },
        { key: "lines", value: 3 },
      ],
    });
    expect(second).toMatchObject({
      type: "augmentos_settings_update",
      settings: { brightness: 50, metricSystemEnabled: false },
    });
    expect(rest).toEqual([]);
  });

  test("D-50: an app's settings are the user's own after a reconnect and in the next session", async () => {
    const { session, generation } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions);
    await change({ key: "size", value: "big" });
    session.apps.closed(captions, app.generation);
    const again = api.world.connectApp(session, captions);
    expect(acknowledged(again.sent)).toEqual({ size: "big", bold: false, lines: 3 });

    session.glassesClosed(generation);
    await session.end();
    const next = await api.world.connect(user);
    const later = await api.world.runApp(next.session, captions);
    expect(acknowledged(later.sent)).toEqual({ size: "big", bold: false, lines: 3 });
  });

  test("are fetched by the app under its session id, as the SDK does", async () => {
    await change({ key: "size", value: "big" });
    const { session } = await api.world.connect(user);
    const path = `/appsettings/user/${captions}`;
    const bearer = session.apps.sessionIdOf(captions);
    expect((await api.call("GET", path, { bearer })).status).toBe(401);
    await api.world.runApp(session, captions);
    const { status, body } = await api.call("GET", path, { bearer });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      settings: [{ key: "size", value: "big" }, { key: "bold" }, { key: "lines" }],
    });
    for (const wrong of ["", "nobody", `other@example.com-${captions}`, user]) {
      expect((await api.call("GET", path, { bearer: wrong })).status).toBe(401);
    }
  });

  test("open to nobody who has guessed the session id: only where the app's open socket comes from", async () => {
    const { session } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions);
    const path = `/appsettings/user/${captions}`;
    const bearer = session.apps.sessionIdOf(captions);
    const ask = async (peer?: string) =>
      (await api.call("GET", path, { bearer, ...(peer === undefined ? {} : { peer }) })).status;
    expect([await ask(), await ask("198.51.100.7"), await ask("")]).toEqual([200, 401, 401]);
    session.apps.closed(captions, app.generation);
    expect([await ask(), await ask("")]).toEqual([401, 401]);
  });
});

describe("a phone's settings", () => {
  const path = "/api/client/user/settings";

  test("are kept by key, with a session and without", async () => {
    expect((await api.call("GET", path, { user })).body).toMatchObject({
      success: true,
      data: { settings: {} },
    });
    await api.call("POST", path, { user, body: { settings: { theme: "dark", volume: 3 } } });
    await api.world.connect(user);
    const { body } = await api.call("PUT", path, { user, body: { settings: { volume: 4 } } });
    expect(body).toMatchObject({ success: true, data: { settings: { theme: "dark", volume: 4 } } });
    await api.world.storage.getSession(user)?.end();
    expect((await api.call("GET", path, { user })).body).toMatchObject({
      data: { settings: { theme: "dark", volume: 4 } },
    });
    expect((await api.call("GET", path, { user: "other@example.com" })).body).toMatchObject({
      data: { settings: {} },
    });
  });

  test("are read, changed and forgotten one by one", async () => {
    const one = `${path}/key/${encodeURIComponent("a.b/c")}`;
    const data = { key: "a.b/c", exists: false };
    expect((await api.call("GET", one, { user })).body).toEqual({ success: true, data });
    await api.call("PUT", one, { user, body: { value: [1, { x: null }] } });
    expect((await api.call("GET", one, { user })).body).toEqual({
      success: true,
      data: { key: "a.b/c", value: [1, { x: null }], exists: true },
    });
    await api.call("DELETE", one, { user });
    expect((await api.call("GET", one, { user })).body).toEqual({ success: true, data });
  });

  test.each(["", "{}", '{"settings":7}', '{"settings":[]}', '{"settings":{"":1}}'])(
    "are not changed by %p",
    async (text) => {
      expect((await api.call("POST", path, { user, text })).status).toBe(400);
    },
  );

  test("are bounded in size and number, with 413", async () => {
    const large = await api.call("POST", path, { user, body: { settings: { a: "x".repeat(20_000) } } });
    expect([large.status, large.body]).toMatchObject([413, { error: "SETTING_TOO_LARGE" }]);
    const many = Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`k${i}`, i]));
    const refused = await api.call("POST", path, { user, body: { settings: many } });
    expect([refused.status, refused.body]).toMatchObject([413, { error: "TOO_MANY_SETTINGS" }]);
  });

  test("that are system settings as well reach every app of the user, complete, and the glasses", async () => {
    const { session, glasses } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions);
    const { session: otherSession } = await api.world.connect("other@example.com");
    const otherApp = await api.world.runApp(otherSession, captions);
    await api.call("PUT", path, { user, body: { settings: { metric_system_enabled: true, theme: "dark" } } });
    expect(systemSettings(app.sent)).toMatchObject({
      metricSystemEnabled: true,
      brightness: 50,
      headUpAngle: 20,
    });
    expect(systemSettings(otherApp.sent)).toBeUndefined();
    expect(glasses.of("settings_update").at(-1)?.settings).toMatchObject({ metricSystemEnabled: true });
  });

  test("that are system settings take effect in the next session where there is none", async () => {
    await api.call("PUT", `${path}/key/metric_system_enabled`, { user, body: { value: true } });
    const { session } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions);
    expect(app.sent[0]).toMatchObject({ mentraosSettings: { metricSystemEnabled: true } });
  });

  test("tell the model of the glasses that the phone is set to", async () => {
    const { session } = await api.world.connect(user);
    await api.call("PUT", `${path}/key/default_wearable`, { user, body: { value: "Mentra Live" } });
    expect(session.device.facts.modelName).toBe("Mentra Live");
  });
});

function acknowledged(sent: readonly ToApp[]): Record<string, unknown> {
  const [ack] = sent;
  if (ack?.type !== "tpa_connection_ack") throw new Error("the first message is no acknowledgement");
  return Object.fromEntries(ack.settings.map(({ key, value }) => [key, value]));
}

function systemSettings(sent: readonly ToApp[]): unknown {
  return sent.findLast((message) => message.type === "augmentos_settings_update")?.settings;
}
