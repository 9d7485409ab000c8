import { describe, expect, test } from "bun:test";
import { Heartbeat } from "../../src/gateway/heartbeat.ts";
import { OpenSocket } from "../../src/gateway/open-socket.ts";
import type { RawSocket } from "../../src/gateway/send-queue.ts";
import { SocketContext } from "../../src/gateway/socket-context.ts";
import { limits } from "../../src/kernel/limits.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeSessions } from "../support/fake-sessions.ts";

function open() {
  const clock = new FakeClock();
  const pings: string[] = [];
  const socket: RawSocket = {
    send: () => 1,
    ping: (data) => pings.push(data),
    close() {},
    terminate() {},
    getBufferedAmount: () => 0,
  };
  const heartbeat = new Heartbeat(clock, limits.heartbeatMs, () => {});
  const log = createLog({ level: "silent", format: "json" });
  const context = new SocketContext({
    clock,
    limits,
    log,
    metrics: new Metrics(),
    sessions: new FakeSessions(),
    heartbeat,
    tokenSecret: "a secret that only tests know",
  });
  let framesIn = 0;
  const connection = new OpenSocket({
    context,
    side: "glasses",
    socket,
    framesIn: () => framesIn,
    onEnd: () => () => {},
  });
  let silent = 0;
  return {
    clock,
    pings,
    connection,
    hear: () => framesIn++,
    probe: () => connection.probe(() => silent++),
    silent: () => silent,
  };
}

describe("a probe of a socket", () => {
  test("pings at once and tells of silence after 2 s, once", () => {
    const { clock, pings, connection, probe, silent } = open();
    connection.answered();
    probe();
    expect(pings).toHaveLength(1);
    clock.advance(limits.probeAnswerMs - 1);
    expect(silent()).toBe(0);
    clock.advance(1);
    expect(silent()).toBe(1);
    clock.advance(60_000);
    expect(silent()).toBe(1);
  });

  test("is answered by any bytes at all, even in the very same moment", () => {
    const { clock, connection, hear, probe, silent } = open();
    connection.answered();
    probe();
    hear();
    clock.advance(60_000);
    expect(silent()).toBe(0);
  });

  test("proves nothing where no pong has ever come", () => {
    const { clock, pings, hear, probe, silent } = open();
    hear();
    probe();
    expect(pings).toEqual([]);
    clock.advance(limits.probeAnswerMs);
    expect(silent()).toBe(0);
  });

  test("ends with its socket, and leaves no timer behind", () => {
    const { clock, connection, probe, silent } = open();
    connection.answered();
    const before = clock.pending;
    probe();
    connection.hangUp(undefined, "test");
    expect(clock.pending).toBeLessThanOrEqual(before);
    clock.advance(limits.probeAnswerMs);
    expect(silent()).toBe(0);
  });
});
