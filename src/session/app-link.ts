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
  readonly userPresent: () => boolean;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  /** The way to the app's server, which all its users share. */
  readonly circuit: () => AppCircuit;
  /** Asks the app's server to connect under a path with this nonce. */
  readonly sendWebhook: (nonce: string) => Promise<WebhookOutcome>;
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

/**
 * One app in one session: its state, its current socket, the events that wait while it has none, and the promise that
 * everyone who starts it shares. Every socket has a generation; what an older one says or does has no effect.
 */
export class AppLink implements SessionApp {
  readonly record: AppRecord;
  readonly granted: ReadonlySet<string>;
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

  constructor(record: AppRecord, sessionId: string, host: AppLinkHost) {
    this.record = record;
    this.granted = grantedPermissions(record.permissions);
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

  get packageName(): string {
    return this.record.packageName;
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
    return this.state === "GRACE_PERIOD" || this.state === "RESURRECTING" || this.held.provisional;
  }

  /** Whether the app has been given up and is tried again now and then. */
  get parked(): boolean {
    return this.#state.name === "STOPPED" && this.#state.parked !== undefined;
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
    const welcome = this.state !== "STOPPED" || this.#host.clock.now() < this.#lateUntilMs();
    if (!welcome) return "notStarted";
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
    this.#generation++;
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
    if (this.#port !== undefined && this.#interruption === undefined) {
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
    this.#summons.cancel();
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
    const port = this.#port;
    for (const message of this.#outbox.drain()) {
      if (port.send(message, "event") === "dropped") this.#outbox.hold(message, "must", "");
    }
  }

  #forgetEvents(): void {
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
