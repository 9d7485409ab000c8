import { join } from "node:path";
import { AudioPool } from "./audio/pool.ts";
import { ExpectedPhotos } from "./gateway/expected-photos.ts";
import { Gateway } from "./gateway/gateway.ts";
import { tryListening } from "./gateway/listen-error.ts";
import { type Liveness, startLiveness } from "./gateway/liveness.ts";
import { HttpPhotoDelivery } from "./gateway/photo-delivery.ts";
import { PublicAddress } from "./gateway/public-address.ts";
import { isOpenToOthers, loadSecrets } from "./gateway/secrets.ts";
import { Voice } from "./gateway/voice.ts";
import { WebhookClient } from "./gateway/webhook-client.ts";
import { SystemClock } from "./kernel/clock.ts";
import { Closing } from "./kernel/closing.ts";
import { commandLine } from "./kernel/command-line.ts";
import { type Config, loadConfig, settingsTable } from "./kernel/config.ts";
import { userHash } from "./kernel/identity.ts";
import { createLog, type Logger } from "./kernel/log.ts";
import { Metrics } from "./kernel/metrics.ts";
import { Shutdown } from "./kernel/shutdown.ts";
import { AppCircuits } from "./session/app-circuits.ts";
import { AppRooms } from "./session/app-rooms.ts";
import { SessionStorage } from "./session/session-storage.ts";
import { DataLock } from "./store/data-lock.ts";
import { StoreJournal } from "./store/journal.ts";
import { SqliteStore } from "./store/sqlite-store.ts";
import { closes } from "./wire/close-codes.ts";

/** A server that listens. */
export interface RunningServer {
  /** Where apps and phones reach it. */
  readonly url: string;
  /** Whether `url` serves nobody but this machine, although the server takes connections from others. */
  readonly urlIsLocal: boolean;
  readonly port: number;
  readonly livezPort: number;
  readonly pool: AudioPool;
  readonly sessions: SessionStorage;
  readonly store: SqliteStore;
  readonly liveness: Liveness;
  readonly metrics: Metrics;
  readonly clock: SystemClock;
  /** What is to be closed at the end. */
  readonly closing: Closing;
  /** Sends everyone away with the word that they may dial again, ends all sessions, stops all threads. */
  close(): Promise<void>;
}

