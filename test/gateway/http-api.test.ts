import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createConnection } from "node:net";
import type { AppRecord } from "../../src/store/store.ts";
import { adminToken } from "../support/test-api.ts";
import { TestGateway } from "../support/test-gateway.ts";
import { until } from "../support/until.ts";

const app: AppRecord = {
  packageName: "com.example.app",
  name: "An app",
  publicUrl: "http://127.0.0.1:7010",
  type: "standard",
  apiKeyHash: "ab".repeat(32),
  permissions: ["MICROPHONE"],
};

let gateway: TestGateway;
beforeEach(async () => {
  gateway = new TestGateway();
  await gateway.store.saveApp(app);
});
afterEach(() => gateway.close());

async function request(path: string, init: RequestInit = {}, email = "user@example.com"): Promise<Response> {
  const headers = { ...(await gateway.authorization(email)), "content-type": "application/json" };
  return fetch(`${gateway.httpUrl}${path}`, { headers, ...init });
}

/** The status of a GET on a bare socket, which sends the dots of a path as they are. */
async function statusOfRaw(path: string): Promise<number> {
  const socket = createConnection(gateway.gateway.port, "127.0.0.1");
  let text = "";
  socket.on("data", (data) => {
    text += data.toString("latin1");
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`);
  await until("the answer", () => text.includes("\r\n"));
  socket.destroy();
  return Number(text.split(" ")[1]);
}

function post(path: string, body?: unknown): Promise<Response> {
  return request(path, { method: "POST", ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
}

describe("what anybody may ask", () => {
  test("/livez answers two bytes", async () => {
    expect(await (await fetch(`${gateway.httpUrl}/livez`)).text()).toBe("ok");
  });

  test("/health is 200 while the server takes connections, and tells what is missing", async () => {
    gateway.health = {
      speech: { available: false, detail: "libpocketsphinx is not installed", providers: [], unserved: 0 },
      codecs: ["pcm", "opus"],
      degraded: ["speech is off"],
    };
    await gateway.glasses();
    const response = await fetch(`${gateway.httpUrl}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      status: "ok",
      timestamp: "2026-01-01T00:00:00.000Z",
      sessions: { activeCount: 1 },
      uptime: 0,
      speech: { available: false, detail: "libpocketsphinx is not installed", providers: [], unserved: 0 },
      codecs: ["pcm", "opus"],
      degraded: ["speech is off"],
    });
  });

  test("/metrics is what Prometheus reads", async () => {
    const text = await (await fetch(`${gateway.httpUrl}/metrics`)).text();
    expect(text).toContain("# TYPE browline_messages_in_total counter");
  });

  test("the least version of the phone's app is none", async () => {
    const body = await (await fetch(`${gateway.httpUrl}/api/client/min-version`)).json();
    expect(body).toMatchObject({ success: true, data: { required: "0.0.0" } });
  });

  test("there is no LiveKit, nor anything else, in JSON", async () => {
    for (const path of ["/api/client/livekit/token", "/nothing", "/s/nonce/nothing"]) {
      const response = await fetch(`${gateway.httpUrl}${path}`);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: "NOT_FOUND" });
    }
  });

  test.each([
    ["GET", "/api/sdk/simple-storage/user@example.com", 401],
    ["GET", "/appsettings/user/com.example.app", 401],
    ["GET", "/api/tts", 400],
    ["POST", "/api/auth/exchange-user-token", 400],
  ] as const)(
    "%s %s under an app's nonce is the same request: the SDK asks there",
    async (method, path, status) => {
      for (const prefix of ["", "/s/nonce"]) {
        const response = await fetch(`${gateway.httpUrl}${prefix}${path}`, { method });
        expect(response.status).toBe(status);
      }
    },
  );

  test.each([
    "/metrics",
    "/livez",
    "/health",
    "/docs",
    "/api/admin/users",
    "/api/sdk/../admin/users",
    "/api/sdk/%2e%2e/admin/users",
    "/api/tts/../admin/users",
    "/api/client/apps",
    "/api/photos/upload",
    "/api/auth/generate-webview-token",
    "/api/auth/exchange-user-tokens",
    "/appsettings/users",
    "/s/nonce/metrics",
  ])("%s has no second address under a nonce, past the rules of a proxy", async (path) => {
    expect(await statusOfRaw(`/s/nonce${path}`)).toBe(404);
  });
});

describe("who may ask", () => {
  test("is told apart by the token", async () => {
    const ask = (authorization?: string) =>
      fetch(`${gateway.httpUrl}/api/client/audio/configure`, {
        method: "POST",
        ...(authorization === undefined ? {} : { headers: { authorization } }),
      });
    for (const [authorization, error] of [
      [undefined, "Authorization header missing or invalid"],
      ["Basic abc", "Authorization header missing or invalid"],
      ["Bearer abc", "Invalid token"],
    ] as const) {
      const response = await ask(authorization);
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({ error });
    }
  });

  test("without a session is told 503, at which phones reconnect", async () => {
    for (const path of ["/api/client/audio/configure", "/apps/com.example.app/start"]) {
      const response = await post(path, { format: "pcm" });
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({
        error: "NO_ACTIVE_SESSION",
        message: expect.any(String),
      });
    }
  });
});

