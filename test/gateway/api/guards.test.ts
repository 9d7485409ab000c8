import { beforeEach, describe, expect, test } from "bun:test";
import { adminToken, TestApi } from "../../support/test-api.ts";

const user = "user@example.com";
const captions = "com.example.captions";

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.register(captions);
});

const start = () => api.call("POST", `/apps/${captions}/start`, { user });
const configure = () => api.call("POST", "/api/client/audio/configure", { user, body: { format: "pcm" } });

describe("a phone that asks", () => {
  test("D-47: can tell a session whose socket is down from no session at all", async () => {
    const none = await start();
    expect([none.status, none.body]).toMatchObject([
      503,
      { error: "NO_ACTIVE_SESSION", message: expect.any(String) },
    ]);

    const { session, generation } = await api.world.connect(user);
    session.glassesClosed(generation);
    const down = await start();
    expect([down.status, down.body]).toMatchObject([
      409,
      { error: "GLASSES_DISCONNECTED", message: expect.any(String) },
    ]);
    expect(api.world.webhooks.starts).toEqual([]);
    // What needs no socket is served meanwhile: phones report and configure before theirs is up.
    expect((await configure()).status).toBe(200);

    await api.world.clock.advanceAsync(api.world.limits.sessionGraceMs);
    expect((await configure()).body).toMatchObject({ error: "NO_ACTIVE_SESSION" });
  });

  test("F15: never gets a bare 401 or 503", async () => {
    const answers = [
      await start(),
      await api.call("POST", `/apps/${captions}/start`),
      await api.call("POST", `/apps/${captions}/start`, { bearer: "nonsense" }),
      await api.call("GET", "/api/admin/apps", { bearer: "nonsense" }),
      await api.call("GET", `/api/sdk/simple-storage/${user}`, { bearer: "nonsense" }),
    ];
    for (const { status, body } of answers) {
      expect([401, 503]).toContain(status);
      expect(body).toMatchObject({ error: expect.any(String) });
    }
  });

  test("is told what is wrong with its token", async () => {
    const path = "/api/client/apps";
    expect((await api.call("GET", path)).body).toEqual({ error: "Authorization header missing or invalid" });
    for (const bearer of ["nonsense", "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5jIn0."]) {
      expect((await api.call("GET", path, { bearer })).body).toEqual({ error: "Invalid token" });
    }
  });

  test("600 times a minute is served, and then told 429 and when to come back, whoever else asks", async () => {
    for (let i = 0; i < 600; i++) await api.call("GET", "/api/client/apps", { user });
    const refused = await api.call("GET", "/api/client/user/settings", { user });
    expect([refused.status, refused.body]).toMatchObject([429, { error: "RATE_LIMITED" }]);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await api.world.count("browline_http_refused_total", { reason: "rate" })).toBe(1);
    expect((await api.call("GET", "/api/client/apps", { user: "other@example.com" })).status).toBe(200);
    api.world.clock.advance(100);
    expect((await api.call("GET", "/api/client/apps", { user })).status).toBe(200);
  });

  test("with more than 256 KiB is told 413", async () => {
    await api.world.connect(user);
    const text = JSON.stringify({ feedback: "x".repeat(256 * 1024) });
    const refused = await api.call("POST", "/api/client/feedback", { user, text });
    expect([refused.status, refused.body]).toMatchObject([413, { error: "BODY_TOO_LARGE" }]);
    expect(await api.world.count("browline_http_refused_total", { reason: "too_large" })).toBe(1);
  });

  test("is told which field is wrong, and nothing of the inside", async () => {
    const { status, body } = await api.call("POST", "/api/auth/hash-with-api-key", {
      user,
      body: { stringToHash: 7, packageName: captions },
    });
    expect([status, body]).toEqual([
      400,
      { success: false, error: "INVALID_BODY", message: "/stringToHash: Expected string" },
    ]);
  });

  test("over which something breaks gets a bare 500, which is counted", async () => {
    api.world.users.loadUser = () => Promise.reject(new Error("a secret of the inside"));
    const { status, body } = await api.call("GET", "/api/client/user/settings", { user });
    expect([status, body]).toEqual([500, { error: "INTERNAL_ERROR", message: "Internal error" }]);
    expect(await api.world.count("browline_errors_total", { where: "http" })).toBe(1);
  });
});

describe("an address from which much is asked without credentials", () => {
  test("is told 429 and when to come back, whatever it asks for, and no other address is", async () => {
    const ask = (path: string, peer: string) => api.call("GET", path, { peer });
    const path = `/api/public/permissions/${captions}`;
    const most = api.world.limits.peerRequestsPerMinute;
    for (let i = 0; i < most; i++) await ask(path, "192.0.2.1");
    for (const asked of [path, "/appsettings/user/com.example.app", "/api/tts?text=hello"]) {
      const refused = await ask(asked, "192.0.2.1");
      expect([refused.status, refused.body]).toMatchObject([429, { error: "RATE_LIMITED" }]);
      expect(refused.headers.get("retry-after")).toBe("1");
    }
    expect((await ask(path, "192.0.2.2")).status).toBe(200);
    expect((await ask("/api/tts?text=hello", "192.0.2.2")).status).toBe(503);
    api.world.clock.advance(1_000);
    expect((await ask(path, "192.0.2.1")).status).toBe(200);
  });
});

describe("an app that asks with its key", () => {
  test("1200 times a minute is served, and then told 429", async () => {
    const body = { aos_temp_token: "unknown", packageName: captions };
    const { bearer } = { bearer: api.appBearer(captions).split(":")[1] ?? "" };
    const redeem = () => api.call("POST", "/api/auth/exchange-user-token", { bearer, body });
    for (let i = 0; i < 1_200; i++) expect((await redeem()).status).toBe(401);
    expect((await redeem()).body).toMatchObject({ error: "RATE_LIMITED" });
  });
});

describe("every endpoint of the admin API", () => {
  test("is closed without the token, with a wrong one, and with a user's", async () => {
    const described = Object.entries(await api.described()).filter(([path]) =>
      path.startsWith("/api/admin/"),
    );
    expect(described.length).toBeGreaterThan(8);
    for (const [template, operations] of described) {
      const path = template.replace("{packageName}", captions).replace("{userId}", user);
      for (const verb of Object.keys(operations).map((name) => name.toUpperCase())) {
        const text = verb === "GET" || verb === "DELETE" ? {} : { text: "{}" };
        for (const as of [{}, { bearer: "" }, { bearer: `${adminToken}x` }, { user }]) {
          const { status, body } = await api.call(verb, path, { ...as, ...text });
          expect([verb, path, status, body]).toMatchObject([
            verb,
            path,
            401,
            { error: "INVALID_ADMIN_TOKEN" },
          ]);
        }
      }
    }
  });
});
