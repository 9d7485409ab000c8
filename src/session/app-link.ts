import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import type { AppRecord } from "../store/store.ts";
import type { StopReason, ToApp } from "../wire/apps.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import type { Permission } from "../wire/streams.ts";
import type { AppCircuit } from "./app-circuit.ts";
import {
  type AppEvent,
  type AppState,
  nextAppState,
  type StartFailure,
  stopped,
  wakeAtMs,
} from "./app-lifecycle.ts";
import { AppSummons } from "./app-summons.ts";
import { HeldSubscriptions } from "./held-subscriptions.ts";
import type { SessionApp } from "./manager.ts";
import { type DeliveryClass, Outbox } from "./outbox.ts";
import type { AppPort, WebhookOutcome } from "./ports.ts";
import { grantedPermissions, isGranted } from "./subscriptions.ts";

export type StartResult =
  | { readonly success: true }
  | { readonly success: false; readonly error: StartFailure };

/** What a link needs of its session. */
export interface AppLinkHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** The app as it is registered now. */
  readonly record: () => AppRecord;
  readonly userPresent: () => boolean;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  /** The way to the app's server, which all its users share. */
  readonly circuit: () => AppCircuit;
  /** A number that no other socket of the session has: the app may have had another link before. */
  readonly nextGeneration: () => number;
  /** Asks the app's server to connect under a path with this nonce. */
  readonly sendWebhook: (nonce: string, signal: AbortSignal) => Promise<WebhookOutcome>;
  /** The app's state, or what it hears, has changed. */
  readonly onChange: (link: AppLink, from: AppState["name"]) => void;
  /** The app has handed over or is given up: nothing of it may stay in the session. */
  readonly onGone: (link: AppLink) => void;
  /** What nobody waits for has failed: the user is to be told. */
  readonly onGivenUp: (link: AppLink, failure: StartFailure) => void;
}

/** A start that is under way, with everybody who waits for it. */
interface Starting {
  readonly promise: Promise<StartResult>;
  readonly resolve: (result: StartResult) => void;
  cancelDeadline?: Stop;
}

interface Interruption {
  /** What the app heard when it was lost: once it hears all of that again, its handlers are back. */
  readonly literals: readonly string[];
  /** Whether a new process has taken over, which has no handlers before it has answered its webhook. */
  fresh: boolean;
  cancelReplay: Stop | undefined;
}

/** How long after its last list a returning process is taken to be complete, though it hears less than before. */
const settledListMs = 1_000;

/** How soon a socket that still has much to send is asked again whether it has room. */
const replayPauseMs = 50;

/**
 * One app in one session: its state, its current socket, the events that wait while it has none, and the promise that
 * everyone who starts it shares. Every socket has a generation; what an older one says or does has no effect.
 */
export class AppLink implements SessionApp {
  readonly packageName: string;
  /** The id under which the app knows this session. */
  readonly sessionId: string;
  readonly held: HeldSubscriptions;
  readonly #host: AppLinkHost;
  readonly #outbox: Outbox<ToApp>;
  readonly #summons: AppSummons;
  #state: AppState = stopped;
  #port: AppPort | undefined;
  #portRank = -1;
  #process = 0;
  #generation = 0;
  #released = false;
  #cancelWake: Stop | undefined;
  #starting: Starting | undefined;
  /** The list now in force. */
  #literals: readonly string[] = [];
  /** Set from a loss to the replay that ends it; meanwhile new events queue behind those held. */
  #interruption: Interruption | undefined;
  /** Set while what waited is being replayed in pieces; meanwhile new events queue behind it. */
  #nextPiece: Stop | undefined;

