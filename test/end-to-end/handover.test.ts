import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { registerApp, ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";
import { WireApp } from "../support/wire-app.ts";

const packageName = "com.example.app";
const apiKey = "the app's key";
const email = "user@example.com";

describe("handing over to the next process", () => {
  let dataDir: string;
  let app: WireApp;
  let env: Record<string, string>;
  const servers: ServerProcess[] = [];
  const glassesOfAll: SimulatedGlasses[] = [];

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), "browline-handover-"));
    app = new WireApp(packageName, apiKey, ["button_press", "audio_chunk"]);
    registerApp(dataDir, packageName, app.url, apiKey);
    const [port, livezPort] = freePorts();
    env = { BROWLINE_PORT: `${port}`, BROWLINE_LIVEZ_PORT: `${livezPort}` };
  });
  afterEach(async () => {
    for (const glasses of glassesOfAll.splice(0)) glasses.close();
    for (const server of servers.splice(0)) await server.kill();
    await app.close();
    rmSync(dataDir, { recursive: true });
  });

  function begin(handover: boolean): ServerProcess {
    const server = ServerProcess.begin(dataDir, { ...env, BROWLINE_HANDOVER: String(handover) });
    servers.push(server);
    return server;
  }

  async function connect(server: ServerProcess): Promise<SimulatedGlasses> {
    const glasses = await server.glasses(email);
    glassesOfAll.push(glasses);
    return glasses;
  }

  /** One process ends in favour of one that is ready, which then has the session. Resolves with that one. */
  async function handOver(
    former: ServerProcess,
    signal: "SIGTERM" | "SIGKILL" = "SIGTERM",
  ): Promise<ServerProcess> {
    const glasses = await connect(former);
    glasses.startApp(packageName);
    await glasses.until(() => glasses.microphoneOn, "the app to run and to hear", 30_000);
    const session = app.sessions.events.at(-1);
    if (session === undefined) throw new Error("the app has no session");
    app.show(session, "still here");
    await glasses.until(() => glasses.displayText() === "still here", "the display");
    const next = begin(true);
    await next.log.until(({ msg }) => msg.startsWith("ready to take over"));
    former.signal(signal);
    const dialling = dialUntilServed(Number(env["BROWLINE_PORT"]));
    await next.listens();
    const { code, errors } = await former.ended;
    expect([code === 0, errors]).toEqual([signal === "SIGTERM", ""]);
    const { refused, gapMs } = await dialling;
    process.stdout.write(`${signal}: ${refused} dials were refused within ${gapMs.toFixed()} ms\n`);
    expect(gapMs).toBeLessThan(10_000);
    expect(await next.metric("browline_sessions_resumed_total")).toBe(1);
    const returned = await connect(next);
    await returned.until(() => returned.displayText() === "still here", "the display to be restored");
    return next;
  }

  test("goes on with the sessions on the same ports, one after the other, and lets nobody in without the setting", async () => {
    const first = begin(true);
    await first.listens();
    const { code, errors } = await begin(false).ended;
    expect(code).toBe(1);
    expect(errors).toMatch(/^Port \d+ on [^\n]* is in use by another process; set BROWLINE_PORT[^\n]*\n$/);
    await handOver(first);
  }, 60_000);

  test("is at once when the former one is killed: whoever waits is a standby", async () => {
    const first = begin(true);
    await first.listens();
    await handOver(first, "SIGKILL");
  }, 60_000);

  test("works for one that does not share its ports: the next waits until they are free", async () => {
    const first = begin(false);
    await first.listens();
    const next = await handOver(first);
    expect(await (await fetch(`http://127.0.0.1:${env["BROWLINE_LIVEZ_PORT"]}/livez`)).text()).toBe("ok");
    await until("its health", async () => (await fetch(`${next.url}/health`)).ok);
  }, 60_000);
});

/** Dials anew until a server that was away answers as one that takes connections. */
async function dialUntilServed(port: number): Promise<{ refused: number; gapMs: number }> {
  let refused = 0;
  let firstMs: number | undefined;
  for (;;) {
    const nowMs = performance.now();
    const answer = await fetch(`http://127.0.0.1:${port}/health`, { headers: { connection: "close" } }).catch(
      () => undefined,
    );
    if (answer?.ok && firstMs !== undefined) return { refused, gapMs: nowMs - firstMs };
    if (!answer?.ok) {
      refused++;
      firstMs ??= nowMs;
    }
    // Not so often that the dialling itself is what takes the time.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Two that nobody uses at this moment. */
function freePorts(): number[] {
  const listeners = [0, 0].map((port) => Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }));
  const ports = listeners.map(({ port }) => port);
  for (const listener of listeners) listener.stop(true);
  return ports;
}
