import { beforeEach, describe, expect, test } from "bun:test";
import { SignJWT } from "jose";
import { mintCoreToken, verifyCoreToken } from "../../../src/gateway/core-token.ts";
import { sha256Hex } from "../../../src/kernel/identity.ts";
import { captions } from "../../support/fake-world.ts";
import { adminToken, TestApi } from "../../support/test-api.ts";
import { until } from "../../support/until.ts";

const user = "user@example.com";

let api: TestApi;
beforeEach(() => {
  api = new TestApi();
});

const ask = (verb: string, path: string, body?: unknown) =>
  api.call(verb, `/api/admin${path}`, { bearer: adminToken, ...(body === undefined ? {} : { body }) });

const newApp = { packageName: captions, publicUrl: "http://127.0.0.1:7010/" };

describe("apps", () => {
  test("are registered with a key that is shown once and kept as a hash", async () => {
    const { status, body } = await ask("POST", "/apps", {
      ...newApp,
      permissions: ["MICROPHONE"],
      type: "background",
    });
    const { apiKey } = body as { apiKey: string };
    expect(status).toBe(201);
    expect(apiKey.length).toBeGreaterThanOrEqual(32);
    expect(api.world.users.apps.get(captions)).toEqual({
      packageName: captions,
      name: captions,
      publicUrl: "http://127.0.0.1:7010",
      type: "background",
      permissions: ["MICROPHONE"],
      apiKeyHash: sha256Hex(apiKey),
    });
    const list = await ask("GET", "/apps");
    expect(list.body).toMatchObject({ success: true, data: [{ packageName: captions }] });
    expect(JSON.stringify(list.body)).not.toContain("apiKey");
    expect((await ask("POST", "/apps", newApp)).status).toBe(409);
  });

  test("are replaced but for their key, with everything a record can hold", async () => {
    await ask("POST", "/apps", newApp);
    const { apiKeyHash } = api.world.users.apps.get(captions) ?? {};
    const replaced = {
      name: "Captions",
      publicUrl: "https://captions.example.com",
      type: "background",
      permissions: ["MICROPHONE"],
      description: "d",
      version: "2.0.0",
      webviewUrl: "https://captions.example.com/page",
      logoUrl: "https://captions.example.com/logo.png",
      settings: [
        { type: "group", title: "Looks" },
        { key: "bold", type: "toggle", defaultValue: false },
      ],
      hardware: [{ type: "DISPLAY", level: "REQUIRED" }],
      phrases: ["write it down"],
    };
    expect((await ask("PUT", `/apps/${captions}`, replaced)).body).toMatchObject({
      success: true,
      data: replaced,
    });
    expect(api.world.users.apps.get(captions)).toMatchObject({ ...replaced, apiKeyHash });
    expect((await ask("PUT", "/apps/com.example.unknown", replaced)).status).toBe(404);
  });

  test.each([
    [{ packageName: "captions", publicUrl: "http://127.0.0.1:1" }],
    [{ packageName: "com.example.a/../b", publicUrl: "http://127.0.0.1:1" }],
    [{ packageName: captions, publicUrl: "ftp://127.0.0.1" }],
    [{ packageName: captions }],
    [{ ...newApp, permissions: ["EVERYTHING"] }],
    [{ ...newApp, type: "special" }],
    [{ ...newApp, apiKeyHash: "ab" }],
  ])("are not registered as %p", async (body) => {
    expect((await ask("POST", "/apps", body)).status).toBe(400);
    expect(api.world.users.apps.all()).toEqual([]);
  });

  test("at an address that may not be called are not registered, and the reason is told", async () => {
    const publicUrl = "http://169.254.169.254/latest";
    const refused = { error: "TARGET_REFUSED", message: expect.stringContaining("metadata address") };
    const made = await ask("POST", "/apps", { ...newApp, publicUrl });
    expect([made.status, made.body]).toMatchObject([400, refused]);
    expect(api.world.users.apps.all()).toEqual([]);
    await ask("POST", "/apps", newApp);
    const moved = await ask("PUT", `/apps/${captions}`, { publicUrl });
    expect([moved.status, moved.body]).toMatchObject([400, refused]);
    expect(api.world.users.apps.get(captions)?.publicUrl).toBe("http://127.0.0.1:7010");
    api = new TestApi({ BROWLINE_TARGETS: "public" });
    expect((await ask("POST", "/apps", newApp)).body).toMatchObject({
      error: "TARGET_REFUSED",
      message: expect.stringContaining("BROWLINE_TARGETS is public"),
    });
  });

  test("get a new key, and the former one opens nothing any more", async () => {
    await api.register(captions);
    const { body } = await ask("POST", `/apps/${captions}/key`);
    const path = `/api/sdk/simple-storage/${user}`;
    const { apiKey } = body as { apiKey: string };
    expect((await api.call("GET", path, { bearer: api.appBearer(captions) })).status).toBe(401);
    expect((await api.call("GET", path, { bearer: `${captions}:${apiKey}` })).status).toBe(200);
    expect((await ask("POST", "/apps/com.example.unknown/key")).status).toBe(404);
  });

  test("that lose a permission while they run lose at once what it had opened", async () => {
    await api.register(captions, { permissions: ["MICROPHONE"] });
    const { session } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions, "transcription:en-US");
    expect((await ask("PUT", `/apps/${captions}/permissions`, { permissions: [] })).status).toBe(200);
    expect(app.closed?.reason).toBe("App stopped");
    await until("the webhook of the new start", () => api.world.webhooks.starts.length === 2);
    const again = api.world.connectApp(session, captions);
    api.world.subscribe(session, again, captions, "transcription:en-US");
    expect(again.sent.at(-1)).toMatchObject({ type: "permission_error" });
    expect(session.apps.subscriptions.mediaDemand().languages).toEqual([]);
    expect((await ask("PUT", "/apps/com.example.unknown/permissions", { permissions: [] })).status).toBe(404);
  });

  test("are removed, and stopped wherever they run", async () => {
    await api.register(captions);
    const { session } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions);
    expect((await ask("DELETE", `/apps/${captions}`)).status).toBe(200);
    expect(app.closed?.reason).toBe("App stopped");
    expect((await ask("DELETE", `/apps/${captions}`)).status).toBe(404);
  });
});

