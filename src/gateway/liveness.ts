import type { Clock } from "../kernel/clock.ts";
import type { Config } from "../kernel/config.ts";
import type { LivenessReport, LivenessSetup } from "../kernel/liveness-messages.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { listenError } from "./listen-error.ts";

export interface Liveness {
  readonly port: number;
  stop(): void;
}

/** How often the main loop shows that it moves. */
const heartbeatMs = 100;

/**
 * Starts the thread that answers `/livez` even while the main loop is busy, and that sees stalls of the main loop while
 * they last (`/stall` on its port).
 * @throws Error with one line for the operator when its port cannot be had.
 */
export async function startLiveness(parts: {
  readonly config: Pick<Config, "host" | "livezPort" | "limits">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}): Promise<Liveness> {
  const { config, clock, log, metrics } = parts;
  const heartbeat = new SharedArrayBuffer(4);
  const word = new Int32Array(heartbeat);
  const stopHeartbeat = clock.every(heartbeatMs, () => Atomics.add(word, 0, 1));
  const worker = new Worker(new URL("../../workers/liveness-worker.ts", import.meta.url));
  let stopped = false;
  const stop = () => {
    if (stopped) return;
    stopped = true;
    stopHeartbeat();
    worker.terminate();
  };
  const port = await new Promise<number>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<LivenessReport>) => {
      switch (data.kind) {
        case "listening":
          resolve(data.port);
          return;
        case "failed": {
          const cause = Object.assign(new Error(data.message), { code: data.code });
          reject(listenError(cause, config.host, config.livezPort, "BROWLINE_LIVEZ_PORT"));
          return;
        }
        case "stalled":
          metrics.loopStalls.inc();
          log.warn({ since: new Date(data.sinceMs).toISOString() }, "the main loop stood still");
          return;
        case "recovered":
          log.warn({ lastedMs: Math.round(data.lastedMs) }, "the main loop moves again");
          return;
      }
    };
    worker.onerror = (event) => {
      metrics.errors.inc({ where: "liveness" });
      log.error({ reason: event.message }, "the liveness thread failed");
      reject(new Error(`The liveness thread failed: ${event.message}`));
    };
    const setup: LivenessSetup = {
      host: config.host,
      port: config.livezPort,
      heartbeat,
      stallMs: config.limits.stallMs,
    };
    worker.postMessage(setup);
  }).catch((error: unknown) => {
    stop();
    throw error;
  });
  return { port, stop };
}
