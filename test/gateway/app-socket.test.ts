import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { SignJWT } from "jose";
import { closes } from "../../src/wire/close-codes.ts";
import { numbered } from "../support/numbered.ts";
import { opcodes } from "../support/raw-websocket.ts";
import { appInit, TestGateway } from "../support/test-gateway.ts";
import { TestSocket } from "../support/test-socket.ts";
import { until } from "../support/until.ts";

let gateway: TestGateway;
beforeEach(async () => {
  gateway = new TestGateway();
  await gateway.glasses();
});
afterEach(() => gateway.close());

function apps(email = "user@example.com") {
  const found = gateway.sessions.getSession(email);
  if (found === undefined) throw new Error(`no session of ${email}`);
  return found.apps;
}

function dial(path = "/app-ws", headers: Record<string, string> = {}): Promise<TestSocket> {
  return TestSocket.connect(`${gateway.socketUrl}${path}`, headers);
}

function rejected(reason: string): Promise<number> {
  return gateway.count(gateway.metrics.messagesRejected, { side: "app", reason });
}

/** Codes of the errors that an app has been told, oldest first. */
function errorsOf(app: TestSocket): unknown[] {
  return app.messages.filter(({ type }) => type === "tpa_connection_error").map(({ code }) => code);
}

/** Resolves when all that the app has sent has been handled: its last message is. */
async function heardOut(app: TestSocket): Promise<void> {
  const before = apps().messages.length;
  app.send({ type: "ownership_release" });
  await until("the last message", () => apps().messages.length > before);
}

describe("an app that introduces itself", () => {
  test("by its first message is acknowledged and heard", async () => {
    const app = await gateway.app();
    app.send({ type: "subscription_update", packageName: "com.example.app", subscriptions: ["VAD"] });
    await until("the message", () => apps().messages.length === 1);
    expect(apps().messages[0]).toMatchObject({ type: "subscription_update", subscriptions: ["VAD"] });
    expect(apps().nonces).toEqual([undefined]);
  });

  test("is the only one to be told its settings by the session id, from where its socket comes", async () => {
    const ask = () =>
      fetch(`${gateway.httpUrl}/s/nonce-42/appsettings/user/com.example.app`, {
        headers: { authorization: "Bearer user@example.com-com.example.app" },
      });
    expect((await ask()).status).toBe(401);
    await gateway.app();
    expect(apps().ports.map(({ peer }) => peer)).toEqual(["127.0.0.1"]);
    expect((await ask()).status).toBe(200);
  });

  test("under the path of its webhook is known by its nonce", async () => {
    const app = await dial("/s/nonce-42/app-ws");
    app.send(appInit());
    await app.message("tpa_connection_ack");
    expect(apps().nonces).toEqual(["nonce-42"]);
  });

  test("finds the session of a user whose address has hyphens", async () => {
    await gateway.glasses("jean-luc@example-site.com");
    const app = await dial();
    app.send(appInit("jean-luc@example-site.com"));
    await app.message("tpa_connection_ack");
    expect(apps("jean-luc@example-site.com").ports).toHaveLength(1);
  });

  test("may use the older spelling of the init", async () => {
    const app = await dial();
    app.send({ ...appInit(), type: "connection_init" });
    await app.message("tpa_connection_ack");
  });

  test("twice is heard once", async () => {
    const app = await gateway.app();
    app.send(appInit());
    app.send({ type: "ownership_release" });
    await until("the message", () => apps().messages.length === 1);
    expect(apps().ports).toHaveLength(1);
    expect(await rejected("out_of_turn")).toBe(1);
  });
});