describe("users and sessions", () => {
  test("are listed: who is known, who has a session, and in what state", async () => {
    api.world.users.saveSetting("kept@example.com", "phone", "theme", "dark");
    const { session, generation } = await api.world.connect(user);
    session.glassesClosed(generation);
    expect((await ask("GET", "/users")).body).toEqual({
      success: true,
      data: [
        { userId: "kept@example.com", session: false },
        { userId: user, session: true },
      ],
    });
    expect((await ask("GET", "/users/kept@example.com")).body).toMatchObject({
      data: { userId: "kept@example.com", settings: { phone: { theme: "dark" } } },
    });
    const described = {
      userId: user,
      state: "DISCONNECTED",
      connected: false,
      snapshot: { activeAppSessions: [] },
    };
    expect((await ask("GET", "/sessions")).body).toMatchObject({ data: [described] });
    expect((await ask("GET", `/sessions/${user}`)).body).toMatchObject({ data: described });
    expect((await ask("GET", "/sessions/nobody@example.com")).status).toBe(404);
  });

  test("are shown with the state of each app: resurrecting while the glasses are away, running when they are back", async () => {
    await api.register(captions);
    const { session, generation } = await api.world.connect(user);
    const apps = async () => {
      const { body } = await ask("GET", `/sessions/${user}`);
      return (body as { data: { apps: object } }).data.apps;
    };
    expect(await apps()).toEqual({});
    const starting = session.apps.start(captions);
    expect(await apps()).toEqual({ [captions]: "CONNECTING" });
    const app = api.world.connectApp(session, captions);
    await starting;
    expect(await apps()).toEqual({ [captions]: "RUNNING" });
    session.glassesClosed(generation);
    expect(await apps()).toEqual({ [captions]: "RESURRECTING" });
    await api.world.connect(user);
    expect(await apps()).toEqual({ [captions]: "RUNNING" });
    session.apps.closed(captions, app.generation);
    expect(await apps()).toEqual({ [captions]: "GRACE_PERIOD" });
  });

  test("are shown with what their apps have heard, the last fifty changes of each", async () => {
    await api.register(captions);
    const { session } = await api.world.connect(user);
    const app = await api.world.runApp(session, captions, "button_press");
    api.world.subscribe(session, app, captions, "button_press");
    const history = async () => {
      const { body } = await ask("GET", `/sessions/${user}`);
      const { data } = body as { data: { subscriptionHistory: Record<string, { streams: string[] }[]> } };
      return data.subscriptionHistory[captions]?.map(({ streams }) => streams.join());
    };
    expect(await history()).toEqual(["button_press"]);
    for (let i = 0; i < 60; i++) api.world.subscribe(session, app, captions, `touch_event:t${i}`);
    const changes = await history();
    expect(changes?.length).toBe(50);
    expect([changes?.at(0), changes?.at(-1)]).toEqual(["touch_event:t10", "touch_event:t59"]);
    session.apps.stop(captions);
    expect((await history())?.length).toBe(50);
  });

  test("of whom nothing is kept are 404, and what is no user id is 400", async () => {
    for (const verb of ["GET", "DELETE"]) {
      expect((await ask(verb, "/users/nobody@example.com")).status).toBe(404);
      for (const id of ["%zz", "%20", "ada", "a%20b@example.com"]) {
        expect((await ask(verb, `/users/${id}`)).status).toBe(400);
      }
    }
    expect((await ask("POST", "/users/ada/revoke-tokens")).status).toBe(400);
    await api.world.connect(user);
    expect((await ask("GET", `/users/${user}`)).status).toBe(200);
  });

  test("are forgotten: session, settings, installations, wishes and what apps keep", async () => {
    await api.register(captions);
    const { session } = await api.world.connect(user);
    api.world.users.saveSetting(user, "phone", "theme", "dark");
    api.world.users.saveInstallation(user, captions, false);
    const path = `/api/sdk/simple-storage/${user}`;
    const bearer = api.appBearer(captions);
    await api.call("PUT", path, { bearer, body: { data: { a: "1" } } });
    expect((await ask("DELETE", `/users/${user}`)).status).toBe(200);
    expect(session.state).toBe("DISPOSED");
    expect((await ask("GET", `/users/${user}`)).status).toBe(404);
    expect((await api.call("GET", path, { bearer })).body).toEqual({ success: true, data: {} });
    expect(await api.world.users.loadUser(user)).toMatchObject({
      settings: { phone: {} },
      installations: {},
    });
  });

  test("whose tokens are revoked are signed in by none of them any more, and by the next one", async () => {
    const seconds = api.world.clock.now() / 1000;
    const secret = "a secret that only tests know";
    const statusOf = async (bearer: string) =>
      (await api.call("GET", "/api/client/user/settings", { bearer })).status;
    const before = await mintCoreToken(secret, user, seconds);
    const withoutTime = await new SignJWT({ email: user })
      .setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(secret));
    const others = await mintCoreToken(secret, "other@example.com", seconds);
    for (const token of [before, withoutTime, others]) expect(await statusOf(token)).toBe(200);
    const { session } = await api.world.connect(user);
    expect((await ask("POST", `/users/${user}/revoke-tokens`)).status).toBe(200);
    expect(session.state).toBe("DISPOSED");
    for (const token of [before, withoutTime]) expect(await statusOf(token)).toBe(401);
    expect(await statusOf(others)).toBe(200);
    const { coreToken } = (await ask("POST", `/users/${user}/token`)).body as { coreToken: string };
    expect(await statusOf(coreToken)).toBe(200);
  });

  test("are ended", async () => {
    const { session, glasses } = await api.world.connect(user);
    expect((await ask("DELETE", `/sessions/${user}`)).status).toBe(200);
    expect(session.state).toBe("DISPOSED");
    expect(glasses.closed?.reason).toBe("User session ended");
    expect((await ask("DELETE", `/sessions/${user}`)).status).toBe(404);
  });

  test("have their apps started and stopped", async () => {
    await api.register(captions);
    const { session } = await api.world.connect(user);
    const base = `/sessions/${user}/apps/${captions}`;
    const starting = ask("POST", `${base}/start`);
    await until("the webhook", () => api.world.webhooks.starts.length > 0);
    const app = api.world.connectApp(session, captions);
    expect((await starting).status).toBe(200);
    expect((await ask("POST", `${base}/stop`)).body).toMatchObject({ message: `${captions} is stopped` });
    expect(app.closed?.reason).toBe("App stopped");
    expect((await ask("POST", `${base}/stop`)).body).toMatchObject({ message: `${captions} did not run` });
    api.world.webhooks.answer = async () => ({ kind: "refused", status: 404, sdkError: false });
    expect((await ask("POST", `${base}/start`)).status).toBe(502);
    expect((await ask("POST", `/sessions/${user}/apps/com.example.unknown/start`)).status).toBe(404);
    for (const verb of ["start", "stop"]) {
      expect((await ask("POST", `/sessions/nobody@example.com/apps/${captions}/${verb}`)).status).toBe(404);
    }
  });

  test("get core tokens that sign them in", async () => {
    const { body } = await ask("POST", "/users/Ada@Example.com/token");
    const { coreToken } = body as { coreToken: string };
    expect(await verifyCoreToken("a secret that only tests know", coreToken, new Map())).toEqual({
      kind: "valid",
      userId: "ada@example.com",
    });
    expect((await ask("POST", "/users/ada/token")).status).toBe(400);
  });
});
