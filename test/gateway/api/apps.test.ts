import { beforeEach, describe, expect, test } from "bun:test";
import { appRecord } from "../../support/fake-world.ts";
import { TestApi } from "../../support/test-api.ts";
import { until } from "../../support/until.ts";

const user = "user@example.com";
const captions = "com.example.captions";
const notes = "com.example.notes";

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.register(captions, {
    type: "standard",
    description: "Says what is said",
    permissions: ["MICROPHONE"],
  });
  await api.register(notes, {
    webviewUrl: "https://notes.example.com",
    hardware: [{ type: "CAMERA", level: "REQUIRED" }],
  });
});

interface ListedApp {
  readonly packageName: string;
}

const list = async (as = user, path = "/api/client/apps") =>
  ((await api.call("GET", path, { user: as })).body as { data: ListedApp[] }).data;

describe("the list of apps", () => {
  test("has what both generations of phones read, with a session and without", async () => {
    for (const path of ["/api/apps", "/api/apps/", "/api/client/apps"]) {
      expect(await list(user, path)).toMatchObject([
        {
          packageName: captions,
          name: captions,
          description: "Says what is said",
          type: "standard",
          appType: "standard",
          permissions: [{ type: "MICROPHONE" }],
          running: false,
          is_running: false,
          loading: false,
          healthy: true,
          compatibility: { isCompatible: true, missingRequired: [], missingOptional: [] },
        },
        {
          packageName: notes,
          webviewURL: "https://notes.example.com",
          webviewUrl: "https://notes.example.com",
        },
      ]);
    }
  });

  test("says what runs for this user, and what the glasses cannot run", async () => {
    const { session } = await api.world.connect(user);
    session.device.applyReport({ modelName: "Even Realities G1" });
    await api.world.runApp(session, captions);
    expect(await list()).toMatchObject([
      { packageName: captions, running: true, is_foreground: true },
      { packageName: notes, compatibility: { isCompatible: false, missingRequired: [{ type: "CAMERA" }] } },
    ]);
    expect(await list("other@example.com")).toMatchObject([{ running: false }, { running: false }]);
  });

  test("says whose server is known to be down, to every user, until it answers again", async () => {
    await api.register(notes, { publicUrl: "http://127.0.0.1:2" });
    const { session } = await api.world.connect(user);
    api.world.webhooks.answer = async () => ({ kind: "unreachable", detail: "refused" });
    const starting = session.apps.start(captions);
    await until("the webhook to fail", () => api.world.circuits.down().length === 1);
    for (const whose of [user, "other@example.com"]) {
      expect(await list(whose)).toMatchObject([
        { packageName: captions, healthy: false },
        { packageName: notes, healthy: true },
      ]);
    }
    api.world.connectApp(session, captions);
    await starting;
    expect(await list()).toMatchObject([{ healthy: true }, { healthy: true }]);
  });
});

test("F14: a session reads its user once, however often the phone lists, configures and comes back", async () => {
  const { session, generation } = await api.world.connect(user);
  session.glassesClosed(generation);
  await api.world.connect(user);
  for (let i = 0; i < 10; i++) {
    await list();
    await api.call("GET", "/api/client/user/settings", { user });
    await api.call("GET", `/appsettings/${captions}`, { user });
  }
  expect(api.world.users.loads).toBe(1);
});

