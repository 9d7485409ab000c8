import type { Clock } from "../kernel/clock.ts";
import type { Config } from "../kernel/config.ts";
import type { LivenessReport, LivenessSetup } from "../kernel/liveness-messages.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { SupervisedWorker } from "../kernel/supervised-worker.ts";
import { listenError } from "./listen-error.ts";

export interface Liveness {
  readonly port: number;
  /** Whether the thread listens at this moment. */
  readonly listens: boolean;
  stop(): void;
  /** For tests only: the thread dies. */
  injectDeath(): void;
}

/** How often the main loop shows that it moves. */
const heartbeatMs = 100;

/**
 * Starts the thread that answers `/livez` even while the main loop is busy, and that sees stalls of the main loop while
 * they last (`/stall` on its port). Should it die, another takes its place on the same port.
 * @throws Error with one line for the operator when its port cannot be had.
 */
export async function startLiveness(parts: {
  readonly config: Pick<Config, "host" | "livezPort" | "handover" | "limits">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}): Promise<Liveness> {
  const { config, clock, log, metrics } = parts;
  const { host } = config;
  const heartbeat = new SharedArrayBuffer(4);
  const word = new Int32Array(heartbeat);
  const stopHeartbeat = clock.every(heartbeatMs, () => Atomics.add(word, 0, 1));
  const first = Promise.withResolvers<number>();
  let port: number | undefined;
  let listens = false;

  const receive = (report: LivenessReport) => {
    switch (report.kind) {
      case "listening":
        listens = true;
        if (port !== undefined) log.info({ port }, "the liveness thread is back");
        port = report.port;
        first.resolve(port);
        return;
      case "failed": {
        const address = { host, port: port ?? config.livezPort, portSetting: "BROWLINE_LIVEZ_PORT" };
        const error = listenError(Object.assign(new Error(report.message), { code: report.code }), address);
        first.reject(error);
        if (port === undefined) return;
        log.error({ err: error }, "the liveness thread is not back yet");
        worker.replace();
        return;
      }
      case "stalled":
        metrics.loopStalls.inc();
        log.warn({ since: new Date(report.sinceMs).toISOString() }, "the main loop stood still");
        return;
      case "recovered":
        log.warn({ lastedMs: Math.round(report.lastedMs) }, "the main loop moves again");
    }
  };
  const worker = new SupervisedWorker({
    kind: "liveness",
    url: new URL("../../workers/liveness-worker.ts", import.meta.url),
    clock,
    log,
    metrics,
    onStart: (thread) =>
      thread.postMessage({
        host,
        port: port ?? config.livezPort,
        sharesPort: config.handover,
        heartbeat,
        stallMs: config.limits.stallMs,
        logsStalls: log.isLevelEnabled("warn"),
      } satisfies LivenessSetup),
    onMessage: (message) => receive(message as LivenessReport),
    onDeath: () => {
      listens = false;
      first.reject(new Error("The liveness thread failed"));
    },
  });
  const stop = () => {
    listens = false;
    stopHeartbeat();
    worker.close();
  };
  try {
    return {
      port: await first.promise,
      get listens() {
        return listens;
      },
      stop,
      injectDeath: () => worker.replace(),
    };
  } catch (error) {
    stop();
    throw error;
  }
}
