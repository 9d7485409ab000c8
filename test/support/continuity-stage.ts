import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { freePort } from "../../src/simulator/app-process.ts";
import { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { SqliteDatabase } from "../../src/store/sqlite-database.ts";
import type { Resume } from "../../src/wire/apps.ts";
import type { SessionSnapshot, ToGlasses } from "../../src/wire/glasses.ts";
import {
  type ContinuityApps,
  type Listener,
  listeners,
  ofEach,
  packageOf,
  sdkRuntimes,
} from "./continuity-apps.ts";
import { KillableServer } from "./killable-server.ts";
import { passedPresses } from "./passed-presses.ts";
import { SocketCutter } from "./socket-cutter.ts";
import { until } from "./until.ts";

const tokenSecret = "secret of the tests, long enough";
const pressEveryMs = 20;
/** What may take long on a machine that is busy with other tests. */
export const patienceMs = 30_000;

export interface ContinuityOptions {
  /** A file in `test/support` that breaks the server. */
  readonly fault?: string;
  readonly recogniser?: "auto" | "off";
}

let stages = 0;

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * A server in a process of its own, glasses that dial again whenever they are lost and press a button 50 times a second,
 * and apps that hear it through a cutter.
 */
export class ContinuityStage {
  readonly email: string;
  readonly apps: ContinuityApps;
  readonly cutter: SocketCutter;
  readonly glasses: SimulatedGlasses;
  readonly dataDir: string;
  /** When each press was sent, as of `performance.now()`; their counters begin at 1. */
  readonly pressedAtMs: number[] = [Number.NEGATIVE_INFINITY];
  /** Of each answer to a ping that the glasses got while they pressed: which press the server had read by then, and when. */
  readonly read: { readonly press: number; readonly atMs: number }[] = [];
  /** What the glasses have been sent over their present socket. */
  messages: ToGlasses[] = [];
  /** Codes with which glasses' sockets were closed. */
  readonly closeCodes: number[] = [];
  server: KillableServer;
  #snapshot: SessionSnapshot | undefined;
  #port: number;
  #options: ContinuityOptions;
  #pressing: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  private constructor(
    apps: ContinuityApps,
    parts: {
      readonly email: string;
      readonly token: string;
      readonly cutter: SocketCutter;
      readonly dataDir: string;
      readonly port: number;
      readonly server: KillableServer;
      readonly options: ContinuityOptions;
    },
  ) {
    this.apps = apps;
    this.email = parts.email;
    this.cutter = parts.cutter;
    this.dataDir = parts.dataDir;
    this.server = parts.server;
    this.#port = parts.port;
    this.#options = parts.options;
    this.glasses = new SimulatedGlasses({
      url: `http://127.0.0.1:${parts.port}`,
      token: parts.token,
      background: "none",
      events: {
        onMessage: (message) => this.#receive(message as ToGlasses),
        onClose: (code) => {
          this.closeCodes.push(code);
          this.messages = [];
          void this.#dial();
        },
      },
    });
  }

  static async open(apps: ContinuityApps, options: ContinuityOptions = {}): Promise<ContinuityStage> {
    const dataDir = mkdtempSync(join(tmpdir(), "browline-continuity-"));
    const database = new SqliteDatabase(join(dataDir, "browline.db"));
    for (const record of apps.records) database.saveApp(record);
    database.close();
    const port = await freePort();
    const cutter = await SocketCutter.open(port);
    const email = `ann-marie.${++stages}@ex-ample.com`;
    const token = await mintCoreToken(tokenSecret, email);
    const server = await ContinuityStage.#start(dataDir, port, cutter, options);
    return new ContinuityStage(apps, { email, token, cutter, dataDir, port, server, options });
  }

  static #start(
    dataDir: string,
    port: number,
    cutter: SocketCutter,
    { fault, recogniser = "off" }: ContinuityOptions,
  ): Promise<KillableServer> {
    return KillableServer.start({
      port,
      dataDir,
      ...(fault !== undefined && { fault }),
      settings: {
        BROWLINE_PUBLIC_URL: cutter.url,
        BROWLINE_TOKEN_SECRET: tokenSecret,
        BROWLINE_RECOGNISER: recogniser,
      },
    });
  }

  /** The glasses are put on and all apps started. Resolves when these hear what is pressed. */
  async begin(): Promise<void> {
    await this.glasses.connect();
    for (const listener of listeners) this.glasses.startApp(packageOf(listener));
    await this.everybodyListens();
  }

  /** Resolves when every app has a socket and the server knows what it listens to. */
  async everybodyListens(): Promise<void> {
    await until(
      "all apps to listen",
      () =>
        this.glasses.connected &&
        listeners.every(
          (listener) =>
            this.cutter.isConnected(packageOf(listener)) &&
            this.#snapshot?.appSubscriptions[packageOf(listener)]?.includes("button_press"),
        ),
      patienceMs,
    );
  }

  /** Resolves with the first message of this type over the present socket of the glasses. */
  message<Type extends ToGlasses["type"]>(type: Type): Promise<Extract<ToGlasses, { type: Type }>> {
    const is = (message: ToGlasses): message is Extract<ToGlasses, { type: Type }> => message.type === type;
    return until(`a ${type}`, () => this.messages.find(is), patienceMs);
  }

  /** An app is cut off, and the button pressed so many times until the other apps have heard it. */
  async cutOff(listener: Listener, presses: number): Promise<void> {
    const last = this.pressed + presses;
    this.cutter.cut(packageOf(listener), 0);
    const others = listeners.filter((other) => other !== listener);
    const heard = (other: Listener) => passedPresses(this.cutter.passed, packageOf(other)).highest;
    await until("the others to hear", () => others.every((other) => heard(other) >= last), patienceMs);
  }

  /** Presses that are owed to every app after a server was killed: those up to the last that was kept or has got out. */
  get highestKept(): number {
    const kept = Object.values(this.kept()).flat();
    const out = listeners.map((listener) => passedPresses(this.cutter.passed, packageOf(listener)).highest);
    return Math.max(0, ...kept, ...out);
  }

  /** Resolves when the server recognises speech and wants to hear it. */
  async speechReady(): Promise<void> {
    const available = async () => (await this.server.health()).speech === true && this.glasses.microphoneOn;
    await until("the recogniser", available, patienceMs);
  }

  /** From now on the button is pressed 50 times a second, while the glasses are connected. */
  startPressing(): void {
    let dueMs = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      for (; dueMs <= now; dueMs += pressEveryMs) this.#press(now);
    }, pressEveryMs / 2);
    this.#pressing = timer;
    void this.#watchReading(timer);
  }

  /** Since when the oldest press has been read by the server that comes after this one; undefined: none has. */
  readSinceMs(after: number): number | undefined {
    return this.read.find(({ press }) => press > after)?.atMs;
  }

  stopPressing(): void {
    clearInterval(this.#pressing);
    this.#pressing = undefined;
  }

  /** The counter of the last press. */
  get pressed(): number {
    return this.pressedAtMs.length - 1;
  }

  /** All counters up to the last press. */
  get allPresses(): number[] {
    return Array.from({ length: this.pressed }, (_, i) => i + 1);
  }

  /** Presses once more and waits until every app has heard that, behind which nothing is to come. */
  async settle(): Promise<void> {
    await until("the glasses to be connected", () => this.glasses.connected, patienceMs);
    this.#press(performance.now());
    const last = this.pressed;
    await until(
      "every app to have heard the last press",
      () => listeners.every((listener) => this.presses(listener).at(-1) === last),
      patienceMs,
    );
  }

  presses(listener: Listener): number[] {
    return this.apps.presses(listener, this.email);
  }

  /** What the counting app was told at each acknowledgement. */
  get told(): Resume[] {
    return this.apps
      .messages(this.email)
      .flatMap((message) => (message.type === "tpa_connection_ack" ? [message.resume] : []));
  }

  /** How many events the counting app was told that it had missed. */
  get toldLost(): number {
    return Math.max(...this.told.map(({ lost }) => lost));
  }

  /** Presses that the data folder holds for each app: committed, and not confirmed. For when no server runs. */
  kept(): Readonly<Record<Listener, readonly number[]>> {
    const database = new Database(join(this.dataDir, "browline.db"), { readonly: true });
    try {
      return ofEach((listener) =>
        database
          .query<{ body: string }, [string, string]>(
            "SELECT body FROM event WHERE user_id = ? AND package_name = ? ORDER BY seq",
          )
          .all(this.email, packageOf(listener))
          .map(({ body }) => JSON.parse(body))
          .filter(({ streamType }) => streamType === "button_press")
          .map(({ data }) => Number(data.buttonId)),
      );
    } finally {
      database.close();
    }
  }

  /** Starts the next server on the same port and data. Resolves when it listens. */
  async restart(): Promise<void> {
    this.server = await ContinuityStage.#start(this.dataDir, this.#port, this.cutter, this.#options);
  }

  /** How often the handlers of an SDK app have been set up anew. */
  sessionsBegun(): number[] {
    return sdkRuntimes.map(
      (runtime) => this.apps.reports(runtime, this.email).filter(({ kind }) => kind === "ready").length,
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.stopPressing();
    this.glasses.close();
    await this.server.kill();
    await this.cutter.close();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  #press(atMs: number): void {
    // Phones throw away what happens while they are not connected.
    if (!this.glasses.connected) return;
    this.pressedAtMs.push(atMs);
    this.glasses.pressButton("short", String(this.pressed));
  }

  async #watchReading(timer: unknown): Promise<void> {
    while (!this.#closed && this.#pressing === timer) {
      const press = this.pressed;
      if (this.glasses.connected) await this.glasses.roundTrip();
      if (this.glasses.connected) this.read.push({ press, atMs: performance.now() });
      await pause(5);
    }
  }

  #receive(message: ToGlasses): void {
    if ("userSession" in message && message.userSession !== undefined) this.#snapshot = message.userSession;
    this.messages.push(message);
  }

  async #dial(): Promise<void> {
    while (!this.#closed && !this.glasses.connected) {
      await pause(20);
      try {
        await this.glasses.connect();
      } catch {
        // Nobody is there yet.
      }
    }
  }
}
