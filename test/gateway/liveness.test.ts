import { afterEach, describe, expect, test } from "bun:test";
import { type Liveness, startLiveness } from "../../src/gateway/liveness.ts";
import { SystemClock } from "../../src/kernel/clock.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import type { ProberCommand, ProberReport } from "../support/livez-prober.ts";
import { until } from "../support/until.ts";

const clock = new SystemClock((error) => {
  throw error;
});
const log = createLog({ level: "silent", format: "json" });
const running: Liveness[] = [];
afterEach(() => {
  for (const liveness of running.splice(0)) liveness.stop();
});

async function start(metrics = new Metrics(), livezPort = 0): Promise<Liveness> {
  const config = { ...loadConfig({}), host: "127.0.0.1", livezPort };
  const liveness = await startLiveness({ config, clock, log, metrics });
  running.push(liveness);
  return liveness;
}

describe("the liveness thread", () => {
  test("answers while the main loop is blocked, and sees that it is", async () => {
    const metrics = new Metrics();
    const { port } = await start(metrics);
    const prober = new Worker(new URL("../support/livez-prober.ts", import.meta.url));
    let answered = false;
    let report: ProberReport | undefined;
    prober.onmessage = ({ data }: MessageEvent<"answered" | ProberReport>) => {
      if (data === "answered") answered = true;
      else report = data;
    };
    const tell = (command: ProberCommand) => prober.postMessage(command);
    tell({ kind: "start", url: `http://127.0.0.1:${port}` });
    await until("the first answer", () => answered);

    const blockedMs = clock.now();
    while (clock.now() < blockedMs + 2_000);
    const movingMs = clock.now();

    tell({ kind: "stop" });
    const { answeredMs, stalledMs } = await until("the report", () => report);
    prober.terminate();
    const meanwhile = (atMs: number) => atMs > blockedMs && atMs < movingMs;
    expect(answeredMs.filter(meanwhile).length).toBeGreaterThan(3);
    expect(stalledMs.filter(meanwhile).length).toBeGreaterThan(0);
    await until("the count", async () => ((await metrics.loopStalls.get()).values[0]?.value ?? 0) > 0);
  });

  test("says in one line that its port is busy", async () => {
    const { port } = await start();
    await expect(start(new Metrics(), port)).rejects.toThrow(
      `Port ${port} on 127.0.0.1 is in use by another process; set BROWLINE_LIVEZ_PORT to a free one`,
    );
  });

  test("is replaced on the same port when it dies, and counted", async () => {
    const metrics = new Metrics();
    const liveness = await start(metrics);
    const answer = async () => {
      const response = await fetch(`http://127.0.0.1:${liveness.port}/livez`).catch(() => undefined);
      return response?.text();
    };
    expect([await answer(), liveness.listens]).toEqual(["ok", true]);
    for (const deaths of [1, 2]) {
      liveness.injectDeath();
      await until("the death", () => !liveness.listens);
      await until("the next thread", () => liveness.listens, 30_000);
      expect(await answer()).toBe("ok");
      const { values } = await metrics.workerRestarts.get();
      const restarts = values.reduce((sum, { value }) => sum + value, 0);
      expect(restarts).toBeGreaterThanOrEqual(deaths);
      expect(values.every(({ labels }) => labels.kind === "liveness")).toBe(true);
    }
  });

  test.each([
    ["silent", 0],
    ["warn", 1],
  ])("at log level %s writes a stall on stderr %i times", async (level, lines) => {
    const script = new URL("../support/stalling-server.ts", import.meta.url).pathname;
    const child = Bun.spawn([process.execPath, script, level], { stdio: ["ignore", "ignore", "pipe"] });
    const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    expect(code).toBe(0);
    expect(errors.match(/the main loop stands still/g)?.length ?? 0).toBe(lines);
  });

  test("gives its port back when it is stopped, and leaves no timer behind", async () => {
    const pending = clock.pending;
    const { port, stop } = await start();
    stop();
    stop();
    expect(clock.pending).toBe(pending);
    await until("the port", async () => {
      const again = await start(new Metrics(), port).catch(() => undefined);
      return again?.port === port;
    });
  });
});