describe("an app is refused with an error and 1008", () => {
  const cases: Record<string, { init: object; code: string }> = {
    "with a wrong key": {
      init: appInit("user@example.com", "com.example.app", "wrong"),
      code: "INVALID_API_KEY",
    },
    "for an unknown session": { init: appInit("nobody@example.com"), code: "SESSION_NOT_FOUND" },
    "for a session id of another package": {
      init: { ...appInit(), sessionId: "user@example.com-com.example.other" },
      code: "SESSION_NOT_FOUND",
    },
    "when it was not started": {
      init: appInit("user@example.com", "com.example.idle"),
      code: "APP_NOT_STARTED",
    },
  };
  for (const [name, { init, code }] of Object.entries(cases)) {
    test(name, async () => {
      const app = await dial();
      app.send(init);
      expect(await app.message("tpa_connection_error")).toMatchObject({ code });
      expect((await app.closed).code).toBe(1008);
      expect(await rejected(code)).toBe(1);
      expect(apps().ports).toHaveLength(0);
    });
  }

  test("but with 1012 when the trouble is the server's own", async () => {
    apps().broken = true;
    const app = await dial();
    app.send(appInit());
    expect(await app.message("tpa_connection_error")).toMatchObject({ code: "INTERNAL_ERROR" });
    expect((await app.closed).code).toBe(1012);
    expect(await gateway.count(gateway.metrics.errors, { where: "app_init" })).toBe(1);
  });
});

describe("before its init", () => {
  test("whatever else an app says is answered with an error, and it may still introduce itself", async () => {
    const app = await dial();
    app.send("{ not json");
    app.send({ type: "subscription_update", subscriptions: [] });
    app.send({ type: "tpa_connection_init", packageName: "com.example.app" });
    app.send(appInit());
    await app.message("tpa_connection_ack");
    const errors = app.messages.filter(({ type }) => type === "tpa_connection_error");
    expect(errors.map((error) => error["code"])).toEqual(Array(3).fill("MALFORMED_MESSAGE"));
    expect(apps().messages).toEqual([]);
  });

  test("an app may send 64 KiB and no more", async () => {
    const within = await dial();
    within.send(new Uint8Array(64 * 1024 - 200));
    within.send(appInit());
    await within.message("tpa_connection_ack");
    const over = await dial();
    over.send(new Uint8Array(64 * 1024));
    over.send(appInit());
    expect((await over.closed).code).toBe(1008);
  });

  test("an app has 10 s", async () => {
    const slow = await dial();
    await until("the socket", async () => (await gateway.metrics.appSockets.get()).values[0]?.value === 1);
    gateway.clock.advance(9_999);
    expect(slow.isOpen).toBe(true);
    gateway.clock.advance(1);
    expect((await slow.closed).code).toBe(4002);
  });

  test("but an accepted app has all the time", async () => {
    const app = await gateway.app();
    gateway.clock.advance(10_001);
    app.send({ type: "ownership_release" });
    await until("the message", () => apps().messages.length === 1);
  });
});

