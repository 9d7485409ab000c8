/** The real server, in a process of its own. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Counter } from "prom-client";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { loadSecrets } from "../../src/gateway/secrets.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { sha256Hex } from "../../src/kernel/identity.ts";
import { Durations } from "../../src/kernel/latency-histogram.ts";
import { createLog } from "../../src/kernel/log.ts";
import { type StageName, stageNames } from "../../src/kernel/stage-times.ts";
import { type RunningServer, startServer } from "../../src/main.ts";
import { SqliteDatabase } from "../../src/store/sqlite-database.ts";
import { answerCalls } from "./control.ts";
import { LoadProbe } from "./load-probe.ts";
import type { BenchApp, ServerCommands } from "./server-under-test.ts";
import { keepAudioOnThisThread } from "./single-loop.ts";
import { prepareProfiles, profileAllThreads } from "./thread-profiles.ts";

/** How often every socket is looked at for what waits in it. */
const queueLookMs = 250;
const probe = new LoadProbe();
let server: RunningServer | undefined;
let users: string[] = [];
let stagesAtBegin = new Map<StageName, Durations>();
let threadsAtBegin: Record<string, number> = {};
/** Sessions that were noted, to see whether they are collected when they have ended. */
const noted: WeakRef<object>[] = [];
let mostQueuedBytes = 0;
let queueLook: Timer | undefined;

