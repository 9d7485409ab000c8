import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { SignJWT, UnsecuredJWT } from "jose";
import { Fault } from "../../src/kernel/faults.ts";
import { limits } from "../../src/kernel/limits.ts";
import { closes } from "../../src/wire/close-codes.ts";
import { opcodes } from "../support/raw-websocket.ts";
import { TestGateway } from "../support/test-gateway.ts";
import { TestSocket } from "../support/test-socket.ts";
import { until } from "../support/until.ts";

let gateway: TestGateway;
beforeEach(() => {
  gateway = new TestGateway();
});
afterEach(() => gateway.close());

function session(email = "user@example.com") {
  const found = gateway.sessions.getSession(email);
  if (found === undefined) throw new Error(`no session of ${email}`);
  return found;
}

describe("connecting glasses", () => {
  test("are acknowledged at once when the token is in the header", async () => {
    const glasses = await gateway.glasses();
    const ack = await glasses.message("connection_ack");
    expect(ack).toMatchObject({ sessionId: "user@example.com", timestamp: "2026-01-01T00:00:00.000Z" });
  });

  test("may give the token in the query, and use the other path", async () => {
    const token = await gateway.token("user@example.com");
    for (const path of ["/glasses-ws", "/ws/client"]) {
      const socket = await TestSocket.connect(`${gateway.socketUrl}${path}?token=${token}&livekit=true`);
      await socket.message("connection_ack");
    }
  });

  test("of two spellings of one address get one session", async () => {
    const authorization = `Bearer ${await signed({ email: " User@Example.COM " })}`;
    await TestSocket.connect(`${gateway.socketUrl}/glasses-ws`, { authorization });
    await gateway.glasses("user@example.com");
    expect([...gateway.sessions.sessions.keys()]).toEqual(["user@example.com"]);
  });

  test("lose no frame that comes right behind the upgrade, though the session was still loading", async () => {
    let loaded = () => {};
    gateway.sessions.loading = new Promise((resolve) => {
      loaded = resolve;
    });
    const connecting = gateway.rawGlasses();
    await until("the dial", () => gateway.sessions.asked === 1);
    loaded();
    // The first frames leave as soon as the upgrade is answered.
    const glasses = await connecting;
    glasses.send(
      opcodes.text,
      JSON.stringify({ type: "button_press", buttonId: "main", pressType: "short" }),
    );
    glasses.send(opcodes.binary, new Uint8Array(1600));
    await until("the audio", () => session().frames.length === 1);
    expect(session().messages.map(({ type }) => type)).toEqual(["button_press"]);
  });

  test("are closed with 1012 when their session ended while they connected", async () => {
    await gateway.glasses();
    session().disposed = true;
    const authorization = await gateway.authorization("user@example.com");
    const late = await TestSocket.connect(`${gateway.socketUrl}/glasses-ws`, authorization);
    expect((await late.closed).code).toBe(1012);
    expect(session().ports).toHaveLength(1);
  });

  test("are closed with 1012 when the session fails to take them", async () => {
    await gateway.glasses();
    session().broken = true;
    const authorization = await gateway.authorization("user@example.com");
    const late = await TestSocket.connect(`${gateway.socketUrl}/glasses-ws`, authorization);
    expect((await late.closed).code).toBe(1012);
    expect(await gateway.count(gateway.metrics.errors, { where: "glasses_open" })).toBe(1);
  });
});

/** A token with any claims, signed with the server's secret. */
function signed(
  claims: Record<string, unknown>,
  secret = gateway.tokenSecret,
  expiry?: number,
): Promise<string> {
  const token = new SignJWT(claims).setProtectedHeader({ alg: "HS256" });
  if (expiry !== undefined) token.setExpirationTime(expiry);
  return token.sign(new TextEncoder().encode(secret));
}