/**
 * Builds a server, everything once, and starts it.
 * @throws Error with one line for the operator: busy port, unusable data folder, broken database.
 */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  const { host, port: mainPort, livezPort: otherPort } = config;
  if (!config.handover) {
    // The port that everybody knows first: with a second server on this machine it is that one which is to be named.
    await tryListening({ host, port: mainPort, portSetting: "BROWLINE_PORT" });
    await tryListening({ host, port: otherPort, portSetting: "BROWLINE_LIVEZ_PORT" });
  }
  const metrics = new Metrics();
  const clock = new SystemClock((error) => {
    metrics.errors.inc({ where: "timer" });
    log.error({ err: error }, "an error was contained");
  });
  const closing = new Closing(clock);
  closing.add("the log", () => new Promise<void>((resolve) => log.flush(() => resolve())));
  const close = () => closing.close();
  try {
    const { dataDir } = config;
    const { tokenSecret, adminToken } = loadSecrets(dataDir, config);
    if (isOpenToOthers(dataDir)) {
      log.warn({ dataDir }, `others on this machine can look into the data folder: chmod 700 ${dataDir}`);
    }
    // Nothing of a folder that another server uses may be touched; one that is to take over has itself ready by then.
    const startPool = async () => {
      const started = await AudioPool.start({ config, clock, log, metrics });
      // A recogniser frees its models first.
      closing.add("the audio and recogniser threads", () => started.close(), 2_000);
      return started;
    };
    const readyPool = config.handover ? await startPool() : undefined;
    if (config.handover) log.info("ready to take over from the server that uses the data folder");
    const lock = await DataLock.take(dataDir, clock, config.handover ? config.limits.handoverMs : 0);
    closing.add("the data folder's lock", () => lock.release());
    const store = await SqliteStore.open(join(dataDir, "browline.db"), { clock, log, metrics });
    closing.add("the database", () => store.close());
    const journal = new StoreJournal({ store, clock, limits: config.limits, log, metrics });
    closing.add("the last commit", () => journal.close());
    const stopProbes = metrics.probes.start(({ beganMs, lastedMs }) => {
      log.warn({ began: new Date(beganMs).toISOString(), lastedMs }, "the main loop stood still for a while");
    });
    closing.add("the probes", stopProbes);
    const liveness = await startLiveness({ config, clock, log, metrics });
    closing.add("the liveness thread", () => liveness.stop());
    const pool = readyPool ?? (await startPool());
    const address = new PublicAddress(config);
    const photos = new ExpectedPhotos(clock, address, tokenSecret);
    const webhooks = new WebhookClient({
      clock,
      limits: config.limits,
      log,
      metrics,
      targets: config.targets,
    });
    const rooms = new AppRooms({ clock, limits: config.limits });
    const sessions = new SessionStorage({
      config,
      clock,
      log,
      hashUser: userHash(tokenSecret),
      metrics,
      lanes: pool,
      catalogue: store.apps,
      users: store,
      journal,
      webhooks,
      circuits: new AppCircuits({ clock, limits: config.limits, log, metrics, webhooks }),
      rooms,
      photos: new HttpPhotoDelivery({ clock, config, log, expected: photos }),
      publicUrl: () => address.url,
      websocketUrl: (nonce) => address.appSocketUrl(nonce),
    });
    closing.add("the sessions", () => sessions.closeAll(closes.restart));
    const resumed = sessions.resume(await store.loadSessions());
    if (resumed > 0) log.info({ sessions: resumed }, "sessions of the former process go on");
    const health = () => ({
      speech: pool.speechStatus(),
      codecs: ["pcm", "opus", ...(pool.codecs().lc3 ? ["lc3"] : [])],
      degraded: degradations(pool, liveness, store, journal),
    });
    const voice = new Voice({ clock, limits: config.limits, log, metrics });
    closing.add("the voice", () => voice.close());
    const gateway = new Gateway({
      config,
      clock,
      log,
      metrics,
      sessions,
      store,
      address,
      tokenSecret,
      adminToken,
      webhooks,
      photos,
      health,
      voice,
    });
    closing.add("the sockets", () => gateway.close());
    // Before all that, each after the one below it: what is being said is heard to its end, and everything is kept for the
    // next process, which has the folder only if no commit of this one can come any more.
    closing.add("the last commit", async () => {
      try {
        await journal.close();
      } finally {
        // Only where it can listen beside this one: otherwise it has to wait for the ports as well.
        if (config.handover) lock.release();
      }
    });
    closing.add("the sockets", () => gateway.sendAway(), 1_500);
    closing.add("the apps' receipts", () => sessions.askReceipts());
    closing.add("the commit of all sessions", () => journal.flush());
    const { finalWordsMs } = config.limits;
    closing.add("the last words of the recogniser", () => sessions.finishSpeech(), finalWordsMs + 250);
    closing.add("the doors", () => gateway.admitNobody());
    const { port } = gateway;
    const livezPort = liveness.port;
    const { url, reachesOnlyThisMachine: urlIsLocal } = address;
    const parts = { liveness, pool, sessions, store, metrics, clock, closing };
    return { url, urlIsLocal, port, livezPort, ...parts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What does not work on this machine, a sentence each, with the remedy. */
function degradations(
  pool: AudioPool,
  liveness: Liveness,
  store: SqliteStore,
  { durability }: StoreJournal,
): string[] {
  const missing: string[] = [];
  const speech = pool.speechStatus();
  if (!speech.available) missing.push(`Speech is off: ${speech.detail}`);
  for (const { id, circuit } of speech.providers) {
    if (circuit !== "closed") missing.push(`Speech by ${id} fails; other providers take its place meanwhile`);
  }
  if (!pool.codecs().lc3)
    missing.push("LC3 audio is refused: liblc3.so.0 is missing (apt-get install liblc3-0)");
  if (!store.available)
    missing.push("The store's thread has died and is being restarted: nothing is saved meanwhile");
  if (durability.name !== "durable") {
    const reason = durability.name === "failing" ? durability.reason : "the disk is too slow";
    missing.push(
      `What must arrive is delivered without being kept first, and a crash would lose it: ${reason}`,
    );
  }
  if (!liveness.listens) missing.push("The liveness thread has died and is being restarted");
  return missing;
}

/** How the start is used: not by arguments. */
function usage(): string {
  const width = Math.max(...settingsTable.map(({ name }) => name.length));
  const rows = settingsTable.map(
    ({ name, fallback, doc }) => `  ${name.padEnd(width)}  ${doc}${fallback && ` (${fallback})`}`,
  );
  return ["usage: bun run start", "Settings are environment variables, with their defaults:", ...rows].join(
    "\n",
  );
}

/** Runs the server of this process until a signal ends it. */
async function run(): Promise<void> {
  const [argument] = process.argv.slice(2);
  if (argument === "--help" || argument === "-h") {
    process.stdout.write(`${usage()}\n`);
    return;
  }
  if (argument !== undefined)
    throw new Error(`bun run start takes no argument such as ${argument}; see --help`);
  const config = loadConfig(process.env);
  const log = createLog({ level: config.logLevel, format: config.logFormat });
  const server = await startServer(config, log);
  const { clock, closing, pool, metrics } = server;
  const contained = (where: string) => (error: unknown) => {
    metrics.errors.inc({ where });
    log.error({ err: error, where }, "an error was contained");
  };
  process.on("uncaughtException", contained("uncaught_exception"));
  process.on("unhandledRejection", contained("unhandled_rejection"));
  const shutdown = new Shutdown({
    clock,
    close: async () => {
      log.info("closing");
      await closing.close();
    },
    unfinished: () => closing.unfinished,
    exit: (code) => process.exit(code),
    complain: (line) => void process.stderr.write(`${line}\n`),
  });
  process.on("SIGINT", () => shutdown.signal());
  process.on("SIGTERM", () => shutdown.signal());
  if (process.stdout.isTTY) greet(config, server);
  else logStart(config, log, server);
  const tellOfSpeech = () => {
    const { available, detail } = pool.speechStatus();
    if (available) log.info({ detail }, "speech is ready");
    else log.warn({ detail }, "speech is off");
  };
  // What it cannot do it may have said before anybody listened.
  if (!pool.isLoadingRecogniser && !pool.speechStatus().available) tellOfSpeech();
  pool.onRecogniserChange(tellOfSpeech);
}

/** What `greet` says, for who reads logs instead. */
function logStart(config: Config, log: Logger, server: RunningServer): void {
  const { url, urlIsLocal, livezPort, pool } = server;
  const { dataDir } = config;
  const recogniser = pool.recogniserStatus().detail;
  log.info({ url, urlIsLocal, livezPort, dataDir, recogniser, codecs: pool.codecs() }, "Browline listens");
}

/** Tells a person where the server is and what to do next. */
function greet(config: Config, { url, urlIsLocal, livezPort, pool }: RunningServer): void {
  const { opus, lc3 } = pool.codecs();
  const speech = pool.recogniserStatus();
  const cloud = config.speech.filter((id) => id === "deepgram" || id === "assemblyai");
  const lines = [
    `Browline listens on ${url}`,
    ...(urlIsLocal ? ["  elsewhere   other machines need BROWLINE_PUBLIC_URL to say how to reach it"] : []),
    "  paths       glasses: /glasses-ws, apps: /app-ws, HTTP: /docs, /health, /metrics",
    `  liveness    port ${livezPort}, /livez`,
    `  data        ${config.dataDir}`,
    ...(cloud.length > 0 ? [`  speech      ${cloud.join(", then ")}`] : []),
    `  recogniser  ${speech.detail}`,
    `  codecs      PCM, Opus (${opus}), LC3 ${lc3 ? "(liblc3)" : "off: apt-get install liblc3-0"}`,
    "Next, each in a terminal of its own:",
    `  ${commandLine("captions")}`,
    `  ${commandLine('glasses --app browline.captions --say "turn on the lights"')}`,
    `An app of yours: ${commandLine("apps add PACKAGE URL")}. Ctrl-C ends the server.`,
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
