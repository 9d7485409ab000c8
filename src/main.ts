import { join } from "node:path";
import { AudioPool } from "./audio/pool.ts";
import { Gateway } from "./gateway/gateway.ts";
import { startLiveness } from "./gateway/liveness.ts";
import { PublicAddress } from "./gateway/public-address.ts";
import { loadSecrets } from "./gateway/secrets.ts";
import { WebhookClient } from "./gateway/webhook-client.ts";
import { SystemClock } from "./kernel/clock.ts";
import { type Config, loadConfig } from "./kernel/config.ts";
import { createLog, type Logger } from "./kernel/log.ts";
import { Metrics } from "./kernel/metrics.ts";
import { SessionStorage } from "./session/session-storage.ts";
import { SqliteStore } from "./store/sqlite-store.ts";
import type { Store } from "./store/store.ts";
import { closes } from "./wire/close-codes.ts";

/** A server that listens. */
export interface RunningServer {
  /** Where apps and phones reach it. */
  readonly url: string;
  readonly port: number;
  readonly livezPort: number;
  readonly pool: AudioPool;
  readonly sessions: SessionStorage;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly clock: SystemClock;
  /** Sends everyone away with the word that they may dial again, ends all sessions, stops all threads. */
  close(): Promise<void>;
}

/**
 * Builds a server, everything once, and starts it.
 * @throws Error with one line for the operator: busy port, unusable data folder, broken database.
 */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  const metrics = new Metrics();
  const clock = new SystemClock((error) => {
    metrics.errors.inc({ where: "timer" });
    log.error({ err: error }, "an error was contained");
  });
  const closers: (() => Promise<void> | void)[] = [];
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      for (const closer of closers.splice(0).reverse()) await closer();
    })();
    return closing;
  };
  try {
    const { tokenSecret } = loadSecrets(config.dataDir, config);
    const store = await SqliteStore.open(join(config.dataDir, "browline.db"), { log, metrics });
    closers.push(() => store.close());
    const liveness = await startLiveness({ config, clock, log, metrics });
    closers.push(() => liveness.stop());
    const pool = await AudioPool.start({ config, clock, log, metrics });
    closers.push(() => pool.close());
    const address = new PublicAddress(config);
    const sessions = new SessionStorage({
      config,
      clock,
      log,
      metrics,
      lanes: pool,
      catalogue: store.apps,
      users: store,
      webhooks: new WebhookClient({ clock, limits: config.limits, log, metrics }),
      websocketUrl: (nonce) => address.appSocketUrl(nonce),
    });
    closers.push(() => sessions.closeAll(closes.restart));
    const health = () => ({
      speech: pool.recogniserStatus(),
      codecs: ["pcm", "opus", ...(pool.codecs().lc3 ? ["lc3"] : [])],
      degraded: degradations(pool),
    });
    const gateway = new Gateway({
      config,
      clock,
      log,
      metrics,
      sessions,
      store,
      address,
      tokenSecret,
      health,
    });
    closers.push(() => gateway.close());
    const { port } = gateway;
    const livezPort = liveness.port;
    return { url: address.url, port, livezPort, pool, sessions, store, metrics, clock, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What does not work on this machine, a sentence each, with the remedy. */
function degradations(pool: AudioPool): string[] {
  const missing: string[] = [];
  const speech = pool.recogniserStatus();
  if (!speech.available) missing.push(`Speech is off: ${speech.detail}`);
  if (!pool.codecs().lc3)
    missing.push("LC3 audio is refused: liblc3.so.0 is missing (apt-get install liblc3-0)");
  return missing;
}

/** Runs the server of this process until a signal ends it. */
async function run(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog({ level: config.logLevel, format: config.logFormat });
  const server = await startServer(config, log);
  const contained = (where: string) => (error: unknown) => {
    server.metrics.errors.inc({ where });
    log.error({ err: error, where }, "an error was contained");
  };
  process.on("uncaughtException", contained("uncaught_exception"));
  process.on("unhandledRejection", contained("unhandled_rejection"));
  const stop = async () => {
    process.once("SIGINT", () => process.exit(1));
    process.once("SIGTERM", () => process.exit(1));
    log.info("closing");
    await server.close();
    log.flush(() => process.exit(0));
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  greet(config, server);
  server.pool.onRecogniserChange(() => {
    const { available, detail } = server.pool.recogniserStatus();
    if (available) log.info({ detail }, "speech is ready");
    else log.warn({ detail }, "speech is off");
  });
}

/** Tells a person where the server is and what to do next. */
function greet(config: Config, { url, livezPort, pool }: RunningServer): void {
  const { opus, lc3 } = pool.codecs();
  const speech = pool.recogniserStatus();
  const lines = [
    `Browline listens on ${url} (glasses: /glasses-ws, apps: /app-ws, metrics: /metrics)`,
    `  liveness    port ${livezPort}, /livez`,
    `  data        ${config.dataDir}`,
    `  recogniser  ${speech.detail}`,
    `  codecs      PCM, Opus (${opus}), LC3 ${lc3 ? "(liblc3)" : "off: apt-get install liblc3-0"}`,
    "Next: bun run apps add PACKAGE URL registers an app, bun run glasses is a pair of simulated glasses,",
    "      bun run demo shows the whole way from a spoken word to the display.",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

if (import.meta.main) {
  try {
    await run();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
}