describe("an app with upgrade headers", () => {
  const session = { "x-user-id": "user@example.com", "x-session-id": "user@example.com-com.example.app" };

  async function bearer(claims: Record<string, unknown>, secret = gateway.tokenSecret) {
    const key = new TextEncoder().encode(secret);
    const token = await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(key);
    return { authorization: `Bearer ${token}` };
  }

  test("is acknowledged without a word", async () => {
    const claims = { packageName: "com.example.app", apiKey: "key-123" };
    const app = await dial("/app-ws", { ...(await bearer(claims)), ...session });
    await app.message("tpa_connection_ack");
    app.send({ type: "ownership_release" });
    await until("the message", () => apps().messages.length === 1);
  });

  test("has its key checked as well", async () => {
    const claims = { packageName: "com.example.app", apiKey: "wrong" };
    const app = await dial("/app-ws", { ...(await bearer(claims)), ...session });
    expect(await app.message("tpa_connection_error")).toMatchObject({ code: "INVALID_API_KEY" });
    expect((await app.closed).code).toBe(1008);
  });

  test("whose headers name two different users is refused", async () => {
    await gateway.glasses("other@example.com");
    const claims = { packageName: "com.example.app", apiKey: "key-123" };
    const headers = { ...(await bearer(claims)), ...session, "x-user-id": "other@example.com" };
    const app = await dial("/app-ws", headers);
    expect(await app.message("tpa_connection_error")).toMatchObject({ code: "SESSION_NOT_FOUND" });
  });

  test("is refused with 401 before the upgrade when token or headers are not right", async () => {
    const claims = { packageName: "com.example.app", apiKey: "key-123" };
    const cases = [
      { headers: { ...(await bearer(claims, "quite another secret")), ...session }, code: "INVALID_JWT" },
      { headers: { ...(await bearer({ packageName: "com.example.app" })), ...session }, code: "INVALID_JWT" },
      { headers: { authorization: "Basic abc", ...session }, code: "INVALID_JWT" },
      { headers: await bearer(claims), code: "MISSING_HEADERS" },
    ];
    for (const { headers, code } of cases) {
      const response = await fetch(`${gateway.httpUrl}/app-ws`, { headers: Object.entries(headers) });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ type: "tpa_connection_error", code });
      expect((await gateway.raw("/app-ws", { ...headers })).head).toStartWith("HTTP/1.1 401");
    }
  });
});

