import { limits } from "../../src/kernel/limits.ts";
import { randomOf } from "../support/seeded-random.ts";
import { until } from "../support/until.ts";
import { AppSeat } from "./app-seat.ts";
import { ChaosServer } from "./chaos-server.ts";
import { ChaosUser } from "./chaos-user.ts";
import { ClientJournal } from "./client-journal.ts";
import { sumOf } from "./metric-sample.ts";
import { PressLedger } from "./press-ledger.ts";
import { SdkLikeApp } from "./sdk-like-app.ts";

export interface StormOptions {
  readonly seed: number;
  readonly sessions: number;
  /** Times that the server is killed. */
  readonly rounds: number;
  readonly log: boolean;
}

/** How one return of everybody went. Times in milliseconds. */
export interface StormRound {
  /** From the start of the new process until it listened. */
  readonly startMs: number;
  /** From the start of the new process until 99 % of the glasses were acknowledged. */
  readonly glassesMs: number;
  /** The same for the apps, and until the server said that it knew what they listen to. */
  readonly appsMs: number;
  /** Apps that were not back at the end of the time that was given. */
  readonly missing: number;
  /** How late the main loop was, from its first turn until everybody was back. */
  readonly lag: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Processor time of the main thread meanwhile. */
  readonly workedMs: number;
  /** Reads from the database, those of the start included, for each socket that came back. */
  readonly readsPerReconnect: number;
  /** Webhooks that the server sent. */
  readonly webhooks: number;
  /** Presses made before the kill, or after the return, that have not arrived. */
  readonly lost: number;
  readonly residentMiB: number;
}

const packages = ["com.example.storm.one", "com.example.storm.two"] as const;
/** Apps whose servers can share what is to be done: as many as there would be in life. */
const beginMs = 60_000;
const returnMs = 60_000;
/** What was confirmed so long before the kill has been committed. */
const commitMs = 750;

/** Kills a server with many sessions and lets everybody return at once. @param say receives a line now and then. */
export async function runStorm(options: StormOptions, say: (line: string) => void): Promise<StormRound[]> {
  const { sessions, rounds, log, seed } = options;
  const server = await ChaosServer.prepare({
    speed: 1,
    log,
    maxSessions: sessions + 10,
    publicUrl: (port) => `http://127.0.0.1:${port}`,
  });
  const users: ChaosUser[] = [];
  const apps: SdkLikeApp[] = [];
  try {
    await server.start();
    for (const [index, packageName] of packages.entries()) {
      const app = new SdkLikeApp(packageName, 1);
      app.apiKey = await server.register(packageName, app.url, index === 0 ? "standard" : "background");
      apps.push(app);
    }
    for (let i = 0; i < sessions; i++)
      users.push(await makeUser(server, apps, `user${i}@example.com`, seed + i));
    for (const [index, user] of users.entries()) setTimeout(() => user.start(), index * 10);
    await until("everybody to be there", () => users.every(isBack), beginMs);
    const results: StormRound[] = [];
    for (let round = 0; round < rounds; round++) {
      results.push(await performRound(server, users));
      say(`round ${round + 1} of ${rounds} is over`);
    }
    return results;
  } finally {
    for (const user of users) user.close();
    for (const app of apps) app.close();
    await server.close();
  }
}

async function makeUser(
  server: ChaosServer,
  apps: readonly SdkLikeApp[],
  userId: string,
  seed: number,
): Promise<ChaosUser> {
  const journal = new ClientJournal(performance.now());
  const { appGraceMs, sessionGraceMs } = limits;
  const rules = { duplicateMs: 1_250, settledMs: 2_000, appGraceMs, sessionGraceMs };
  const seats = apps.map((app, index) => {
    const streams = ["button_press", ...(index === 0 ? ["transcription:en-US"] : [])];
    const ledger = new PressLedger(rules, (problem) => journal.note(problem));
    const seat = new AppSeat({
      userId,
      packageName: app.packageName,
      ledger,
      journal,
      lane: undefined,
      streams,
    });
    app.seat(seat);
    return seat;
  });
  return new ChaosUser({
    userId,
    token: await server.token(userId),
    url: server.url,
    seats,
    journal,
    random: randomOf(seed),
    speed: 1,
    pressesPerSecond: 0,
    speaks: false,
    onMicrophone: () => {},
    onForgotten: () => {},
  });
}

async function performRound(server: ChaosServer, users: readonly ChaosUser[]): Promise<StormRound> {
  const seats = users.flatMap((user) => user.seats);
  // One press that is committed, and then a little quiet.
  await pause(3_000);
  for (const user of users) user.press();
  await until("the presses to be confirmed", () => users.every(({ settled }) => settled), 10_000);
  await pause(2 * commitMs);
  const acksBefore = new Map(seats.map((seat) => [seat, seat.acks]));
  await server.kill();
  for (const { ledger } of seats) ledger.serverDied(performance.now(), performance.now() - commitMs);
  const beganMs = performance.now();
  const startMs = await server.start();
  for (const user of users) user.dial();
  const glassesBackMs = new Map<ChaosUser, number>();
  const appsBackMs = new Map<AppSeat, number>();
  const look = () => {
    for (const user of users) {
      if (!user.connected || (user.connectedMs ?? 0) < beganMs) continue;
      if (!glassesBackMs.has(user)) glassesBackMs.set(user, (user.connectedMs ?? 0) - beganMs);
      for (const seat of user.seats) {
        const isNew = seat.ackedMs !== undefined && seat.acks > (acksBefore.get(seat) ?? 0);
        if (isNew && user.knows(seat) && !appsBackMs.has(seat)) {
          appsBackMs.set(seat, performance.now() - beganMs);
        }
      }
    }
    return glassesBackMs.size === users.length && appsBackMs.size === seats.length;
  };
  await until("everybody to be back", look, returnMs).catch(() => {});
  const { p50, p99, max, workedMs } = await server.lag();
  const samples = await server.metrics();
  await pause(3_000);
  for (const user of users) user.press();
  const isComplete = () => seats.every(({ ledger }) => ledger.isComplete);
  await until("the presses to arrive", isComplete, 10_000).catch(() => {});
  const lost = seats.reduce((sum, { ledger }) => {
    ledger.close(performance.now());
    return sum + ledger.takeLost();
  }, 0);
  return {
    startMs,
    glassesMs: share(users.length, [...glassesBackMs.values()]),
    appsMs: share(seats.length, [...appsBackMs.values()]),
    missing: seats.length - appsBackMs.size,
    lag: { p50, p99, max },
    workedMs,
    readsPerReconnect: sumOf(samples, "browline_store_reads_total") / (users.length + seats.length),
    webhooks: sumOf(samples, "browline_webhooks_total", { kind: "start" }),
    lost,
    residentMiB: (server.residentBytes() ?? 0) / 2 ** 20,
  };
}

function isBack(user: ChaosUser): boolean {
  return user.connected && user.seats.every((seat) => seat.ackedMs !== undefined && user.knows(seat));
}

/** When 99 % of `all` were back; infinity: never. */
function share(all: number, timesMs: number[]): number {
  const sorted = [
    ...timesMs,
    ...Array.from({ length: all - timesMs.length }, () => Number.POSITIVE_INFINITY),
  ];
  sorted.sort((a, b) => a - b);
  return sorted[Math.ceil(0.99 * all) - 1] ?? Number.NaN;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
