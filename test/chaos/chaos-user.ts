import { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { AppSeat } from "./app-seat.ts";
import type { ClientJournal } from "./client-journal.ts";
import type { FaultLane } from "./fault-lane.ts";

export interface ChaosUserParts {
  readonly userId: string;
  readonly token: string;
  /** The server's address, or its lane's. */
  readonly url: string;
  readonly lane?: FaultLane | undefined;
  readonly seats: readonly AppSeat[];
  readonly journal: ClientJournal;
  readonly random: SeededRandom;
  readonly speed: number;
  /** On average; 0: only when told to. */
  readonly pressesPerSecond: number;
  /** Whether sound is sent while the microphone is on. */
  readonly speaks: boolean;
  readonly onMicrophone: (user: ChaosUser, on: boolean) => void;
  /** The glasses have come back, and the server says nothing any more of an app that it had listed since `sinceMs`. */
  readonly onForgotten: (user: ChaosUser, seat: AppSeat, sinceMs: number) => void;
}

type Subscriptions = Readonly<Record<string, readonly string[]>>;

/** The phone dials again after this long, and gives a connection up on which a pong is later than this. */
const phoneMs = 5_000;
/** However fast time runs, the machine that all this runs on may stand still for a while. */
const leastPatienceMs = 2_500;
const pingMs = 700;
const insistMs = 2_000;

/** A user with glasses: presses numbered buttons, and comes back whenever the connection is lost. */
export class ChaosUser {
  readonly userId: string;
  readonly lane: FaultLane | undefined;
  readonly seats: readonly AppSeat[];
  readonly journal: ClientJournal;
  readonly #parts: ChaosUserParts;
  readonly #glasses: SimulatedGlasses;
  #presses = 0;
  #confirmed = 0;
  /** Changes with every connection and loss. */
  #epoch = 0;
  /** What the apps listen to as the server has told, and since when it has said so. */
  #told = new Map<string, { readonly streams: readonly string[]; readonly sinceMs: number }>();
  #started = false;
  /** Apps that the user has started and not seen running since: one that does not come is started again. */
  readonly #awaited = new Set<AppSeat>();
  #pressing = true;
  #closed = false;
  #redial: ReturnType<typeof setTimeout> | undefined;
  #nextPress: ReturnType<typeof setTimeout> | undefined;
  #pinger: ReturnType<typeof setInterval> | undefined;
  #insister: ReturnType<typeof setInterval> | undefined;
  #pinging = false;
  #saidOn = false;
  /** When the glasses were last acknowledged; undefined while they are not connected. */
  connectedMs: number | undefined;
  /** When they were lost before that. */
  lostMs = performance.now();
  /** For how long they had been away before that, in milliseconds. */
  lastAwayMs = 0;
  /** When the server last changed its mind about the microphone, on this connection. */
  microphoneMs = performance.now();
  /** How often they have dialled: each may have reached the server, whatever the glasses have heard of it. */
  dials = 0;

  constructor(parts: ChaosUserParts) {
    const { userId, token, url, lane, seats, journal, speaks } = parts;
    this.#parts = parts;
    this.userId = userId;
    this.lane = lane;
    this.seats = seats;
    this.journal = journal;
    this.#glasses = new SimulatedGlasses({
      url,
      token,
      background: speaks ? "noise" : "none",
      seed: parts.random.integer(1, 1_000_000),
      events: {
        onAck: ({ userSession }) => this.#acknowledged(userSession?.appSubscriptions ?? {}),
        onAppState: ({ userSession }) => this.#heardOfApps(userSession.appSubscriptions),
        onMicrophone: (on) => {
          // It is said again and again while it stays on.
          if (on !== this.#saidOn) {
            this.microphoneMs = performance.now();
            journal.note(`microphone ${on ? "on" : "off"}`);
          }
          this.#saidOn = on;
          parts.onMicrophone(this, on);
        },
        onMessage: (message) => {
          if (message.type === "app_stopped") journal.note(JSON.stringify(message));
        },
        onClose: (code, reason) => this.#lost(code, reason),
      },
    });
  }

  get connected(): boolean {
    return this.connectedMs !== undefined;
  }

  get microphoneOn(): boolean {
    return this.#glasses.microphoneOn;
  }

  get speaks(): boolean {
    return this.#parts.speaks;
  }

  get presses(): number {
    return this.#presses;
  }

  /** Whether the server has confirmed every press. */
  get settled(): boolean {
    return this.#confirmed === this.#presses;
  }

  /** Whether the server has told that it knows of an app's handler for buttons. */
  knows(seat: AppSeat): boolean {
    return this.toldOf(seat)?.streams.includes("button_press") === true;
  }

  /** What the server says that an app listens to, and since when it has said so. */
  toldOf({
    packageName,
  }: AppSeat): { readonly streams: readonly string[]; readonly sinceMs: number } | undefined {
    return this.#told.get(packageName);
  }

  /** Puts the glasses on: from now on they connect, and come back. */
  start(): void {
    this.dial();
    this.#pinger = setInterval(() => void this.#ping(), pingMs);
    this.#insister = setInterval(() => this.#insist(), insistMs);
    this.#pressSoon();
  }

  /** Dials now, as it otherwise does a while after each loss. */
  dial(): void {
    if (this.#closed) return;
    clearTimeout(this.#redial);
    this.dials++;
    const patience = setTimeout(() => this.#glasses.drop(), this.#patienceMs);
    this.#glasses
      .connect()
      .catch(() => this.#dialLater())
      .finally(() => clearTimeout(patience));
  }

  /** Presses nothing any more by itself. */
  rest(): void {
    this.#pressing = false;
    clearTimeout(this.#nextPress);
  }

  /** Presses a button now, if the glasses are connected. */
  press(): void {
    if (!this.#glasses.connected) return;
    const press = ++this.#presses;
    const now = performance.now();
    for (const seat of this.seats) {
      // What the server told before the user changed his mind is not news of what it does now.
      const owed = seat.wanted && this.knows(seat) && now - seat.changedMs > leastPatienceMs;
      seat.ledger.sent(press, now, owed);
    }
    this.journal.noteFrequent(`press ${press}`);
    this.#glasses.pressButton("short", String(press));
  }

  stopApp(seat: AppSeat): void {
    this.journal.note(`stops ${seat.packageName}`);
    seat.want(false);
    this.#awaited.delete(seat);
    seat.ledger.stopped(performance.now());
    this.#glasses.stopApp(seat.packageName);
  }

  startApp(seat: AppSeat): void {
    this.journal.note(`starts ${seat.packageName}`);
    seat.want(true);
    this.#awaited.add(seat);
    this.#start(seat);
  }

  /** The glasses lose the socket on their side; the server hears of that when the lane lets it. */
  dropSocket(): void {
    this.#glasses.drop();
  }

  /** The lane carries nothing from now on, or has carried nothing for a while. */
  troubled(): void {
    for (const { ledger } of this.seats) ledger.userAway(performance.now());
  }

  /** It carries the same connection again. */
  untroubled(): void {
    if (!this.connected) return;
    for (const { ledger } of this.seats) ledger.userBack(performance.now());
  }

  close(): void {
    this.#closed = true;
    this.rest();
    clearTimeout(this.#redial);
    clearInterval(this.#pinger);
    clearInterval(this.#insister);
    this.#glasses.close();
  }

  #acknowledged(appSubscriptions: Subscriptions): void {
    const now = performance.now();
    this.#newEpoch();
    this.lastAwayMs = now - this.lostMs;
    this.connectedMs = now;
    this.journal.note(`glasses acknowledged, apps ${JSON.stringify(Object.keys(appSubscriptions))}`);
    for (const { ledger } of this.seats) ledger.userBack(now);
    const before = this.#told;
    this.#heardOfApps(appSubscriptions);
    for (const seat of this.seats) {
      const { packageName } = seat;
      const former = before.get(packageName);
      if (former !== undefined && !this.#told.has(packageName))
        this.#parts.onForgotten(this, seat, former.sinceMs);
      // What was wished on a connection that was lost may not have been heard. Both may be said twice.
      if (!this.#started) this.#awaited.add(seat);
      if (this.#awaited.has(seat)) this.#start(seat);
      else if (!seat.wanted) this.#glasses.stopApp(packageName);
    }
    this.#started = true;
  }

  /** A start may fail, of which the user is told, and then it is for the user to try again. */
  #insist(): void {
    for (const seat of this.#awaited) {
      if (this.knows(seat) || !seat.wanted) this.#awaited.delete(seat);
      else this.#start(seat);
    }
  }

  #start(seat: AppSeat): void {
    seat.starts++;
    this.#glasses.startApp(seat.packageName);
  }

  #heardOfApps(appSubscriptions: Subscriptions): void {
    const now = performance.now();
    const told = new Map(this.#told);
    for (const name of told.keys()) if (!(name in appSubscriptions)) told.delete(name);
    for (const [name, streams] of Object.entries(appSubscriptions)) {
      const former = told.get(name);
      const isSame = former !== undefined && [...former.streams].sort().join() === [...streams].sort().join();
      if (!isSame) told.set(name, { streams, sinceMs: now });
    }
    this.#told = told;
  }

  #lost(code: number, reason: string): void {
    this.#newEpoch();
    if (this.connectedMs !== undefined) {
      this.connectedMs = undefined;
      this.#saidOn = false;
      this.lostMs = performance.now();
      this.journal.note(`glasses lost with ${code} ${reason}`);
      this.troubled();
    }
    this.#dialLater();
  }

  /** What has not been confirmed on its own connection remains in doubt for ever. */
  #newEpoch(): void {
    this.#epoch++;
    this.#confirmed = this.#presses;
  }

  #dialLater(): void {
    if (this.#closed) return;
    clearTimeout(this.#redial);
    const delayMs = (phoneMs / this.#parts.speed) * (0.8 + 0.4 * this.#parts.random.next());
    this.#redial = setTimeout(() => this.dial(), delayMs);
  }

  get #patienceMs(): number {
    return Math.max(leastPatienceMs, phoneMs / this.#parts.speed);
  }

  /** An answer proves that everything before the question has been handled. */
  async #ping(): Promise<void> {
    if (this.#pinging || !this.#glasses.connected) return;
    this.#pinging = true;
    const epoch = this.#epoch;
    const upTo = this.#presses;
    const patience = setTimeout(() => {
      if (this.#epoch !== epoch) return;
      this.journal.note("no pong: glasses dial anew");
      this.#glasses.drop();
    }, this.#patienceMs);
    const answered = await this.#glasses.roundTrip().then(
      () => true,
      () => false,
    );
    clearTimeout(patience);
    this.#pinging = false;
    if (!answered || this.#epoch !== epoch) return;
    const now = performance.now();
    for (let press = this.#confirmed + 1; press <= upTo; press++) {
      for (const { ledger } of this.seats) ledger.confirmed(press, now);
    }
    if (upTo > this.#confirmed) this.journal.noteFrequent(`pong for all up to press ${upTo}`);
    this.#confirmed = Math.max(this.#confirmed, upTo);
  }

  #pressSoon(): void {
    const { random, pressesPerSecond } = this.#parts;
    if (!this.#pressing || pressesPerSecond === 0) return;
    const delayMs = (-Math.log(1 - random.next()) * 1000) / pressesPerSecond;
    this.#nextPress = setTimeout(() => {
      this.press();
      this.#pressSoon();
    }, delayMs);
  }
}
