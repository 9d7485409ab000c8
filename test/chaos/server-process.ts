/** The real server, in a process of its own that can be killed, with its time running faster if wanted. */
import { LoadProbe } from "../../bench/macro/load-probe.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { Durations } from "../../src/kernel/latency-histogram.ts";
import { createLog } from "../../src/kernel/log.ts";
import { type RunningServer, startServer } from "../../src/main.ts";
import { hurriedLimits } from "./chaos-time.ts";
import type { ServerOrder, ServerReport, ServerSettings, WorkerKind } from "./server-messages.ts";

const { speed, maxSessions }: ServerSettings = JSON.parse(process.env["CHAOS_SERVER"] ?? "{}");
const { CHAOS_SERVER: _, ...environment } = process.env;
const probe = new LoadProbe();

function say(report: ServerReport): void {
  process.send?.(report);
}

function killWorker({ store, liveness, pool }: RunningServer, worker: WorkerKind): void {
  if (worker === "store") store.injectDeath();
  else if (worker === "liveness") liveness.injectDeath();
  else pool.injectFault(0, { fault: "exit" });
}

try {
  const config = loadConfig(environment);
  const log = createLog({ level: config.logLevel, format: "json" });
  const limits = { ...hurriedLimits(speed), maxSessions };
  const server = await startServer({ ...config, limits }, log);
  const contained = (where: string) => (error: unknown) => {
    server.metrics.errors.inc({ where });
    log.error({ err: error, where }, "an error was contained");
  };
  process.on("uncaughtException", contained("uncaught_exception"));
  process.on("unhandledRejection", contained("unhandled_rejection"));
  process.on("SIGTERM", () => void server.close().then(() => process.exit(0)));
  // Without its parent it would go on for ever.
  process.on("disconnect", () => process.exit(0));
  process.on("message", (order: ServerOrder) => {
    if (order.kind === "killWorker") killWorker(server, order.worker);
    else {
      const { lag: buckets, mainCpuMs } = probe.end();
      const lag = Durations.from(buckets);
      const atMs = (share: number) => (lag.percentileUs(share) ?? 0) / 1_000;
      say({ kind: "lag", p50: atMs(0.5), p99: atMs(0.99), max: atMs(1), workedMs: mainCpuMs });
      probe.begin();
    }
  });
  probe.begin();
  say({ kind: "listening", port: server.port });
} catch (error) {
  say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
