import { type Clock, isoTime } from "../kernel/clock.ts";
import type { Containment } from "../kernel/containment.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import type { AppRecord, KeptEvent } from "../store/store.ts";
import type { AppAck, SpeechGap, StopReason, ToApp } from "../wire/apps.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import type { Permission } from "../wire/streams.ts";
import type { AppCircuit } from "./app-circuit.ts";
import {
  type AppEvent,
  type AppState,
  type KeptAppState,
  keptAppState,
  nextAppState,
  resumedAppState,
  type StartFailure,
  stopped,
  wakeAtMs,
} from "./app-lifecycle.ts";
import { AppSummons } from "./app-summons.ts";
import { HeldSubscriptions } from "./held-subscriptions.ts";
import type { SessionApp } from "./manager.ts";
import type { NumberedMessage } from "./numbered-message.ts";
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
  readonly log: Logger;
  readonly containment: Containment;
  /** The app as it is registered now. */
  readonly record: () => AppRecord;
  readonly userPresent: () => boolean;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  /** The way to the app's server, which all its users share. */
  readonly circuit: () => AppCircuit;
  /** A number that no other socket of the session has: the app may have had another link before. */
  readonly nextGeneration: () => number;
  /** Keeps an event that must arrive. `done` is called once: when it is kept, or nobody should wait for that any more. */
  readonly keep: (seq: number, text: string, done: () => void) => void;
  /** Events up to this number need not be kept any more. */
  readonly settle: (upToSeq: number) => void;
  /** Something has changed that `keep` of the link gives. */
  readonly changed: () => void;
  /** Asks the app's server to connect under a path with this nonce. */
  readonly sendWebhook: (nonce: string, signal: AbortSignal) => Promise<WebhookOutcome>;
  /** The app's state, or what it hears, has changed. */
  readonly onChange: (link: AppLink, from: AppState["name"]) => void;
  /** The app has handed over or is given up: nothing of it may stay in the session. */
  readonly onGone: (link: AppLink) => void;
  /** What nobody waits for has failed: the user is to be told. */
  readonly onGivenUp: (link: AppLink, failure: StartFailure) => void;
}

/** What is kept of a link in case the process ends. */
export interface KeptLink {
  readonly packageName: string;
  readonly state: KeptAppState;
  readonly epoch: number;
  readonly seq: number;
  readonly lost: number;
  readonly gap?: SpeechGap;
}

/** How a link goes on that a former process had. */
export interface ResumedLink {
  readonly kept: KeptLink;
  /** What must arrive and was not confirmed, in order, as it goes over the wire. */
  readonly events: readonly Pick<KeptEvent, "seq" | "body">[];
  /** The list that was in force. */
  readonly literals: readonly string[];
  /** When the former process was lost. */
  readonly lostMs: number;
  /** By how much its webhook is put off, since it is not the only one. */
  readonly spreadMs: number;
  readonly gap: SpeechGap | undefined;
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
  /** Whether a new process has taken over that has no handlers yet, since it has not answered its webhook. */
  fresh: boolean;
  /** Whether the app is about to leave this socket for the one that a webhook asks for, and throws away what comes on it. */
  leaving: boolean;
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
  readonly #outbox: Outbox;
  readonly #summons: AppSummons;
  #state: AppState = stopped;
  #port: AppPort | undefined;
  #portRank = -1;
  #process = 0;
  #generation = 0;
  #released = false;
  /** Whether the present socket has brought anything since its acknowledgement. */
  #spoke = false;
  #cancelWake: Stop | undefined;
  #starting: Starting | undefined;
  /** The list now in force. */
  #literals: readonly string[] = [];
  /** Set from a loss to the replay that ends it; meanwhile new events queue behind those held. */
  #interruption: Interruption | undefined;
  /** Set while what waited is being replayed in pieces; meanwhile new events queue behind it. */
  #nextPiece: Stop | undefined;
  /** Set from the first event that is to be confirmed until the app is asked how far it has got. */
  #cancelAsking: Stop | undefined;
  /** What the app has been asked to confirm and has not. */
  #asked: number | undefined;
  /** Whether the present socket has ever confirmed anything: pongs are swallowed by some proxies. */
  #confirms = false;
  /** What the app is to be told of speech that was lost. */
  #gap: SpeechGap | undefined;