describe("refused before the upgrade", () => {
  const cases: Record<string, { token: () => Promise<string | undefined>; message: string }> = {
    "without a token": { token: async () => undefined, message: "No core token provided" },
    "with garbage": { token: async () => "garbage", message: "Invalid core token" },
    "with a token of another secret": {
      token: () => signed({ email: "user@example.com" }, "quite another secret"),
      message: "Invalid core token",
    },
    "with an expired token": {
      token: () => signed({ email: "user@example.com" }, undefined, 1_000),
      message: "Invalid core token",
    },
    "with a revoked token": {
      token: async () => {
        const token = await gateway.token("user@example.com");
        await gateway.store.revokeTokens("user@example.com", 4_000_000_000);
        return token;
      },
      message: "Invalid core token",
    },
    "with an unsigned token": {
      token: async () => new UnsecuredJWT({ email: "user@example.com" }).encode(),
      message: "Invalid core token",
    },
    "with a token of another algorithm": {
      token: () =>
        new SignJWT({ email: "user@example.com" })
          .setProtectedHeader({ alg: "HS512" })
          .sign(new TextEncoder().encode(gateway.tokenSecret.repeat(3))),
      message: "Invalid core token",
    },
    "with a token that names no user": {
      token: () => signed({ sub: "user@example.com" }),
      message: "Invalid core token - no user ID",
    },
    "with a token whose user is empty": {
      token: () => signed({ email: "  " }),
      message: "Invalid core token - no user ID",
    },
  };
  for (const [name, { token, message }] of Object.entries(cases)) {
    test(name, async () => {
      const given = await token();
      const headers = given === undefined ? {} : { authorization: `Bearer ${given}` };
      const response = await fetch(`${gateway.httpUrl}/glasses-ws`, { headers });
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({
        type: "connection_error",
        message,
        timestamp: "2026-01-01T00:00:00.000Z",
      });
      const raw = await gateway.raw("/glasses-ws", headers);
      expect(raw.head).toStartWith("HTTP/1.1 401");
      expect(gateway.sessions.size).toBe(0);
    });
  }

  test("with 503 when there is no room", async () => {
    gateway.sessions.refusal = new Fault("AT_CAPACITY");
    const raw = await gateway.rawGlasses();
    expect(raw.head).toStartWith("HTTP/1.1 503");
  });

  test("a plain request makes no session", async () => {
    const headers = await gateway.authorization("user@example.com");
    expect((await fetch(`${gateway.httpUrl}/glasses-ws`, { headers })).status).toBe(426);
    expect(gateway.sessions.size).toBe(0);
  });
});

describe("glasses messages", () => {
  test("reach the session in order, text and audio", async () => {
    const glasses = await gateway.glasses();
    glasses.send({ type: "vad", status: true });
    glasses.send(Uint8Array.of(1, 2, 3));
    glasses.send({ type: "VAD", status: "false" });
    await glasses.roundTrip();
    expect(session().messages).toEqual([
      { type: "VAD", status: true },
      { type: "VAD", status: "false" },
    ]);
    expect(session().frames).toEqual([Uint8Array.of(1, 2, 3)]);
  });

  test("a JSON ping is answered with exactly a pong, and neither reaches the session", async () => {
    const glasses = await gateway.rawGlasses();
    glasses.send(opcodes.text, '{"type":"ping"}');
    glasses.send(opcodes.text, '{"type":"pong"}');
    await until("the pong", () => glasses.texts.length === 2);
    expect(glasses.texts[1]).toBe('{"type":"pong"}');
    expect(session().messages).toEqual([]);
  });

  test("are asked for at once when the session wants a sign of life, and their absence is told after 2 s", async () => {
    const silentFor: string[] = [];
    const probe = (email: string) => session(email).ports[0]?.probe(() => silentFor.push(email));
    const dead = await gateway.rawGlasses("dead@example.com");
    dead.send(opcodes.text, '{"type":"ping"}');
    await until("the pong", () => dead.texts.includes('{"type":"pong"}'));
    const alive = await gateway.glasses("alive@example.com");
    await alive.roundTrip();
    probe("dead@example.com");
    probe("alive@example.com");
    await alive.roundTrip();
    gateway.clock.advance(limits.probeAnswerMs);
    expect(silentFor).toEqual(["dead@example.com"]);
  });

  test("that are malformed, unknown, invalid or too large are counted and change nothing", async () => {
    const glasses = await gateway.glasses();
    glasses.send("{ not json");
    glasses.send({ type: "no_such_report", status: {} });
    glasses.send({ type: "start_app", packageName: 7 });
    glasses.send({ type: "button_press", buttonId: "x".repeat(65_536), pressType: "short" });
    glasses.send({ type: "button_press", buttonId: "ü".repeat(32_768), pressType: "short" });
    glasses.send(new Uint8Array(64 * 1024 + 1));
    glasses.send(new Uint8Array(64 * 1024));
    await glasses.roundTrip();
    expect(session().messages).toEqual([]);
    expect(session().frames.map(({ byteLength }) => byteLength)).toEqual([64 * 1024]);
    const counts = Object.entries({ malformed: 1, unknown: 1, invalid: 1, oversized: 3 });
    for (const [reason, times] of counts) {
      const labels = { side: "glasses", reason };
      expect(await gateway.count(gateway.metrics.messagesRejected, labels)).toBe(times);
    }
    expect(glasses.isOpen).toBe(true);
  });

  test("of an unknown type go to those who want that very type, and are not counted as unknown then", async () => {
    const glasses = await gateway.glasses();
    session().heardUnknown.add("no_such_report");
    glasses.send({ type: "no_such_report", status: { a: 1 } });
    glasses.send({ type: "no_such_report", status: "x".repeat(65_536) });
    glasses.send({ type: "nor_such", status: {} });
    await glasses.roundTrip();
    expect(session().unknown).toEqual([{ type: "no_such_report", status: { a: 1 } }]);
    const counts = Object.entries({ unknown: 1, oversized: 1 });
    for (const [reason, times] of counts) {
      const labels = { side: "glasses", reason };
      expect(await gateway.count(gateway.metrics.messagesRejected, labels)).toBe(times);
    }
  });

  test("over which the session stumbles cost neither the socket nor the server", async () => {
    const glasses = await gateway.glasses();
    session().broken = true;
    glasses.send({ type: "vad", status: true });
    glasses.send(Uint8Array.of(1));
    await glasses.roundTrip();
    session().broken = false;
    glasses.send({ type: "vad", status: false });
    await glasses.roundTrip();
    expect(session().messages).toEqual([{ type: "VAD", status: false }]);
    expect(await gateway.count(gateway.metrics.errors, { where: "glasses_message" })).toBe(1);
    expect(await gateway.count(gateway.metrics.errors, { where: "glasses_audio" })).toBe(1);
  });
});

