import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import pino from "pino";
import { Heartbeat } from "../../src/gateway/heartbeat.ts";
import { SocketContext } from "../../src/gateway/socket-context.ts";
import { userHash } from "../../src/kernel/identity.ts";
import { FakeSessions } from "../support/fake-sessions.ts";
import { FakeWorld } from "../support/fake-world.ts";
import { TestApi } from "../support/test-api.ts";

const user = "ada@example.com";

/** A log whose lines the test reads. */
function readableLog() {
  const lines: string[] = [];
  return { lines, log: pino({ level: "trace", base: null }, { write: (line: string) => lines.push(line) }) };
}

/** Whether anybody who guesses the address could find it in this text. */
function names(text: string): boolean {
  const digests = (["base64url", "base64", "hex"] as const).map((encoding) =>
    createHash("sha256").update(user).digest(encoding).slice(0, 8),
  );
  return [user, ...digests].some((given) => text.includes(given));
}

describe("the hash that stands for a user in the log", () => {
  test("is the same each time, differs by user and by server, and is none that others can make", () => {
    const hash = userHash("the secret of one server");
    expect(hash(user)).toBe(userHash("the secret of one server")(user));
    expect(hash(user)).not.toBe(hash("bob@example.com"));
    expect(hash(user)).not.toBe(userHash("the secret of another server")(user));
    expect(hash(user).length).toBe(10);
    expect(names(hash(user))).toBe(false);
  });
});

describe("the log", () => {
  test("of a session names its user by that hash, and never in a way that can be guessed", async () => {
    const { lines, log } = readableLog();
    const world = new FakeWorld({}, {}, log);
    const { session, generation } = await world.connect(user);
    session.glassesClosed(generation);
    await session.end();
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join("")).toContain(userHash("a secret that only tests know")(user));
    expect(names(lines.join(""))).toBe(false);
  });

  test("of a contained error and of what phones say does the same", async () => {
    const { lines, log } = readableLog();
    const { clock, limits, metrics } = new FakeWorld();
    const heartbeat = new Heartbeat(clock, limits.heartbeatMs, () => {});
    const context = new SocketContext({
      clock,
      limits,
      log,
      metrics,
      sessions: new FakeSessions(),
      heartbeat,
      tokenSecret: "a secret that only tests know",
    });
    context.contain("test", user, () => {
      throw new Error("broken");
    });
    heartbeat.stop();
    const api = new TestApi({}, log);
    await api.world.connect(user);
    expect((await api.call("POST", "/api/client/goodbye", { user })).status).toBe(200);
    const of = lines.map((line) => (JSON.parse(line) as { user?: string }).user);
    expect(of).toEqual(Array(2).fill(userHash("a secret that only tests know")(user)));
    expect(names(lines.join(""))).toBe(false);
  });
});