describe("audio/configure", () => {
  beforeEach(() => gateway.glasses());
  const formats = () => gateway.sessions.getSession("user@example.com")?.formats;

  test("takes pcm, opus and lc3, and says what it took", async () => {
    const lc3Config = { sampleRate: 16000, frameDurationMs: 10, frameSizeBytes: 40 };
    const response = await post("/api/client/audio/configure", { format: "lc3", lc3Config });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      success: true,
      format: "lc3",
      lc3Config,
      message: "Audio format configured successfully",
      timestamp: "2026-01-01T00:00:00.000Z",
    });
    for (const format of ["pcm", "opus"]) {
      const answer = await post("/api/client/audio/configure", { format, lc3Config: null });
      expect(await answer.json()).toMatchObject({ success: true, format, lc3Config: null });
    }
    expect(formats()).toEqual([{ codec: "lc3", frameBytes: 40 }, { codec: "pcm" }, { codec: "opus" }]);
  });

  test("takes an odd frame size for 20 bytes", async () => {
    for (const lc3Config of [undefined, null, { frameSizeBytes: 41 }, { frameSizeBytes: "x" }]) {
      const answer = await post("/api/client/audio/configure", { format: "lc3", lc3Config });
      expect(await answer.json()).toMatchObject({ lc3Config: { frameSizeBytes: 20 } });
    }
  });

  test("refuses what it does not know, an empty body and what is no JSON", async () => {
    const bodies = [
      '{"format":"flac"}',
      "",
      "{",
      "[]",
      "null",
      '{"format":7}',
      '{"format":"lc3","lc3Config":7}',
    ];
    for (const body of bodies) {
      const response = await request("/api/client/audio/configure", { method: "POST", body });
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({
        success: false,
        message: 'Invalid format. Must be "pcm", "lc3" or "opus"',
        timestamp: "2026-01-01T00:00:00.000Z",
      });
    }
    expect(formats()).toEqual([]);
  });

  test("answers 501 for a codec that cannot be decoded here", async () => {
    gateway.health = { ...gateway.health, codecs: ["pcm", "opus"] };
    const response = await post("/api/client/audio/configure", { format: "lc3" });
    expect(response.status).toBe(501);
    expect(await response.json()).toMatchObject({ success: false });
    expect(formats()).toEqual([]);
  });
});

describe("apps over HTTP", () => {
  beforeEach(() => gateway.glasses());
  const apps = () => gateway.sessions.getSession("user@example.com")?.apps;

  test("are started and stopped, with the state as it is then", async () => {
    const started = await post("/apps/com.example.app/start");
    expect(started.status).toBe(200);
    expect(await started.json()).toMatchObject({
      success: true,
      data: {
        status: "started",
        packageName: "com.example.app",
        appState: { type: "app_state_change", userSession: { activeAppSessions: ["com.example.app"] } },
      },
    });
    const stopped = await post("/apps/com.example.app/stop");
    expect(await stopped.json()).toMatchObject({
      success: true,
      data: { status: "stopped", appState: { userSession: { activeAppSessions: [] } } },
    });
  });

  test("that fail to start are reported as failed", async () => {
    const error = { stage: "TIMEOUT", message: "The app did not connect" };
    const known = apps();
    if (known) known.startResult = { success: false, error };
    const response = await post("/apps/com.example.app/start");
    expect(response.status).toBe(502);
    expect(await response.json()).toEqual({ success: false, message: error.message, error });
  });

  test("that nobody knows are 404", async () => {
    for (const verb of ["start", "stop"]) {
      const response = await post(`/apps/com.example.unknown/${verb}`);
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({ success: false, message: "App not found" });
    }
  });

  test("are started by a client that announces JSON and sends none, whatever it calls the host", async () => {
    const socket = createConnection(gateway.gateway.port, "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    const { authorization } = await gateway.authorization("user@example.com");
    socket.write(
      `POST /apps/com.example.app/start HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n` +
        "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n",
    );
    await until("the answer", () => answer.includes("\r\n\r\n"));
    expect(answer).toStartWith("HTTP/1.1 200");
    socket.destroy();
  });

  test("are listed with what runs, for both generations of phones", async () => {
    await post("/apps/com.example.app/start");
    for (const path of ["/api/apps", "/api/apps/", "/api/client/apps"]) {
      expect(await (await request(path)).json()).toMatchObject({
        success: true,
        data: [{ packageName: "com.example.app", name: "An app", running: true, is_running: true }],
      });
    }
  });
});

describe("bad requests", () => {
  test("that are too large are refused", async () => {
    await gateway.glasses();
    const body = JSON.stringify({ format: "pcm", filler: "x".repeat(2 * 1024 * 1024) });
    expect((await request("/api/client/audio/configure", { method: "POST", body })).status).toBe(413);
  });

  test("over which something fails say nothing of the inside", async () => {
    await gateway.glasses();
    const session = gateway.sessions.getSession("user@example.com");
    if (session) {
      session.snapshot = () => {
        throw new Error("a secret of the inside");
      };
    }
    const response = await post("/apps/com.example.app/stop");
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ error: "INTERNAL_ERROR", message: "Internal error" });
    expect(await gateway.count(gateway.metrics.errors, { where: "http" })).toBe(1);
  });

  test("a goodbye is taken note of", async () => {
    expect((await post("/api/client/goodbye")).status).toBe(200);
  });
});
