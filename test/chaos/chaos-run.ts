import { freePort } from "../../src/simulator/app-process.ts";
import { randomOf, type SeededRandom } from "../support/seeded-random.ts";
import { until } from "../support/until.ts";
import { AppSeat } from "./app-seat.ts";
import type { ChaosOptions } from "./chaos-options.ts";
import { ChaosServer } from "./chaos-server.ts";
import { hurriedLimits } from "./chaos-time.ts";
import { ChaosUser } from "./chaos-user.ts";
import { ClientJournal } from "./client-journal.ts";
import { FaultDirector } from "./fault-director.ts";
import { FaultLane } from "./fault-lane.ts";
import { planFaults } from "./fault-plan.ts";
import { Judge } from "./judge.ts";
import { MemoryTrend } from "./memory-trend.ts";
import type { MetricSample } from "./metric-sample.ts";
import { type LedgerRules, PressLedger } from "./press-ledger.ts";
import { SdkLikeApp } from "./sdk-like-app.ts";
import { SdkSeats } from "./sdk-seats.ts";
import { Watch } from "./watch.ts";

/** What came of a run. */
export interface ChaosResult {
  readonly judge: Judge;
  /** Figures to print, by name. */
  readonly figures: Readonly<Record<string, number | string>>;
}

const standardApps = 2;
const backgroundApps = 4;
/** Lanes of each user's apps: one in the foreground, one beside it. */
const seatsEach = 2;
const pressesPerSecond = 1;
const sdkPackage = "com.example.chaos.sdk";
/** The server asks for a confirmation every 250 ms; the rest is what a busy machine may take for it. */
const duplicateMs = 2_500;
/** What was confirmed so long ago is committed. */
const commitMs = 500;
/** How long a server may take after the death of its store until it commits again what came meanwhile. */
const storeBackMs = 4_000;
const warmUpMs = 45_000;
/** Over less the memory of a collected heap says nothing. */
const leastTrendMinutes = 1;
/** What a working server's memory may grow for certain, in MiB: once, and in a minute. */
const mostGrownMiB = 30;
const mostGrowthMiB = 0.1;

/**
 * Lets many users live with a server through a bad time, and sees to it that every promise is kept.
 * @param say receives a line now and then.
 */
export async function runChaos(options: ChaosOptions, say: (line: string) => void): Promise<ChaosResult> {
  const run = new ChaosRun(options, say);
  try {
    return await run.perform();
  } finally {
    await run.close();
  }
}