const commands: ServerCommands = {
  start: async ({ sessions, dataDir, apps, opus, speechUrl, singleLoop, audioWorkers, sessionGraceMs }) => {
    prepareProfiles();
    if (singleLoop) keepAudioOnThisThread();
    // Only what is said here: a setting that the terminal's own server has must not reach this one.
    const config = loadConfig({
      BROWLINE_HOST: "127.0.0.1",
      BROWLINE_PORT: "0",
      BROWLINE_LIVEZ_PORT: "0",
      BROWLINE_DATA_DIR: dataDir,
      BROWLINE_LOG_LEVEL: "silent",
      BROWLINE_RECOGNISER: "off",
      BROWLINE_MAX_SESSIONS: String(Math.max(1, sessions)),
      BROWLINE_OPUS: opus,
      BROWLINE_SESSION_GRACE_MS: String(sessionGraceMs ?? 30_000),
      BROWLINE_AUDIO_WORKERS: singleLoop ? "1" : String(audioWorkers ?? 0),
      ...(speechUrl !== undefined && {
        BROWLINE_DEEPGRAM_URL: speechUrl,
        BROWLINE_DEEPGRAM_CONCURRENCY: String(2 * Math.max(1, sessions)),
      }),
    });
    register(apps, config.dataDir);
    server = await startServer(config, createLog({ level: config.logLevel, format: "json" }));
    const { tokenSecret } = loadSecrets(config.dataDir, config);
    users = Array.from({ length: sessions }, (_, i) => `user${i}@example.com`);
    const tokens = await Promise.all(users.map((user) => mintCoreToken(tokenSecret, user)));
    return { port: server.port, livezPort: server.livezPort, tokens };
  },
  listeners: () => users.filter((user) => server?.sessions.getSession(user)?.audio.heard).length,
  useOpus: () => {
    for (const user of users) server?.sessions.getSession(user)?.configureAudio({ codec: "opus" });
  },
  begin: () => {
    stagesAtBegin = readStages();
    threadsAtBegin = threads();
    mostQueuedBytes = 0;
    queueLook = setInterval(() => {
      mostQueuedBytes = Math.max(mostQueuedBytes, server?.metrics.probes.socketQueues().most ?? 0);
    }, queueLookMs);
    probe.begin();
  },
  end: () => {
    const load = probe.end();
    clearInterval(queueLook);
    const stages = Object.fromEntries(
      [...readStages()].map(([name, now]) => [
        name,
        now.since(stagesAtBegin.get(name) ?? Durations.none).toPairs(),
      ]),
    );
    const now = threads();
    return {
      load,
      stages,
      mostQueuedBytes,
      threads: Object.fromEntries(
        Object.entries(now).map(([name, ms]) => [name, ms - (threadsAtBegin[name] ?? 0)]),
      ),
    };
  },
  totals: async () => {
    const {
      accepted = 0,
      passed_on = 0,
      unwanted = 0,
      no_lane = 0,
      ...refused
    } = await counts("audioFrames", "fate");
    const lost = { ...refused, ...(no_lane > 0 && { no_lane }), ...(await counts("audioLost", "cause")) };
    const received =
      accepted + passed_on + unwanted + no_lane + Object.values(refused).reduce((sum, n) => sum + n, 0);
    const decoded = (await server?.metrics.audioFramesDecoded.get())?.values[0]?.value ?? 0;
    const decodedBy = server?.pool.stats().workers.map((worker) => worker.decoded) ?? [];
    return { received, decoded, decodedBy, lost };
  },
  inject: (fault) => {
    server?.pool.injectFault(0, fault === "spin" ? { fault: "spin", ms: 60_000 } : { fault: "throw" });
  },
  present: () => ({ sessions: server?.sessions.size ?? 0, lanes: lanesInUse() }),
  note: () => {
    for (const user of users) {
      const session = server?.sessions.getSession(user);
      if (session !== undefined) noted.push(new WeakRef(session));
    }
  },
  memory: async () => {
    await collectGarbage();
    const { rss, heapUsed } = process.memoryUsage();
    return { rssBytes: rss, heapBytes: heapUsed };
  },
  leftovers: async () => {
    await collectGarbage();
    const metrics = server?.metrics;
    const gauge = async (of: { get(): Promise<{ values: { value: number }[] }> } | undefined) =>
      (await of?.get())?.values[0]?.value ?? 0;
    return {
      sessions: server?.sessions.size ?? 0,
      timers: server?.clock.pending ?? 0,
      sockets: (await gauge(metrics?.glassesSockets)) + (await gauge(metrics?.appSockets)),
      lanes: lanesInUse(),
      objects: noted.filter((reference) => reference.deref() !== undefined).length,
    };
  },
  profile: async (folder, ms) => {
    mkdirSync(folder, { recursive: true });
    return profileAllThreads(folder, ms);
  },
  heapSnapshot: (folder) => {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "main.heapsnapshot");
    Bun.gc(true);
    writeFileSync(file, Bun.generateHeapSnapshot("v8"));
    return file;
  },
  stop: async () => {
    await server?.close();
  },
};
answerCalls(commands);

function register(apps: readonly BenchApp[], dataDir: string): void {
  if (apps.length === 0) return;
  const database = new SqliteDatabase(join(dataDir, "browline.db"));
  for (const { packageName, url, apiKey } of apps) {
    database.saveApp({
      packageName,
      name: packageName,
      publicUrl: url,
      type: "background",
      apiKeyHash: sha256Hex(apiKey),
      permissions: ["MICROPHONE"],
    });
  }
  database.close();
}

function lanesInUse(): number {
  return server?.pool.stats().workers.reduce((sum, { lanes }) => sum + lanes, 0) ?? 0;
}

function readStages(): Map<StageName, Durations> {
  return new Map(stageNames.map((name) => [name, server?.metrics.probes.readStage(name) ?? Durations.none]));
}

function threads(): Record<string, number> {
  return server?.metrics.probes.threadCpuMs() ?? {};
}

/** One collection alone leaves what others held on to. */
async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    Bun.gc(true);
    await Bun.sleep(20);
  }
}

async function counts(
  metric: "audioFrames" | "audioLost",
  label: string,
): Promise<Record<string, number | undefined> & Record<string, number>> {
  const counter: Pick<Counter<string>, "get"> | undefined = server?.metrics[metric];
  const { values } = (await counter?.get()) ?? { values: [] };
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels[label]), value]));
}
