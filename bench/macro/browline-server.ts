/** The real server, in a process of its own. */
import { join } from "node:path";
import type { Counter } from "prom-client";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { loadSecrets } from "../../src/gateway/secrets.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { sha256Hex } from "../../src/kernel/identity.ts";
import { createLog } from "../../src/kernel/log.ts";
import { type RunningServer, startServer } from "../../src/main.ts";
import { SqliteDatabase } from "../../src/store/sqlite-database.ts";
import { answerCalls } from "./control.ts";
import { LoadProbe } from "./load-probe.ts";
import type { BenchApp, ServerCommands } from "./server-under-test.ts";

const probe = new LoadProbe();
let server: RunningServer | undefined;
let lagAtBegin: number[] = [];

const commands: ServerCommands = {
  start: async ({ sessions, dataDir, app }) => {
    // Only what is said here: a setting that the terminal's own server has must not reach this one.
    const config = loadConfig({
      BROWLINE_HOST: "127.0.0.1",
      BROWLINE_PORT: "0",
      BROWLINE_LIVEZ_PORT: "0",
      BROWLINE_DATA_DIR: dataDir,
      BROWLINE_LOG_LEVEL: "silent",
      BROWLINE_RECOGNISER: "off",
      BROWLINE_MAX_SESSIONS: String(sessions),
    });
    if (app !== undefined) register(app, config.dataDir);
    server = await startServer(config, createLog({ level: config.logLevel, format: "json" }));
    const { tokenSecret } = loadSecrets(config.dataDir, config);
    const tokens = Array.from({ length: sessions }, (_, i) =>
      mintCoreToken(tokenSecret, `user${i}@example.com`),
    );
    return { port: server.port, tokens: await Promise.all(tokens) };
  },
  listeners: () => server?.pool.stats().relays ?? 0,
  begin: () => {
    lagAtBegin = ringLag();
    probe.begin();
  },
  end: () => ({
    load: probe.end(),
    ringLag: ringLag().map((count, bucket) => count - (lagAtBegin[bucket] ?? 0)),
  }),
  totals: async () => {
    const { accepted = 0, unwanted = 0, no_lane = 0, ...refused } = await counts("audioFrames", "fate");
    const lost = { ...refused, ...(no_lane > 0 && { no_lane }), ...(await counts("audioLost", "cause")) };
    const received = accepted + unwanted + no_lane + Object.values(refused).reduce((sum, n) => sum + n, 0);
    return { received, lost };
  },
  stop: async () => {
    await server?.close();
  },
};
answerCalls(commands);

function register(app: BenchApp, dataDir: string): void {
  const database = new SqliteDatabase(join(dataDir, "browline.db"));
  database.saveApp({
    packageName: app.packageName,
    name: "Bench",
    publicUrl: app.url,
    type: "standard",
    apiKeyHash: sha256Hex(app.apiKey),
    permissions: ["MICROPHONE"],
  });
  database.close();
}

/** How long frames waited, over all workers. */
function ringLag(): number[] {
  const sum: number[] = [];
  for (const { lagHistogram } of server?.pool.stats().workers ?? []) {
    for (const [bucket, count] of lagHistogram.entries()) sum[bucket] = (sum[bucket] ?? 0) + count;
  }
  return sum;
}

async function counts(
  metric: "audioFrames" | "audioLost",
  label: string,
): Promise<Record<string, number | undefined> & Record<string, number>> {
  const counter: Pick<Counter<string>, "get"> | undefined = server?.metrics[metric];
  const { values } = (await counter?.get()) ?? { values: [] };
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels[label]), value]));
}