describe("an accepted app", () => {
  test("that writes another package name into a frame is refused it and keeps its socket", async () => {
    const app = await gateway.app();
    app.send({ type: "subscription_update", packageName: "com.example.other", subscriptions: ["VAD"] });
    app.send({ type: "subscription_update", subscriptions: ["button_press"] });
    await until("the message", () => apps().messages.length === 1);
    expect(apps().messages[0]).toMatchObject({ subscriptions: ["button_press"] });
    expect(await rejected("forged")).toBe(1);
    expect(await app.message("tpa_connection_error")).toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("that forges without end is told so once a second", async () => {
    const app = await gateway.app();
    const forge = async (times: number) => {
      for (let i = 0; i < times; i++)
        app.send({ type: "ownership_release", packageName: "com.example.other" });
      await heardOut(app);
    };
    await forge(20);
    expect(errorsOf(app)).toEqual(["PERMISSION_DENIED"]);
    gateway.clock.advance(1_000);
    await forge(20);
    expect(errorsOf(app)).toEqual(["PERMISSION_DENIED", "PERMISSION_DENIED"]);
    expect(await rejected("forged")).toBe(40);
  });

  test("may send 1000 messages at once and 200 a second; what is beyond is unread and told once a second", async () => {
    const app = await gateway.app();
    for (let i = 0; i < 1_500; i++) app.send({ type: "subscription_update", subscriptions: [String(i)] });
    await until("the refusals", async () => (await rejected("rate")) >= 501);
    // Its init was one of the thousand.
    expect(apps().messages.length).toBe(999);
    await until("the word of it", () => errorsOf(app).length > 0);
    expect(errorsOf(app)).toEqual(["TOO_MANY_REQUESTS"]);
    gateway.clock.advance(1_000);
    for (let i = 0; i < 300; i++) app.send({ type: "ownership_release" });
    await until("the refusals", async () => (await rejected("rate")) >= 601);
    expect(apps().messages.length).toBe(1_199);
    await until("the second word", () => errorsOf(app).length === 2);
    expect(app.isOpen).toBe(true);
  });

  test("is refused a frame over 64 KiB that is no display, unread, and keeps its socket", async () => {
    const app = await gateway.app();
    const padding = "x".repeat(64 * 1024 + 1);
    app.send({ type: "ownership_release", reason: padding });
    app.send({ note: padding, type: "display_event", view: "main", layout: {} });
    app.send(padding);
    await until("the refusals", () => errorsOf(app).length === 3);
    expect(errorsOf(app)).toEqual(Array(3).fill("BAD_REQUEST"));
    expect([await rejected("oversized"), await rejected("malformed")]).toEqual([3, 0]);
    const layout = { layoutType: "bitmap_view", data: padding };
    const sessionId = "user@example.com-com.example.app";
    app.send({ timestamp: new Date(0), sessionId, type: "display_event", view: "main", layout });
    await until("the display", () => apps().messages.length === 1);
    expect(app.isOpen).toBe(true);
  });

  test("may write any session id: the SDK does", async () => {
    const app = await gateway.app();
    for (const sessionId of ["", "unknown-session-id", "other@example.com-com.example.app"]) {
      app.send({ type: "ownership_release", packageName: "com.example.app", sessionId });
    }
    await until("the messages", () => apps().messages.length === 3);
  });

  test("keeps its socket whatever nonsense it sends", async () => {
    const app = await gateway.app();
    app.send("nonsense");
    app.send({ type: "no_such_request", roomId: "r1" });
    app.send({ type: "subscription_update", subscriptions: "VAD" });
    app.send(Uint8Array.of(1, 2, 3));
    apps().broken = true;
    app.send({ type: "ownership_release" });
    await until(
      "the error",
      async () => (await gateway.count(gateway.metrics.errors, { where: "app_message" })) === 1,
    );
    apps().broken = false;
    app.send({ type: "ownership_release" });
    await until("the message", () => apps().messages.length === 1);
    for (const reason of ["malformed", "unknown", "invalid", "binary"])
      expect(await rejected(reason)).toBe(1);
  });

  test("gets events with the time, and audio as binary frames", async () => {
    const app = await gateway.app();
    const [port] = apps().ports;
    const event = { type: "data_stream", sessionId: "s", streamType: "VAD", data: { status: true } } as const;
    port?.send(numbered(event), "event");
    port?.sendAudio(Uint8Array.of(1, 2, 3, 4));
    expect(await app.message("data_stream")).toMatchObject({
      streamType: "VAD",
      timestamp: "2026-01-01T00:00:00.000Z",
    });
    await until("the audio", () => app.binary.length === 1);
    expect(app.binary[0]).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  test("that goes is told to the session with its generation, whoever closed", async () => {
    const first = await gateway.app();
    await gateway.app();
    first.close();
    await until("the close", () => apps().closedGenerations.length === 1);
    expect(apps().closedGenerations).toEqual([1]);
    apps().ports[1]?.close(closes.appStopped);
    await until("the close", () => apps().closedGenerations.length === 2);
    expect(apps().closedGenerations).toEqual([1, 2]);
  });

  test("D-46: that says nothing for five minutes is pinged by protocol, which costs it nothing, and stays", async () => {
    const app = await gateway.raw("/app-ws");
    app.send(opcodes.text, JSON.stringify(appInit()));
    await until("the ack", () => app.texts.length === 1);
    for (let pings = 1; pings <= 30; pings++) {
      gateway.clock.advance(10_000);
      await until(`ping ${pings}`, () => app.count(opcodes.ping) === pings);
      app.send(opcodes.pong, String(pings));
    }
    expect(app.ended).toBe(false);
    expect(app.texts.length).toBe(1);
  });

  test("that used to answer pings is dead after 30 s of silence", async () => {
    const app = await gateway.raw("/app-ws");
    app.send(opcodes.text, JSON.stringify(appInit()));
    await until("the ack", () => app.texts.length === 1);
    gateway.clock.advance(10_000);
    await until("the ping", () => app.count(opcodes.ping) === 1);
    const ping = app.frames.find(({ opcode }) => opcode === opcodes.ping);
    expect(String(ping?.payload)).toBe("1");
    app.send(opcodes.pong, "1");
    app.send(opcodes.text, '{"type":"ownership_release"}');
    await until("the message", () => apps().messages.length === 1);
    gateway.clock.advance(41_000);
    await until("the end", () => app.ended);
    expect(apps().closedGenerations).toEqual([1]);
  });
});