describe("starting and stopping over HTTP", () => {
  test.each(["/apps", "/api/apps"])(
    "%s: answers with the state, and tells the phone's socket",
    async (base) => {
      const { session, glasses } = await api.world.connect(user);
      const starting = api.call("POST", `${base}/${captions}/start`, { user });
      await until("the webhook", () => api.world.webhooks.starts.length > 0);
      api.world.connectApp(session, captions);
      const started = await starting;
      expect(started.body).toMatchObject({
        success: true,
        data: {
          status: "started",
          packageName: captions,
          appState: { type: "app_state_change", userSession: { activeAppSessions: [captions] } },
        },
      });
      expect(glasses.of("app_started")).toMatchObject([{ packageName: captions }]);
      const stopped = await api.call("POST", `${base}/${captions}/stop`, { user });
      expect(stopped.body).toMatchObject({
        data: { status: "stopped", appState: { userSession: { activeAppSessions: [] } } },
      });
      expect(glasses.of("app_stopped")).toMatchObject([{ packageName: captions }]);
    },
  );

  test("stops an app that runs, though it is registered no longer; where neither is, there is nothing to find", async () => {
    const unregistered = "com.example.unregistered";
    api.world.records.set(unregistered, appRecord(unregistered));
    const { session } = await api.world.connect(user);
    const app = await api.world.runApp(session, unregistered);
    api.world.records.delete(unregistered);
    const stop = () => api.call("POST", `/apps/${unregistered}/stop`, { user });
    expect((await stop()).status).toBe(200);
    expect(app.closed?.reason).toBe("App stopped");
    expect((await stop()).status).toBe(404);
    expect((await api.call("POST", `/apps/${captions}/stop`, { user })).status).toBe(200);
  });

  test("reports a start that failed as failed", async () => {
    await api.world.connect(user);
    api.world.webhooks.answer = async () => ({ kind: "refused", status: 404, sdkError: false });
    const { status, body } = await api.call("POST", `/apps/${captions}/start`, { user });
    expect([status, body]).toMatchObject([502, { success: false, error: { stage: "WEBHOOK" } }]);
  });
});

describe("installing", () => {
  const post = (path: string, as = user) => api.call("POST", path, { user: as, text: "" });

  test.each(["/apps", "/api/apps"])("%s: every app is there until the user takes it off", async (base) => {
    expect((await post(`${base}/uninstall/${captions}`)).body).toMatchObject({ success: true });
    expect((await list()).map(({ packageName }) => packageName)).toEqual([notes]);
    expect((await list("other@example.com")).length).toBe(2);
    expect((await post(`${base}/uninstall/${captions}`)).status).toBe(400);
    expect((await post(`${base}/install/${captions}`)).status).toBe(200);
    expect((await list()).length).toBe(2);
    expect((await post(`${base}/install/${captions}`)).status).toBe(400);
  });

  test("of an app that was never taken off succeeds, since simulated glasses install before they start", async () => {
    expect((await post(`/apps/install/${captions}`)).status).toBe(200);
  });

  test("of an unknown app is 404", async () => {
    for (const verb of ["install", "uninstall"]) {
      expect((await post(`/apps/${verb}/com.example.unknown`)).body).toEqual({
        success: false,
        message: "App not found",
      });
    }
  });

  test("off stops the app and keeps it from starting until it is back", async () => {
    const { session } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions);
    await post(`/apps/uninstall/${captions}`);
    expect(app.closed?.reason).toBe("App stopped");
    const refused = await post(`/apps/${captions}/start`);
    expect([refused.status, refused.body]).toMatchObject([404, { error: "APP_NOT_INSTALLED" }]);
    expect((await list()).map(({ packageName }) => packageName)).toEqual([notes]);
    // Remembered for the next session.
    await session.end();
    const next = await api.world.connect(user);
    expect(next.session.hasInstalled(captions)).toBe(false);
    expect(api.world.webhooks.starts.length).toBe(1);
  });
});

describe("the health check of an app", () => {
  test("says whether its server answers", async () => {
    const check = (packageName: string) =>
      api.call("POST", "/api/app-uptime/app-pkg-health-check", { user, body: { packageName } });
    expect((await check(captions)).body).toMatchObject({
      packageName: captions,
      success: true,
      status: "healthy",
    });
    api.appsHealthy = false;
    expect((await check(captions)).body).toMatchObject({ success: false, status: "unreachable" });
    expect((await check("com.example.unknown")).status).toBe(404);
  });
});