  constructor(packageName: string, sessionId: string, host: AppLinkHost) {
    this.packageName = packageName;
    this.sessionId = sessionId;
    this.#host = host;
    this.held = new HeldSubscriptions(host.clock, host.limits);
    this.#outbox = new Outbox(host.limits);
    this.#summons = new AppSummons({
      circuit: host.circuit,
      sendWebhook: host.sendWebhook,
      wanted: () => !host.signal.aborted && this.state !== "STOPPING" && host.userPresent(),
      onAnswer: () => {
        if (this.#interruption?.fresh) this.#replay();
      },
    });
  }

  /** The app as it is registered now: what it may do can change at any time. */
  get record(): AppRecord {
    return this.#host.record();
  }

  get granted(): ReadonlySet<string> {
    return grantedPermissions(this.record.permissions);
  }

  /** The address that the app's socket comes from; undefined while it has none. */
  get peer(): string | undefined {
    return this.#port?.peer;
  }

  get process(): number {
    return this.#process;
  }

  get state(): AppState["name"] {
    return this.#state.name;
  }

  /** Whether what the app subscribed to still counts: it runs, or is expected back. */
  get counts(): boolean {
    return this.state === "RUNNING" || this.state === "GRACE_PERIOD" || this.state === "RESURRECTING";
  }

  /** Whether the app's absence or recent return makes its present wishes doubtful. */
  get settling(): boolean {
    return this.state === "RUNNING" ? this.held.unsettled : this.counts;
  }

  /** Whether the app has been given up and is tried again now and then. */
  get parked(): boolean {
    return this.#state.name === "STOPPED" && this.#state.parked !== undefined;
  }

  /** Whether a socket of the app would be let in: it is awaited, parked, or may still come late. */
  get welcome(): boolean {
    return this.state !== "STOPPED" || this.#host.clock.now() < this.#lateUntilMs();
  }

  /** Whether the user wants the app, whatever has become of it: it runs, starts, is expected back or is tried again. */
  get awaited(): boolean {
    return this.state !== "STOPPED" || this.parked;
  }

  /**
   * Starts the app, or joins the start that is under way.
   * @param automatic nobody has asked for it just now; then its server is not called while it is down.
   */
  start(automatic = false): Promise<StartResult> {
    if (this.state === "RUNNING") return Promise.resolve({ success: true });
    this.#starting ??= Promise.withResolvers<StartResult>();
    const starting = this.#starting;
    if (!automatic && (this.state === "GRACE_PERIOD" || this.state === "RESURRECTING")) {
      this.#hasten(starting);
    } else {
      this.#step({ kind: "start", automatic, serverDown: this.#summons.serverDown });
    }
    return starting.promise;
  }

  /**
   * Takes a socket that has shown the right key. Sends `ack` as its first message.
   * @returns the socket's generation, or why it is refused: a newer webhook's socket is there, or nobody started the app.
   */
  accept(port: AppPort, nonce: string | undefined, ack: ToApp): number | "duplicate" | "notStarted" {
    if (!this.welcome) return "notStarted";
    const rank = this.#summons.rankOf(nonce);
    if (this.#port !== undefined) {
      if (rank < this.#portRank) return "duplicate";
      this.#port.close(closes.duplicate);
    }
    const interruption = this.#interruption;
    if (interruption !== undefined) {
      interruption.fresh = rank > this.#portRank;
      interruption.cancelReplay?.();
      // A client that never sends a list of what it hears has not changed it.
      interruption.cancelReplay = interruption.fresh
        ? undefined
        : this.#host.clock.after(this.#host.limits.provisionalMs, () => this.#replay());
    }
    if (rank > this.#portRank) this.#process++;
    this.#port = port;
    this.#portRank = rank;
    this.#released = false;
    this.#generation = this.#host.nextGeneration();
    port.send(ack, "control");
    this.held.connected();
    this.#summons.arrived(rank);
    this.#step({ kind: "connected" });
    return this.#generation;
  }

  /** Whether a message or close comes from the current socket. */
  isCurrent(generation: number): boolean {
    return this.#port !== undefined && generation === this.#generation;
  }

  /** A socket has shown a wrong key. It counts only if it can be nobody's but the app server's. */
  refuseKey(nonce: string | undefined): void {
    if (this.#summons.knows(nonce)) this.#step({ kind: "badKey" });
  }

  /** The current socket has announced that its close is meant. */
  release(): void {
    this.#released = true;
  }

  lost(generation: number): void {
    if (!this.isCurrent(generation)) return;
    this.#port = undefined;
    this.#interruption?.cancelReplay?.();
    this.#endReplay();
    // Lost again before its replay: what it heard at first is still what counts.
    const literals = this.#interruption?.literals ?? this.#literals;
    this.#interruption = { literals, fresh: false, cancelReplay: undefined };
    this.held.reset();
    // The SDK hands a session over by itself when a webhook makes it connect anew: that is no farewell.
    const summoned = this.#summons.latest > this.#portRank;
    this.#step({ kind: "lost", released: this.#released && !summoned });
  }

  userReturned(): void {
    this.#step({ kind: "userReturned" });
  }

  /** A list has come into force. Replays what waited, once the app hears again what it heard before. */
  subscribed(literals: readonly string[]): void {
    this.#literals = literals;
    const interruption = this.#interruption;
    if (interruption === undefined || this.#port === undefined) return;
    interruption.cancelReplay?.();
    if (interruption.literals.every((literal) => literals.includes(literal))) {
      this.#replay();
    } else if (!interruption.fresh) {
      interruption.cancelReplay = this.#host.clock.after(settledListMs, () => this.#replay());
    }
  }

  /**
   * Delivers an event, or keeps it while the app is away or its socket takes nothing.
   * @param slot names what a newest-wins event replaces.
   * @param supersedes a slot that this event makes pointless, as a final does its interims.
   */
  deliver(message: ToApp, deliveryClass: DeliveryClass, slot: string, supersedes?: string): void {
    if (this.#port !== undefined && this.#interruption === undefined && this.#nextPiece === undefined) {
      const result = this.#port.send(message, deliveryClass === "must" ? "event" : "interim");
      // A socket that takes nothing any more is about to be lost; what must arrive waits for the next one.
      if (result === "sent" || deliveryClass !== "must") return;
    }
    if (!this.counts) return;
    if (supersedes !== undefined) this.#outbox.supersede(supersedes);
    const dropped = this.#outbox.hold(message, deliveryClass, slot);
    if (dropped > 0) this.#host.metrics.messagesDropped.inc({ side: "app", class: "outbox" }, dropped);
  }

  /** Sends to the current socket only: for what is pointless later. */
  send(message: ToApp): void {
    this.#port?.send(message, "control");
  }

  /** Whether the app has been granted a permission. */
  may(permission: Permission): boolean {
    return isGranted(this.granted, permission);
  }

  sendAudio(pcm: Uint8Array): void {
    this.#port?.sendAudio(pcm);
  }

  /**
   * Ends the app here and now. From the start of this it does not count any more.
   * @param erase takes everything of it out of the session; then the socket is told why and closed, and no message follows.
   */
  stop(reason: StopReason, close: Close, erase: () => void): void {
    this.#step({ kind: "stop" });
    this.#summons.close();
    erase();
    const port = this.#port;
    this.#port = undefined;
    this.#generation++;
    this.#forgetEvents();
    this.#finishStart({ success: false, error: { stage: "CONNECTION", message: "The app was stopped" } });
    this.#step({ kind: "erased" });
    port?.send({ type: "app_stopped", reason }, "control");
    port?.close(close);
  }

  /** Cancels every timer. The link is not to be used again. */
  dispose(close: Close): void {
    this.#cancelWake?.();
    this.#summons.close();
    this.#forgetEvents();
    this.#finishStart({ success: false, error: { stage: "CONNECTION", message: "The session has ended" } });
    this.#state = stopped;
    this.#generation++;
    this.#port?.close(close);
    this.#port = undefined;
  }

  #lateUntilMs(): number {
    return this.#state.name === "STOPPED" ? this.#state.lateUntilMs : 0;
  }

  /** A user asks for an app that is being waited for: one try where its server is down, and an answer in any case. */
  #hasten(starting: Starting): void {
    const fail = (error: StartFailure) => {
      if (this.#starting === starting) this.#finishStart({ success: false, error });
    };
    const { clock, limits } = this.#host;
    starting.cancelDeadline ??= clock.after(limits.appStartMs, () => {
      const message = `The app did not connect within ${limits.appStartMs / 1000} s`;
      fail({ stage: "TIMEOUT", message });
    });
    if (!this.#summons.serverDown || this.#summons.underWay) return;
    void this.#summons.tryNow().then((outcome) => {
      if (outcome.kind !== "accepted")
        fail({ stage: "WEBHOOK", message: "The app's server does not answer" });
    });
  }

  #step(event: AppEvent): void {
    const from = this.#state.name;
    const now = this.#host.clock.now();
    const [state, actions] = nextAppState(
      this.#state,
      event,
      now,
      this.#host.userPresent(),
      this.#host.limits,
    );
    this.#state = state;
    this.#rearm();
    for (const action of actions) {
      switch (action.kind) {
        case "sendWebhook":
          this.#summons.send(action.automatic ? "inTurn" : "now", (outcome) =>
            this.#step({ kind: "answered", outcome }),
          );
          break;
        case "started":
          this.#host.metrics.appStarts.inc({ outcome: "started" });
          this.#finishStart({ success: true });
          break;
        case "startFailed":
          this.#host.metrics.appStarts.inc({ outcome: action.failure.stage.toLowerCase() });
          this.#finishStart({ success: false, error: action.failure });
          break;
        case "givenUp":
          this.#finishStart({ success: false, error: action.failure });
          this.#forgetEvents();
          this.#host.onGone(this);
          this.#host.onGivenUp(this, action.failure);
          break;
        case "release":
          this.#forgetEvents();
          this.#host.onGone(this);
          break;
      }
    }
    if (this.state === "RUNNING") this.#finishStart({ success: true });
    if (this.state === "STOPPED" || this.state === "DORMANT") this.#finishStart(cameToNothing);
    if (this.state === "DORMANT" || this.state === "STOPPING") this.#summons.cancel();
    if (this.state !== from) this.#host.onChange(this, from);
  }

  #rearm(): void {
    this.#cancelWake?.();
    const atMs = wakeAtMs(this.#state, this.#host.limits);
    this.#cancelWake =
      atMs === undefined ? undefined : this.#host.clock.at(atMs, () => this.#step({ kind: "tick" }));
  }

  #finishStart(result: StartResult): void {
    this.#starting?.cancelDeadline?.();
    this.#starting?.resolve(result);
    this.#starting = undefined;
  }

  #replay(): void {
    if (this.#port === undefined) return;
    this.#interruption?.cancelReplay?.();
    this.#interruption = undefined;
    this.#replayPiece();
  }

  /** All at once could be more than the socket takes, and cost the app the very socket it has come back with. */
  #replayPiece(): void {
    this.#endReplay();
    const port = this.#port;
    if (port === undefined) return;
    const { clock, limits } = this.#host;
    let room = port.queuedBytes <= limits.socketQueueBytes / 4 ? limits.replayPieceBytes : 0;
    const pauseMs = room > 0 ? 0 : replayPauseMs;
    for (let held = this.#outbox.first; held !== undefined; held = this.#outbox.first) {
      if (room <= 0) {
        this.#nextPiece = clock.after(pauseMs, () => this.#replayPiece());
        return;
      }
      const isMust = held.deliveryClass === "must";
      // The socket is about to be lost; what must arrive waits for the next one.
      if (port.send(held.message, isMust ? "event" : "interim") === "dropped" && isMust) return;
      this.#outbox.shift();
      room -= held.bytes;
    }
  }

  #endReplay(): void {
    this.#nextPiece?.();
    this.#nextPiece = undefined;
  }

  #forgetEvents(): void {
    this.#endReplay();
    this.#interruption?.cancelReplay?.();
    this.#interruption = undefined;
    this.#literals = [];
    this.#outbox.clear();
    this.held.reset();
  }
}

const cameToNothing: StartResult = {
  success: false,
  error: { stage: "CONNECTION", message: "The app could not be brought back" },
};