  /** @param resumed where a former process had this link. */
  constructor(packageName: string, sessionId: string, host: AppLinkHost, resumed?: ResumedLink) {
    this.packageName = packageName;
    this.sessionId = sessionId;
    this.#host = host;
    this.held = new HeldSubscriptions(host.clock, host.limits);
    // Above whatever the app was sent before in this user's name, at fewer than a thousand messages a millisecond.
    const first = Math.floor(host.clock.now()) * 1_000;
    const { epoch, seq } = resumed?.kept ?? { epoch: first, seq: first };
    this.#outbox = new Outbox(host.limits, epoch, Math.max(seq, first));
    this.#summons = new AppSummons({
      containment: host.containment,
      circuit: host.circuit,
      sendWebhook: host.sendWebhook,
      wanted: () => !host.signal.aborted && this.state !== "STOPPING" && host.userPresent(),
      onAnswer: () => {
        if (this.#interruption?.fresh) this.#replay();
      },
      onAbandoned: (rank) => this.#abandoned(rank),
    });
    if (resumed !== undefined) this.#resume(resumed);
  }

  /** What the next process needs to go on; undefined: nothing is left of the app that would be missed. */
  keep(): KeptLink | undefined {
    const state = keptAppState(this.#state);
    const { epoch, seq, lost } = this.#outbox;
    const gap = this.#gap;
    if (state === undefined) return undefined;
    return { packageName: this.packageName, state, epoch, seq, lost, ...(gap && { gap }) };
  }

  #resume({ kept, events, literals, lostMs, spreadMs, gap }: ResumedLink): void {
    const { clock, limits } = this.#host;
    this.#outbox.noteLost(kept.lost);
    for (const { seq, body } of events) this.#settle(this.#outbox.restore(seq, body));
    this.#literals = literals;
    this.#gap = unite(kept.gap, gap);
    this.#interruption = { literals, fresh: false, leaving: false, cancelReplay: undefined };
    this.#state = resumedAppState(kept.state, lostMs, clock.now(), spreadMs, limits);
    this.#rearm();
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
   * Takes a socket that has shown the right key. Its first message is the acknowledgement.
   * @param lastSeq the last number that the app has got, if it keeps count; then it is sent exactly what comes after.
   * @returns the socket's generation, or why it is refused: a newer webhook's socket is there, or nobody started the app.
   */
  accept(
    port: AppPort,
    nonce: string | undefined,
    ack: Omit<AppAck, "resume">,
    lastSeq?: number,
  ): number | "duplicate" | "notStarted" {
    if (!this.welcome || this.#summons.isAbandoned(nonce)) return "notStarted";
    const rank = this.#summons.rankOf(nonce);
    if (this.#port !== undefined) {
      if (rank < this.#portRank) return "duplicate";
      this.#port.close(closes.duplicate);
      this.#interrupt();
    }
    const interruption = this.#interruption;
    if (interruption !== undefined) {
      // Whoever answers before its socket comes has no more to say.
      interruption.fresh = rank > this.#portRank && this.#summons.awaitsAnswer(rank);
      interruption.leaving = rank < this.#summons.latest && this.#summons.latestUnderWay;
      interruption.cancelReplay?.();
      // A client that never sends a list of what it hears has not changed it.
      interruption.cancelReplay =
        interruption.fresh && !interruption.leaving
          ? undefined
          : this.#host.clock.after(this.#host.limits.provisionalMs, () => this.#replay());
    }
    if (rank > this.#portRank) this.#process++;
    this.#port = port;
    this.#portRank = rank;
    this.#released = false;
    this.#spoke = false;
    this.#confirms = false;
    this.#generation = this.#host.nextGeneration();
    if (lastSeq !== undefined) this.#settle(this.#outbox.confirmExactly(lastSeq));
    this.#acknowledge(port, ack);
    this.held.connected();
    this.#summons.arrived(rank);
    this.#step({ kind: "connected" });
    if (lastSeq !== undefined) this.#replay();
    return this.#generation;
  }

  #acknowledge(port: AppPort, ack: Omit<AppAck, "resume">): void {
    const { epoch } = this.#outbox;
    const lost = this.#outbox.tellLost();
    if (lost > 0) this.#host.log.warn({ packageName: this.packageName, lost }, "an app has missed events");
    const gap = this.#gap;
    const after = this.#outbox.opened();
    port.send(this.#aside({ ...ack, resume: { epoch, seq: after, lost, ...(gap && { gap }) } }), "control");
    // What the app has missed is told again on its next socket, unless this one has brought it. And whoever has confirmed
    // something once is known to do so: on a socket that goes dead early, nothing then counts as arrived that has not come.
    port.askReceipt(after);
  }

  /** Whether a message or close comes from the current socket. */
  isCurrent(generation: number): boolean {
    return this.#port !== undefined && generation === this.#generation;
  }

  /** A socket has shown a wrong key. It counts only if it can be nobody's but the app server's. */
  refuseKey(nonce: string | undefined): void {
    if (this.#summons.knows(nonce)) this.#step({ kind: "badKey" });
  }

  /** The current socket has brought a message. */
  spoke(): void {
    this.#spoke = true;
  }

  /**
   * The app has given a dial up. If nothing has come over its socket yet, the acknowledgement was too late: the SDK keeps
   * such a socket open, but no handler will ever stand behind it.
   */
  #abandoned(rank: number): boolean {
    const port = this.#port;
    if (port === undefined || rank !== this.#portRank || this.#spoke) return false;
    this.lost(this.#generation);
    port.close(closes.refused("The app has not waited for its acknowledgement"));
    return true;
  }

  /** The current socket has announced that its close is meant. */
  release(): void {
    this.#released = true;
  }

  lost(generation: number): void {
    if (!this.isCurrent(generation)) return;
    this.#port = undefined;
    this.#interrupt();
    this.held.reset();
    // The SDK hands a session over by itself when a webhook makes it connect anew: that is no farewell.
    const summoned = this.#summons.latest > this.#portRank;
    this.#step({ kind: "lost", released: this.#released && !summoned });
  }

  /** The app's pong: everything up to this number has come. */
  confirmed(generation: number, seq: number): void {
    if (!this.isCurrent(generation)) return;
    this.#confirms = true;
    // Other pings carry other numbers.
    if (seq < this.#outbox.epoch) return;
    const { lost } = this.#outbox;
    this.#settle(this.#outbox.confirm(seq));
    if (this.#gap !== undefined || this.#outbox.lost !== lost) this.#host.changed();
    this.#gap = undefined;
    if (this.#asked !== undefined && seq >= this.#asked) this.#asked = undefined;
    this.#askSoon();
  }

  /** The socket is gone: what it has not confirmed waits for the next one, with what comes meanwhile. */
  #interrupt(): void {
    this.#interruption?.cancelReplay?.();
    this.#endReplay();
    this.#cancelAsking?.();
    this.#cancelAsking = undefined;
    this.#asked = undefined;
    this.#settleOld();
    this.#giveUp(this.#outbox.rewind());
    // Lost again before its replay: what it heard at first is still what counts.
    const literals = this.#interruption?.literals ?? this.#literals;
    this.#interruption = { literals, fresh: false, leaving: false, cancelReplay: undefined };
  }

  userReturned(): void {
    this.#step({ kind: "userReturned" });
  }

  /** A list has come into force. Replays what waited, once the app hears again what it heard before. */
  subscribed(literals: readonly string[]): void {
    this.#literals = literals;
    const interruption = this.#interruption;
    if (interruption === undefined || this.#port === undefined || interruption.leaving) return;
    interruption.cancelReplay?.();
    if (interruption.literals.every((literal) => literals.includes(literal))) {
      this.#replay();
    } else if (!interruption.fresh) {
      interruption.cancelReplay = this.#host.clock.after(settledListMs, () => this.#replay());
    }
  }

  /**
   * Delivers an event, or keeps it while the app is away. What must arrive is kept on the disk before it is sent, and what
   * comes behind it waits for that as well.
   * @param slot names what a newest-wins event replaces.
   * @param supersedes a slot that this event makes pointless, as a final does its interims.
   */
  deliver(message: ToApp, deliveryClass: DeliveryClass, slot: string, supersedes?: string): void {
    if (!this.#remembers) return;
    const { clock, metrics, keep, changed } = this.#host;
    const { event, dropped } = this.#outbox.add(message, deliveryClass, slot, isoTime(clock), supersedes);
    if (dropped.count > 0) {
      metrics.messagesDropped.inc({ side: "app", class: "outbox" }, dropped.count);
      changed();
    }
    if (deliveryClass === "must") {
      this.#settleOld();
      keep(event.numbered.seq, event.numbered.text, () => {
        event.ready = true;
        this.#flow();
      });
      // The next process would find it, drop it again, and count it once more.
      this.#settle(dropped.upToSeq);
    } else {
      this.#flow();
    }
  }

  /** Sends to the current socket only: for what is pointless later. */
  send(message: ToApp): void {
    if (this.#port === undefined) return;
    if (this.#interruption !== undefined) {
      this.#port.send(this.#aside(message), "control");
    } else if (this.#outbox.waits) {
      this.#outbox.add(message, "passing", "", isoTime(this.#host.clock));
    } else {
      this.#port.send(this.#number(message), "control");
    }
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
    port?.send(this.#number({ type: "app_stopped", reason }), "control");
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
    const trying = this.#summons.tryNow().then((outcome) => {
      if (outcome.kind !== "accepted")
        fail({ stage: "WEBHOOK", message: "The app's server does not answer" });
    });
    this.#host.containment.watch("webhook", trying);
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

  /** Whether events that the app does not get now are kept for it. */
  get #remembers(): boolean {
    return this.counts || (this.state === "DORMANT" && this.#interruption !== undefined);
  }

  /** Whether events go to the socket as they come. */
  get #flows(): boolean {
    return this.#port !== undefined && this.#interruption === undefined && this.#nextPiece === undefined;
  }

  /** Of what overtakes events that wait: it has the number of the last that has not been overtaken. */
  #aside(message: ToApp): NumberedMessage {
    return this.#outbox.aside(message, isoTime(this.#host.clock));
  }

  #number(message: ToApp): NumberedMessage {
    return this.#outbox.number(message, isoTime(this.#host.clock));
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
    const isFull = port.queuedBytes > limits.socketQueueBytes / 4;
    if (this.#sendWaiting(port, isFull ? 0 : limits.replayPieceBytes)) {
      this.#outbox.replayed();
      return;
    }
    this.#nextPiece = clock.after(isFull ? replayPauseMs : 0, () => this.#replayPiece());
  }

  #flow(): void {
    if (this.#port !== undefined && this.#flows) this.#sendWaiting(this.#port, Number.POSITIVE_INFINITY);
  }

  /** Sends what waits, up to so many bytes. Returns whether that is all, as far as it may be sent at all. */
  #sendWaiting(port: AppPort, room: number): boolean {
    const { clock } = this.#host;
    for (let event = this.#outbox.next; event !== undefined; event = this.#outbox.next) {
      if (room <= 0) return false;
      const { deliveryClass } = event;
      const isMust = deliveryClass === "must";
      const result = port.send(event.numbered, messageClasses[deliveryClass], event.slot);
      // The socket is about to be lost; what must arrive waits for the next one.
      if (result === "dropped" && isMust) return true;
      if (result === "dropped") this.#outbox.skip();
      else this.#outbox.sent(clock.now());
      room -= event.bytes;
      if (isMust) this.#askSoon();
    }
    return true;
  }

  /** What has been sent and must arrive is to be confirmed: the app is asked a moment later, once for all until then. */
  #askSoon(): void {
    const sinceMs = this.#outbox.owesReceiptSinceMs;
    if (this.#cancelAsking !== undefined || this.#asked !== undefined || sinceMs === undefined) return;
    const { clock, limits } = this.#host;
    this.#cancelAsking = clock.at(sinceMs + limits.receiptMs, () => {
      this.#cancelAsking = undefined;
      this.askReceipt();
    });
  }

  /** What the app has not confirmed, or is to get when it comes back. */
  get owed(): { readonly events: number; readonly bytes: number } {
    return { events: this.#outbox.size, bytes: this.#outbox.bytes };
  }

  /** Whether the app's socket has been sent something that it has not confirmed. */
  get owesReceipt(): boolean {
    return this.#port !== undefined && this.#outbox.owesReceiptSinceMs !== undefined;
  }

  /** Asks the app now how far it has got, if there is anything to confirm. */
  askReceipt(): void {
    const upTo = this.#outbox.lastSent;
    if (this.#port !== undefined && upTo !== undefined) this.#ask(this.#port, upTo);
  }

  #ask(port: AppPort, upTo: number): void {
    this.#asked = upTo;
    port.askReceipt(upTo);
  }

  /** Events up to this number are lost: they need not be kept, but that they are has to be. */
  #giveUp(upToSeq: number | undefined): void {
    this.#settle(upToSeq);
    if (upToSeq !== undefined) this.#host.changed();
  }

  #settle(upToSeq: number | undefined): void {
    if (upToSeq !== undefined) this.#host.settle(upToSeq);
  }

  /** Where no pong ever comes, what was sent long ago is not sent again. */
  #settleOld(): void {
    if (this.#confirms) return;
    const { clock, limits } = this.#host;
    this.#settle(this.#outbox.confirmSentBefore(clock.now() - limits.receiptPatienceMs));
  }

  #endReplay(): void {
    this.#nextPiece?.();
    this.#nextPiece = undefined;
  }

  #forgetEvents(): void {
    this.#endReplay();
    this.#cancelAsking?.();
    this.#cancelAsking = undefined;
    this.#interruption?.cancelReplay?.();
    this.#interruption = undefined;
    this.#literals = [];
    const unconfirmed = this.#outbox.clear();
    this.#host.settle(this.#outbox.seq);
    if (unconfirmed > 0) {
      this.#outbox.noteLost(unconfirmed);
      this.#host.metrics.messagesDropped.inc({ side: "app", class: "given_up" }, unconfirmed);
    }
    this.held.reset();
  }
}

/** One stretch for both. */
function unite(a: SpeechGap | undefined, b: SpeechGap | undefined): SpeechGap | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { fromMs: Math.min(a.fromMs, b.fromMs), toMs: Math.max(a.toMs, b.toMs) };
}

const messageClasses = { must: "event", newest: "interim", passing: "control" } as const;

const cameToNothing: StartResult = {
  success: false,
  error: { stage: "CONNECTION", message: "The app could not be brought back" },
};