describe("the end of a glasses socket", () => {
  test("is told to the session with the socket's generation", async () => {
    const first = await gateway.glasses();
    await gateway.glasses();
    first.close();
    await until("the close", () => session().closedGenerations.length === 1);
    expect(session().closedGenerations).toEqual([1]);
  });

  test("by the session carries its close code, is told once, and later frames count for nothing", async () => {
    const glasses = await gateway.glasses();
    const [port] = session().ports;
    glasses.send({ type: "vad", status: true });
    await glasses.roundTrip();
    port?.close(closes.superseded);
    port?.close(closes.superseded);
    expect(session().closedGenerations).toEqual([]);
    expect(await glasses.closed).toEqual({ code: 4001, reason: "superseded" });
    expect(session().closedGenerations).toEqual([1]);
    expect(port?.send({ type: "app_started", packageName: "a" })).toBe("dropped");
  });
});

describe("a silent glasses socket", () => {
  test("D-45: is pinged every 10 s, so that no idle proxy cuts it", async () => {
    const glasses = await gateway.rawGlasses();
    for (const pings of [1, 2, 3]) {
      gateway.clock.advance(10_000);
      await until(`ping ${pings}`, () => glasses.count(opcodes.ping) === pings);
    }
  });

  test("is dead 30 s after its last sign when it used to answer pings", async () => {
    const glasses = await gateway.rawGlasses();
    glasses.send(opcodes.pong, "1");
    glasses.send(opcodes.text, '{"type":"vad","status":true}');
    await until("the frames", () => session().messages.length === 1);
    gateway.clock.advance(29_000);
    expect(session().closedGenerations).toEqual([]);
    gateway.clock.advance(11_000);
    await until("the end", () => glasses.ended);
    expect(session().closedGenerations).toEqual([1]);
    expect(await gateway.count(gateway.metrics.socketsClosed, { side: "glasses", cause: "silent" })).toBe(1);
  });

  test("counts as one that answers when it sends JSON pings of its own", async () => {
    const glasses = await gateway.rawGlasses();
    glasses.send(opcodes.text, '{"type":"ping"}');
    await until("the pong", () => glasses.texts.length === 2);
    gateway.clock.advance(41_000);
    await until("the end", () => glasses.ended);
  });

  test("that never answered a ping lives on, until nothing has come for 15 minutes", async () => {
    const glasses = await gateway.rawGlasses();
    glasses.send(opcodes.binary, Uint8Array.of(1));
    await until("the audio", () => session().frames.length === 1);
    gateway.clock.advance(14 * 60_000);
    glasses.send(opcodes.binary, Uint8Array.of(2));
    await until("the audio", () => session().frames.length === 2);
    gateway.clock.advance(14 * 60_000);
    expect(session().closedGenerations).toEqual([]);
    gateway.clock.advance(2 * 60_000);
    await until("the end", () => glasses.ended);
    expect(session().closedGenerations).toEqual([1]);
  });

  test("any byte keeps it alive", async () => {
    const glasses = await gateway.rawGlasses();
    glasses.send(opcodes.pong, "1");
    for (let i = 1; i <= 6; i++) {
      glasses.send(opcodes.binary, Uint8Array.of(i));
      await until("the audio", () => session().frames.length === i);
      gateway.clock.advance(20_000);
    }
    expect(session().closedGenerations).toEqual([]);
  });
});

describe("glasses that send text without end", () => {
  test("have 1000 messages read and then 200 a second, are told once a second, and keep their pings", async () => {
    const glasses = await gateway.glasses();
    for (let i = 0; i < 1_500; i++) glasses.send({ type: "head_position", position: "up" });
    // Answered in order: all before it has been handled.
    await glasses.roundTrip();
    expect(session().messages.length).toBe(1_000);
    const refused = () => glasses.messages.filter(({ type }) => type === "connection_error");
    expect(refused()).toMatchObject([{ code: "TOO_MANY_REQUESTS" }]);
    const labels = { side: "glasses", reason: "rate" };
    expect(await gateway.count(gateway.metrics.messagesRejected, labels)).toBe(500);
    gateway.clock.advance(1_000);
    for (let i = 0; i < 300; i++) glasses.send({ type: "head_position", position: "up" });
    await glasses.roundTrip();
    expect(session().messages.length).toBe(1_200);
    expect(refused().length).toBe(2);
    expect(glasses.isOpen).toBe(true);
  });
});
