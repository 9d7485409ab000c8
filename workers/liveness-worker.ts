/**
 * The thread that answers for the process while its main loop cannot: `/livez` costs nothing and depends on nothing, and
 * `/stall` says whether the main loop stands still at this moment.
 */
import { writeSync } from "node:fs";
import type { LivenessReport, LivenessSetup } from "../src/kernel/liveness-messages.ts";

declare const self: Worker;

const checkMs = 100;
const standardError = 2;

self.onmessage = ({ data: setup }: MessageEvent<LivenessSetup>) => {
  let stalledSinceMs: number | undefined;
  try {
    const server = Bun.serve({
      hostname: setup.host,
      port: setup.port,
      reusePort: setup.sharesPort,
      development: false,
      fetch(request) {
        switch (new URL(request.url).pathname) {
          case "/livez":
            return new Response("ok");
          case "/stall":
            return Response.json({ stalledSince: stalledSinceMs ?? null });
          default:
            return new Response("not found", { status: 404 });
        }
      },
    });
    report({ kind: "listening", port: server.port ?? setup.port });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    report({ kind: "failed", code, message: error instanceof Error ? error.message : String(error) });
    return;
  }

  const word = new Int32Array(setup.heartbeat);
  let seen = Atomics.load(word, 0);
  let movedMs = now();
  setInterval(() => {
    const value = Atomics.load(word, 0);
    const nowMs = now();
    if (value !== seen) {
      if (stalledSinceMs !== undefined) report({ kind: "recovered", lastedMs: nowMs - stalledSinceMs });
      seen = value;
      movedMs = nowMs;
      stalledSinceMs = undefined;
    } else if (stalledSinceMs === undefined && nowMs - movedMs > setup.stallMs) {
      stalledSinceMs = movedMs;
      report({ kind: "stalled", sinceMs: movedMs });
      if (!setup.logsStalls) return;
      // The log belongs to the main thread, which may never move again: this line must not wait for it.
      const line = {
        level: 40,
        time: Math.round(nowMs),
        msg: "the main loop stands still",
        sinceMs: movedMs,
      };
      writeSync(standardError, `${JSON.stringify(line)}\n`);
    }
  }, checkMs);
};

/** The same in every thread, unlike the zero of other monotonic clocks. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function report(message: LivenessReport): void {
  self.postMessage(message);
}