class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #say: (line: string) => void;
  readonly #random: SeededRandom;
  readonly #startMs = performance.now();
  readonly #judge = new Judge();
  readonly #memory = new MemoryTrend();
  readonly #limits;
  readonly #rules: LedgerRules;
  readonly #users: ChaosUser[] = [];
  readonly #apps: SdkLikeApp[] = [];
  readonly #lanes: FaultLane[] = [];
  readonly #startsMs: number[] = [];
  #sdkLane: FaultLane | undefined;
  #sdkSeats: SdkSeats | undefined;
  #server: ChaosServer | undefined;
  #director: FaultDirector | undefined;
  #watch: Watch | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #poller: Promise<void> | undefined;
  #over = false;
  #lastMetrics: readonly MetricSample[] = [];

  constructor(options: ChaosOptions, say: (line: string) => void) {
    this.#options = options;
    this.#say = say;
    this.#random = randomOf(options.seed);
    this.#limits = hurriedLimits(options.speed);
    const { appGraceMs, sessionGraceMs } = this.#limits;
    this.#rules = { duplicateMs, settledMs: 2_000, appGraceMs, sessionGraceMs };
  }

  async perform(): Promise<ChaosResult> {
    const { minutes, users, speed, kills, forgets } = this.#options;
    const server = await this.#startServer();
    await this.#makeApps(server);
    await this.#makeUsers(server);
    const plan = planFaults(this.#random, {
      users,
      seats: seatsEach,
      apps: this.#apps.length,
      lengthMs: minutes * 60_000,
      speed,
      kills,
    });
    const director = new FaultDirector({
      plan,
      forgets,
      server,
      users: this.#users,
      apps: this.#apps,
      sharedLane: this.#sdkLane,
      nextStreams: (seat) => this.#streams(seat),
      onServerDown: (...end) => this.#serverDown(...end),
      onServerUp: (startedInMs) => this.#serverUp(startedInMs),
      onServerTroubled: () => this.#watch?.serverTroubled(),
    });
    this.#director = director;
    this.#watch = new Watch({
      server,
      users: this.#users,
      judge: this.#judge,
      director,
      limits: this.#limits,
      now: () => performance.now(),
      appIsUp: (packageName) => this.#apps.find((app) => app.packageName === packageName)?.isUp ?? true,
    });
    this.#ticker = setInterval(() => this.#tick(), 250);
    for (const [index, user] of this.#users.entries()) setTimeout(() => user.start(), index * 10);
    await this.#everybodyIsThere("at the beginning", 30_000);
    this.#say(
      `${users} users are there; ${plan.length} faults in ${minutes} min, time runs ${speed} times as fast`,
    );
    server.onCrash = (exitCode) => this.#judge.report(`the server has ended by itself with ${exitCode}`);
    this.#poller = this.#poll(server);
    director.start();
    const endMs = performance.now() + minutes * 60_000;
    while (performance.now() < endMs && !this.#isEnough) await this.#pause(100);
    if (this.#isEnough) return { judge: this.#judge, figures: this.#figures() };
    this.#say("the faults are over");
    await director.calm();
    await this.#everybodyIsThere("after the faults", 30_000 + this.#limits.parkedMs);
    await this.#everythingArrives();
    return { judge: this.#judge, figures: this.#figures() };
  }

  async close(): Promise<void> {
    this.#over = true;
    clearInterval(this.#ticker);
    await this.#poller;
    await this.#director?.calm();
    for (const user of this.#users) user.close();
    for (const app of this.#apps) app.close();
    await this.#sdkSeats?.close();
    for (const lane of this.#lanes) lane.close();
    await this.#server?.close();
  }

  /** Whether what was to be found out is found out. */
  get #isEnough(): boolean {
    return this.#options.stopsEarly && this.#judge.count > 0;
  }

  async #startServer(): Promise<ChaosServer> {
    const { speed, users, log } = this.#options;
    const server = await ChaosServer.prepare({
      speed,
      log,
      maxSessions: users + 10,
      // Apps that dial what the server tells them come through this lane; the others have lanes of their own.
      publicUrl: async (port) => {
        this.#sdkLane = await this.#lane(port);
        return this.#sdkLane.url;
      },
    });
    this.#server = server;
    this.#startsMs.push(await server.start());
    return server;
  }

  async #makeApps(server: ChaosServer): Promise<void> {
    const { speed, sdkUsers } = this.#options;
    for (let i = 0; i < standardApps + backgroundApps; i++) {
      const type = i < standardApps ? "standard" : "background";
      const app = new SdkLikeApp(`com.example.chaos.${type}${i}`, speed);
      app.apiKey = await server.register(app.packageName, app.url, type);
      app.onClosed = (seat, code) => {
        const user = this.#users.find(({ userId }) => userId === seat.userId);
        if (user !== undefined) this.#watch?.appClosed(user, seat, code);
      };
      this.#apps.push(app);
    }
    if (sdkUsers === 0) return;
    const port = await freePort();
    const apiKey = await server.register(sdkPackage, `http://127.0.0.1:${port}`, "background");
    this.#sdkSeats = await SdkSeats.start(sdkPackage, apiKey, port);
  }

  async #makeUsers(server: ChaosServer): Promise<void> {
    const random = this.#random;
    const { users, speed, sdkUsers } = this.#options;
    for (let i = 0; i < users; i++) {
      const userId = `user${i}@example.com`;
      const journal = new ClientJournal(this.#startMs);
      const speaks = i % 25 === 0;
      const apps = [
        this.#apps[random.integer(0, standardApps - 1)],
        this.#apps[random.integer(standardApps, standardApps + backgroundApps - 1)],
      ];
      const seats: AppSeat[] = [];
      for (const app of apps) {
        if (app === undefined) continue;
        const lane = await this.#lane(server.port, random);
        const hears = seats.length === 0 ? ["transcription:en-US"] : speaks ? ["audio_chunk"] : [];
        seats.push(this.#seat(userId, app.packageName, journal, lane, ["button_press", ...hears]));
        const seat = seats.at(-1);
        if (seat !== undefined) app.seat(seat);
      }
      if (i < sdkUsers && this.#sdkSeats !== undefined) {
        const seat = this.#seat(userId, sdkPackage, journal, undefined, ["button_press"]);
        this.#sdkSeats.seat(seat);
        seats.push(seat);
      }
      const lane = await this.#lane(server.port, random);
      const user: ChaosUser = new ChaosUser({
        userId,
        token: await server.token(userId),
        url: lane.url,
        lane,
        seats,
        journal,
        random: randomOf(random.integer(0, 2 ** 31)),
        speed,
        pressesPerSecond,
        speaks,
        onMicrophone: (whose, on) => this.#watch?.microphone(whose, on),
        onForgotten: (whose, seat, sinceMs) => this.#watch?.forgotten(whose, seat, sinceMs),
      });
      this.#users.push(user);
    }
  }

  /** @param random decides whether it is one of the few lanes with a proxy that has views of its own. */
  async #lane(serverPort: number, random?: SeededRandom): Promise<FaultLane> {
    const isOdd = random?.chance(0.05) === true;
    const idleMs = 60_000 / this.#options.speed;
    const lane = await FaultLane.open({ serverPort, ...(isOdd && { swallowsPongs: true, idleMs }) });
    this.#lanes.push(lane);
    return lane;
  }

  #seat(
    userId: string,
    packageName: string,
    journal: ClientJournal,
    lane: FaultLane | undefined,
    streams: readonly string[],
  ): AppSeat {
    const onProblem = (problem: string) => this.#judge.report(`${packageName}: ${problem}`, userId, journal);
    const ledger = new PressLedger(this.#rules, onProblem, lane?.swallowsPongs);
    ledger.onPardon = (press, pardon) => journal.note(`${packageName}: press ${press} is missing: ${pardon}`);
    const seat = new AppSeat({ userId, packageName, ledger, journal, lane, streams });
    if (lane !== undefined) {
      lane.onIdleCut = () => {
        journal.note(`${packageName}: cut for being idle`);
        seat.ledger.appAway(performance.now());
        this.#director?.troubled(lane);
      };
    }
    return seat;
  }

  /** What an app listens to from now on: the buttons always, speech now and then. */
  #streams({ streams }: AppSeat): readonly string[] {
    const others = ["transcription:en-US", "head_position", "phone_battery_update"];
    const sound = streams.includes("audio_chunk") ? ["audio_chunk"] : [];
    return ["button_press", ...sound, ...others.filter(() => this.#random.chance(0.35))];
  }

  #tick(): void {
    for (const lane of this.#lanes) lane.tick();
    this.#sdkSeats?.read();
    this.#watch?.tick();
  }

  async #poll(server: ChaosServer): Promise<void> {
    for (let round = 0; !this.#over; round++) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const bytes = server.residentBytes();
      if (bytes === undefined || !server.isUp) continue;
      this.#memory.add(performance.now(), bytes);
      try {
        this.#watch?.sessions(await server.sessions());
        this.#lastMetrics = await server.metrics();
      } catch {
        // It is being killed just now, or stands still: whether it is back in time, others see.
        continue;
      }
      if (round % 15 === 0) this.#say(this.#progress(bytes));
    }
  }

  #progress(bytes: number): string {
    const connected = this.#users.filter(({ connected }) => connected).length;
    const seats = this.#users.flatMap((user) => user.seats);
    const acked = seats.filter(({ ackedMs }) => ackedMs !== undefined).length;
    const arrived = seats.reduce((sum, { ledger }) => sum + ledger.counts.arrived, 0);
    const second = ((performance.now() - this.#startMs) / 1000).toFixed(0);
    return `${second.padStart(5)} s  ${connected} glasses, ${acked} of ${seats.length} apps, ${arrived} presses arrived, ${(bytes / 2 ** 20).toFixed(0)} MiB, ${this.#judge.count} violations`;
  }

  #serverDown(how: "kill" | "drain", sinceStoreDiedMs: number): void {
    const now = performance.now();
    // While nothing can be committed, service goes on without, which the server tells.
    const uncommittedMs = now - (sinceStoreDiedMs < storeBackMs ? sinceStoreDiedMs : 0) - commitMs;
    this.#watch?.serverTroubled();
    this.#memory.restart();
    for (const user of this.#users) {
      user.troubled();
      for (const { ledger } of user.seats) {
        ledger.appAway(now);
        if (how === "kill") ledger.serverDied(now, uncommittedMs);
      }
    }
  }

  #serverUp(startedInMs: number): void {
    this.#startsMs.push(startedInMs);
    this.#watch?.serverTroubled();
  }

  async #everybodyIsThere(when: string, timeoutMs: number): Promise<void> {
    const missing = () =>
      this.#users.flatMap((user) => [
        ...(user.connected ? [] : [{ user, what: "the glasses are" }]),
        ...user.seats
          .filter((seat) => seat.wanted && (seat.ackedMs === undefined || !user.knows(seat)))
          .map((seat) => ({ user, what: `${seat.packageName} is` })),
      ]);
    try {
      await until("everybody", () => missing().length === 0, timeoutMs);
    } catch {
      const sessions = (await this.#server?.sessions().catch(() => undefined)) ?? [];
      for (const { user, what } of missing()) {
        const session = sessions.find(({ userId }) => userId === user.userId);
        user.journal.note(`the server has ${session?.state} with ${JSON.stringify(session?.apps)}`);
        this.#judge.report(`${what} not there ${when}, after ${timeoutMs} ms`, user.userId, user.journal);
      }
    }
  }

  /** One last press of everybody, which must arrive with all before it. */
  async #everythingArrives(): Promise<void> {
    for (const user of this.#users) user.rest();
    // The user's last change of mind is to be old news.
    await this.#pause(3_000);
    for (const user of this.#users) user.press();
    const open = () =>
      this.#users.filter(
        (user) => !user.settled || user.seats.some((seat) => seat.wanted && !seat.ledger.isComplete),
      );
    await until("the last presses", () => open().length === 0, 10_000).catch(() => {});
    for (const user of this.#users) for (const { ledger } of user.seats) ledger.close(performance.now());
    const grown = this.#memory.grownAfter(warmUpMs);
    if (
      grown !== undefined &&
      grown.minutes >= leastTrendMinutes &&
      grown.certain > mostGrownMiB / grown.minutes + mostGrowthMiB
    ) {
      this.#judge.report(`the server's memory grows by ${grown.perMinute.toFixed(1)} MiB a minute`);
    }
  }

  #figures(): Record<string, number | string> {
    const ledgers = this.#users.flatMap((user) => user.seats.map(({ ledger }) => ledger.counts));
    const sum = (of: (counts: (typeof ledgers)[number]) => number) =>
      ledgers.reduce((total, counts) => total + of(counts), 0);
    const pardons = Object.keys(ledgers[0]?.pardoned ?? {}) as (keyof (typeof ledgers)[number]["pardoned"])[];
    const grown = this.#memory.grownAfter(warmUpMs);
    return {
      "presses owed to apps": sum(({ owed }) => owed),
      "of those confirmed": sum(({ confirmed }) => confirmed),
      arrived: sum(({ arrived }) => arrived),
      duplicates: sum(({ duplicates }) => duplicates),
      "oldest of them, ms before a loss": Math.max(
        ...ledgers.map(({ oldestDuplicateMs }) => oldestDuplicateMs),
      ),
      ...Object.fromEntries(
        pardons.map((pardon) => [`missing: ${pardon}`, sum(({ pardoned }) => pardoned[pardon])]),
      ),
      ...Object.fromEntries(
        Object.entries(this.#director?.done ?? {}).map(([kind, count]) => [`faults: ${kind}`, count]),
      ),
      "server starts, ms until it listened": this.#startsMs.map((ms) => ms.toFixed(0)).join(" "),
      ...this.#counted("browline_messages_dropped_total"),
      ...this.#counted("browline_errors_total"),
      ...this.#counted("browline_sessions_resumed_total"),
      ...this.#counted("browline_journal_events_unkept_total"),
      ...(grown && {
        "memory at the end, MiB": grown.lastMiB.toFixed(0),
        "memory trend, MiB/min": `${grown.perMinute.toFixed(2)} over ${grown.minutes.toFixed(1)} min`,
      }),
    };
  }

  /** What the last process of the server has counted, by labels. */
  #counted(name: string): Record<string, number> {
    const samples = this.#lastMetrics.filter((sample) => sample.name === name && sample.value > 0);
    const words = (labels: MetricSample["labels"]) => Object.values(labels).join(" ");
    const short = name.replace(/^browline_|_total$/g, "").replaceAll("_", " ");
    return Object.fromEntries(samples.map(({ labels, value }) => [`${short}: ${words(labels)}`, value]));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}
