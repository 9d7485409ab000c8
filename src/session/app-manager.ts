import type { Clock } from "../kernel/clock.ts";
import { isoTime } from "../kernel/clock.ts";
import type { Containment } from "../kernel/containment.ts";
import { Fault } from "../kernel/faults.ts";
import { equalInConstantTime, sha256Hex } from "../kernel/identity.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import type { Journal } from "../store/journal.ts";
import type { AppCatalogue, AppRecord, KeptEvent, UserStore } from "../store/store.ts";
import type { AppMessage, AppSetting, SpeechGap, StopReason, SystemSettings, ToApp } from "../wire/apps.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import { compatibility } from "../wire/hardware.ts";
import type { AppCircuits } from "./app-circuits.ts";
import { AppDisplays } from "./app-displays.ts";
import { essenceOf } from "./app-essence.ts";
import { AppHearing } from "./app-hearing.ts";
import type { AppState } from "./app-lifecycle.ts";
import { AppLink, type AppLinkHost, type KeptLink, type ResumedLink, type StartResult } from "./app-link.ts";
import type { DisplayManager } from "./display-manager.ts";
import type { Manager, Publish, SessionApp } from "./manager.ts";
import type { AppPort, Webhooks } from "./ports.ts";
import type { SubscriptionHistory } from "./subscription-history.ts";
import type { RequestedStream, Subscriptions } from "./subscriptions.ts";
import { WakeQueue } from "./wake-queue.ts";

/** What an app learns with its acknowledgement. */
export interface AppGreeting {
  /** The app's own settings, with the user's values. */
  readonly settings: readonly AppSetting[];
  readonly systemSettings: SystemSettings;
  /** Undefined while the model of the glasses is not known. */
  readonly capabilities: Capabilities | undefined;
}

/** What the manager needs of its session. */
export interface AppHost {
  readonly userId: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly containment: Containment;
  readonly catalogue: AppCatalogue;
  readonly users: UserStore;
  readonly webhooks: Webhooks;
  readonly circuits: AppCircuits;
  /** The apps that the user wants running, as the store has them. */
  readonly wantedApps: readonly string[];
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  readonly display: DisplayManager;
  readonly managers: readonly Manager[];
  /** Address at which an app that was sent this nonce connects. */
  readonly websocketUrl: (nonce: string) => string;
  readonly userPresent: () => boolean;
  /** Whether the user has the app; what he has taken off is not started. */
  readonly hasInstalled: (packageName: string) => boolean;
  /** What the glasses have; undefined while their model is not known. */
  readonly capabilities: () => Capabilities | undefined;
  /**
   * An app that nobody waits for could not be started or brought back, or was stopped because the glasses lack what it
   * needs; `message` says so to the user.
   */
  readonly onGivenUp: (packageName: string, message: string) => void;
  readonly greeting: (packageName: string) => AppGreeting;
  /** An app came, went or changed its mind: the user is to be told, and the demand for audio looked at again. */
  readonly onChange: () => void;
  readonly journal: Journal;
  /** Something has changed that `keep` gives. `atOnce`: events are worth nothing without it. */
  readonly changed: (atOnce?: boolean) => void;
}

/** What is kept of an app in case the process ends. */
export interface KeptApp extends KeptLink {
  /** What its record was like. */
  readonly essence: string;
  readonly subscriptions: readonly RequestedStream[];
}

/** How the apps of a session go on that a former process had. */
export interface ResumedApps {
  readonly apps: readonly KeptApp[];
  /** What must arrive and was not confirmed, in order. */
  readonly events: readonly KeptEvent[];
  readonly lostMs: number;
  /** By how much webhooks are put off, since this session is not the only one. */
  readonly spreadMs: number;
  /** What was being said when the former process ended. */
  readonly gap: SpeechGap | undefined;
}

/**
 * The apps of one session: starting and stopping them, their sockets, and what they hear. An app is what its socket
 * authenticated as; nothing it writes into a message can make it another.
 */
export class AppManager {
  readonly #host: AppHost;
  readonly #links = new Map<string, AppLink>();
  readonly #hearing: AppHearing;
  readonly #displays: AppDisplays;
  /** Apps that were stopped because the glasses lack what they need, and that the user still wants. */
  readonly #unfit = new Set<string>();
  /** Apps whose record has changed while the user was away, and that are started when the glasses return. */
  readonly #renewed = new Set<string>();
  /** What the user wants running: what he has started and neither stopped nor replaced since. */
  readonly #wanted: Set<string>;
  readonly #wake: WakeQueue;
  #generations = 0;

  constructor(host: AppHost) {
    this.#host = host;
    this.#wanted = new Set(host.wantedApps);
    this.#displays = new AppDisplays(host);
    this.#hearing = new AppHearing({ ...host, link: (packageName) => this.#links.get(packageName) });
    this.#wake = new WakeQueue(host.clock, host.limits.appWakeMs, (name) =>
      this.#links.get(name)?.userReturned(),
    );
  }

  /** What the apps have heard since the session began. */
  get history(): SubscriptionHistory {
    return this.#hearing.history;
  }

  /** Who hears what. */
  get subscriptions(): Subscriptions {
    return this.#hearing.subscriptions;
  }

  /** The id by which an app knows this session. */
  sessionIdOf(packageName: string): string {
    return `${this.#host.userId}-${packageName}`;
  }

  /** Packages in one of the given states. */
  inState(...states: AppState["name"][]): string[] {
    return [...this.#links.values()]
      .filter((link) => states.includes(link.state))
      .map((link) => link.packageName);
  }

  /**
   * What every app is about, by package. While the glasses are away no app can do its work though its socket stands: what
   * runs is RESURRECTING until they return.
   */
  get states(): Readonly<Record<string, AppState["name"]>> {
    const present = this.#host.userPresent();
    const seen = (state: AppState["name"]) => (state === "RUNNING" && !present ? "RESURRECTING" : state);
    return Object.fromEntries(
      [...this.#links.values()].map(({ packageName, state }) => [packageName, seen(state)]),
    );
  }

  /** Whether some app is away or has just come back, so that what apps seem to want is in doubt. */
  get settling(): boolean {
    return [...this.#links.values()].some((link) => link.settling);
  }

  /** The standard app in the foreground, if one runs or is expected back. */
  get foreground(): string | undefined {
    for (const link of this.#links.values()) {
      if (link.record.type === "standard" && link.counts) return link.packageName;
    }
    return undefined;
  }

  /**
   * Starts an app: its server is asked to connect, and the start has succeeded when its socket has shown the right key
   * and was acknowledged. Starting a running app succeeds at once; a start under way is joined.
   * @param automatic nobody has asked for it just now; then its server is left in peace while it is down.
   */
  async start(packageName: string, automatic = false): Promise<StartResult> {
    const record = this.#host.catalogue.get(packageName);
    if (record === undefined) return failed("No app with this package name is registered");
    if (this.#host.signal.aborted) return failed("The session has ended");
    if (!this.#host.hasInstalled(packageName)) return failed("The user has taken this app off");
    const fit = this.#fitOf(packageName);
    if (!fit.isCompatible) {
      this.#host.metrics.appStarts.inc({ outcome: "hardware_check" });
      return { success: false, error: { stage: "HARDWARE_CHECK", message: fit.message } };
    }
    this.#unfit.delete(packageName);
    this.#renewed.delete(packageName);
    const link = this.#links.get(packageName) ?? this.#createLink(record);
    const { display } = this.#host;
    if (link.state === "STOPPED" || link.state === "DORMANT") display.bootBegins(packageName, record.name);
    if (record.type === "standard") this.#makeForeground(link);
    const begins = link.state !== "CONNECTING";
    const starting = link.start(automatic);
    if (link.state !== "CONNECTING") display.bootEnds(packageName);
    const cancelReport = begins ? this.#reportIfSlow(link) : undefined;
    const result = await starting;
    cancelReport?.();
    if (!result.success) this.#host.log.warn({ packageName, error: result.error }, "app start failed");
    return result;
  }

  /**
   * Starts what the user wants running and of which nothing is here: at first what ran in the last session, later what has
   * been changed or lost while the glasses were away. Nobody waits for it.
   */
  startWanted(): void {
    const missing = [...this.#wanted, ...this.#renewed].filter(
      (packageName) => !this.#links.has(packageName) && !this.#unfit.has(packageName),
    );
    const standard = this.#foregroundTaken ? undefined : missing.findLast((name) => this.#isStandard(name));
    for (const packageName of new Set(missing)) {
      if (!this.#isStandard(packageName) || packageName === standard) this.#startUnasked(packageName);
    }
  }

  /**
   * Stops an app by the user's wish. When this returns, nothing of the app is left in the session; its server is told
   * without anybody waiting for it.
   * @returns whether the app was doing anything.
   */
  stop(packageName: string, reason: StopReason = "user_disabled"): boolean {
    if (reason === "user_disabled") this.#want(packageName, false);
    this.#unfit.delete(packageName);
    this.#renewed.delete(packageName);
    const link = this.#links.get(packageName);
    if (link === undefined) return false;
    const wasActive = link.state !== "STOPPED";
    this.#links.delete(packageName);
    link.stop(reason, closes.appStopped, () => {
      this.#erase(link);
      if (wasActive) this.#tellServerOfStop(link, reason);
    });
    link.dispose(closes.appStopped);
    this.#host.onChange();
    return wasActive;
  }

  /**
   * The app is registered anew, with other permissions, another key or at another address. Whatever it was about, nothing
   * that its former record had opened stays open; what the user wants of it begins again.
   */
  renew(packageName: string): void {
    const link = this.#links.get(packageName);
    if (link !== undefined) this.#beginAnew(link);
    // Perhaps it was what has changed that kept the app away.
    else if (this.#unfit.has(packageName)) this.fitGlasses();
  }

  #beginAnew({ packageName, awaited }: AppLink): void {
    const fit = this.#fitOf(packageName);
    this.stop(packageName, "system_stop");
    if (!awaited) return;
    if (!fit.isCompatible) this.#setAside(packageName, fit.message);
    else if (this.#host.userPresent()) this.#startUnasked(packageName);
    else this.#renewed.add(packageName);
  }

  /**
   * Other glasses are worn: apps that need what these lack are stopped, and those that were stopped for that reason come
   * back where these have it, unless the user has meanwhile put another app into the foreground.
   */
  fitGlasses(): void {
    for (const { packageName, welcome, awaited } of [...this.#links.values()]) {
      const fit = this.#fitOf(packageName);
      if (fit.isCompatible || !welcome) continue;
      this.stop(packageName, "system_stop");
      // The start of one that could still come late has failed already, and its user been told.
      if (awaited) this.#setAside(packageName, fit.message);
    }
    for (const packageName of [...this.#unfit].filter((name) => this.#fitOf(name).isCompatible)) {
      this.#unfit.delete(packageName);
      if (!this.#isStandard(packageName) || !this.#foregroundTaken) {
        this.#host.containment.watch("app_start", this.start(packageName));
      }
    }
  }

  #startUnasked(packageName: string): void {
    this.#host.containment.watch("app_start", this.start(packageName, true));
  }

  /** Whether the glasses have what an app needs, as far as their model is known. */
  #fitOf(packageName: string) {
    return compatibility(this.#host.catalogue.get(packageName)?.hardware, this.#host.capabilities());
  }

  /** The glasses lack what the app needs: it comes back with others. */
  #setAside(packageName: string, message: string): void {
    this.#unfit.add(packageName);
    this.#host.onGivenUp(packageName, message);
  }

  /**
   * Takes an app's socket. On success its acknowledgement has been sent when this returns.
   * @param nonce from the path it dialled, which tells a socket of the latest webhook from a straggler.
   * @param lastSeq the highest number that the app has got, if it keeps count.
   */
  accept(
    packageName: string,
    apiKey: string,
    nonce: string | undefined,
    port: AppPort,
    lastSeq?: number,
  ): { generation: number } | { fault: Fault } | { close: Close } {
    const record = this.#host.catalogue.get(packageName);
    if (record === undefined) return { fault: new Fault("PACKAGE_NOT_FOUND") };
    const link = this.#links.get(packageName);
    if (!equalInConstantTime(sha256Hex(apiKey), record.apiKeyHash)) {
      link?.refuseKey(nonce);
      return { fault: new Fault("INVALID_API_KEY") };
    }
    const fit = this.#fitOf(packageName);
    if (!fit.isCompatible) return { fault: new Fault("APP_NOT_STARTED", fit.message) };
    const { settings, systemSettings, capabilities } = this.#host.greeting(packageName);
    const ack = {
      type: "tpa_connection_ack",
      sessionId: this.sessionIdOf(packageName),
      settings,
      mentraosSettings: systemSettings,
      augmentosSettings: systemSettings,
      ...(capabilities === undefined ? {} : { capabilities }),
    } as const;
    const accepted = link?.accept(port, nonce, ack, lastSeq);
    if (accepted === undefined || accepted === "notStarted") return { fault: new Fault("APP_NOT_STARTED") };
    if (accepted === "duplicate") return { close: closes.duplicate };
    if (link !== undefined) {
      this.#hearing.connected(packageName);
      for (const manager of this.#host.managers) manager.onAppConnected?.(link);
    }
    return { generation: accepted };
  }

  /** A message of an accepted socket. Of an older generation it is counted and left. */
  receive(packageName: string, generation: number, message: AppMessage): void {
    const link = this.#links.get(packageName);
    if (link === undefined || !link.isCurrent(generation)) {
      this.#host.metrics.messagesRejected.inc({ side: "app", reason: "stale" });
      return;
    }
    link.spoke();
    switch (message.type) {
      case "subscription_update":
        this.#hearing.subscribe(link, message.subscriptions);
        break;
      case "display_event":
        this.#displays.request(link, message);
        break;
      case "ownership_release":
        link.release();
        break;
      case "tpa_connection_init":
        this.#host.metrics.messagesRejected.inc({ side: "app", reason: "repeated_init" });
        break;
      default:
        if (!this.#host.managers.some((manager) => manager.onAppMessage?.(link, message))) {
          this.#host.metrics.messagesRejected.inc({ side: "app", reason: "unserved" });
        }
    }
  }

  /**
   * A request of an accepted socket, of a known type, that could not be read.
   * @returns whether it was answered elsewhere than on the socket, or is not to be.
   */
  receiveBad(
    packageName: string,
    generation: number,
    type: string,
    request: object,
    problem: string,
  ): boolean {
    const link = this.#links.get(packageName);
    if (link === undefined || !link.isCurrent(generation)) return true;
    return this.#host.managers.some((manager) => manager.onBadRequest?.(link, type, request, problem));
  }

  /** A socket has closed. Only that of the current generation matters. */
  closed(packageName: string, generation: number): void {
    this.#links.get(packageName)?.lost(generation);
  }

  /** The address that an app's socket comes from; undefined while it has none. */
  peerOf(packageName: string): string | undefined {
    return this.#links.get(packageName)?.peer;
  }

  /** An app that runs or is expected back. */
  app(packageName: string): SessionApp | undefined {
    const link = this.#links.get(packageName);
    return link?.counts ? link : undefined;
  }

  /** All apps that run or are expected back. */
  all(): readonly SessionApp[] {
    return [...this.#links.values()].filter((link) => link.counts);
  }

  /** Delivers an event to every app that hears the stream `key`. */
  publish(...event: Parameters<Publish>): void {
    this.#hearing.publish(...event);
  }

  /** Delivers an event of the stream `key` to one app, if it hears it. */
  publishTo(only: string, ...event: Parameters<Publish>): void {
    this.#hearing.publishTo(only, ...event);
  }

  /** Hands PCM to the apps that asked for it. */
  publishAudio(pcm: Uint8Array): void {
    this.#hearing.publishAudio(pcm);
  }

  /** The glasses are back: apps that were left to sleep are woken, and those that are missing are started. */
  userReturned(): void {
    for (const link of this.#links.values()) if (link.state !== "DORMANT") link.userReturned();
    this.#wake.add(this.inState("DORMANT"));
    this.startWanted();
  }

  /** A message of the gateway's own to an app's current socket, such as a refusal. */
  tell(packageName: string, generation: number, message: ToApp): void {
    const link = this.#links.get(packageName);
    if (link?.isCurrent(generation)) link.send(message);
  }

  /** An app's pong: everything that it was sent up to this number has come. */
  confirmed(packageName: string, generation: number, seq: number): void {
    this.#links.get(packageName)?.confirmed(generation, seq);
  }

  /** What each app has not confirmed, or is to get when it comes back. */
  owed(): readonly { readonly events: number; readonly bytes: number }[] {
    return [...this.#links.values()].map((link) => link.owed);
  }

  /** Asks every app how far it has got. Returns whether any has something to confirm. */
  askReceipts(): boolean {
    const owing = [...this.#links.values()].filter((link) => link.owesReceipt);
    for (const link of owing) link.askReceipt();
    return owing.length > 0;
  }

  /** What the next process needs, should this one end without warning. */
  keep(): readonly KeptApp[] {
    return [...this.#links.values()].flatMap((link) => {
      const kept = link.keep();
      if (kept === undefined) return [];
      const subscriptions = this.#hearing.requestedBy(link.packageName);
      return [{ ...kept, essence: essenceOf(link.record), subscriptions }];
    });
  }

  /**
   * Takes up what a former process had. Apps that come back by themselves are awaited; a webhook brings the others. Of an
   * app whose record has changed since, as `renew` has it, and of one that is gone, nothing is taken up.
   */
  resume({ apps, events, lostMs, spreadMs, gap }: ResumedApps): void {
    const { catalogue, hasInstalled, journal, userId } = this.#host;
    const unclaimed = new Set(events.map(({ packageName }) => packageName));
    for (const { subscriptions, essence, ...kept } of apps) {
      const { packageName } = kept;
      const record = catalogue.get(packageName);
      if (record === undefined || !hasInstalled(packageName)) continue;
      if (essence !== essenceOf(record)) {
        this.#renewed.add(packageName);
        continue;
      }
      unclaimed.delete(packageName);
      const streams = this.#hearing.restore(packageName, subscriptions, record.permissions);
      const hearsSpeech = streams.some(
        ({ kind }) => kind === "transcription" || kind === "translation" || kind === "wildcard",
      );
      this.#createLink(record, {
        kept,
        events: events.filter((event) => event.packageName === packageName),
        literals: this.subscriptions.literalsOf(packageName),
        lostMs,
        spreadMs,
        gap: hearsSpeech ? gap : undefined,
      });
    }
    for (const packageName of unclaimed) journal.settle(userId, packageName, Number.MAX_SAFE_INTEGER);
  }

  /** Ends every app of the session. Those that are to dial again are not told that they are stopped. */
  dispose(close: Close): void {
    this.#wake.close();
    for (const link of this.#links.values()) {
      this.#hearing.remove(link.packageName);
      if (close === closes.sessionEnded) link.send({ type: "app_stopped", reason: "system_stop" });
      link.dispose(close);
    }
    this.#links.clear();
  }

  #createLink(record: AppRecord, resumed?: ResumedLink): AppLink {
    const { packageName } = record;
    const sessionId = this.sessionIdOf(packageName);
    const {
      clock,
      limits,
      metrics,
      log,
      containment,
      userPresent,
      webhooks,
      signal,
      userId,
      circuits,
      catalogue,
      journal,
    } = this.#host;
    // Its server may have moved since the last time, and its permissions may have changed.
    const current = () => catalogue.get(packageName) ?? record;
    const host: AppLinkHost = {
      clock,
      limits,
      metrics,
      log,
      containment,
      userPresent,
      signal,
      record: current,
      circuit: () => circuits.of(current()),
      nextGeneration: () => ++this.#generations,
      keep: (seq, body, done) =>
        journal.keep({ userId, packageName, seq, body }, () => containment.run("journal", done)),
      settle: (upToSeq) => journal.settle(userId, packageName, upToSeq),
      changed: () => this.#host.changed(),
      sendWebhook: (nonce, stopped) => {
        const url = this.#host.websocketUrl(nonce);
        const request = {
          type: "session_request",
          sessionId,
          userId,
          timestamp: isoTime(clock),
          mentraOSWebsocketUrl: url,
          augmentOSWebsocketUrl: url,
        } as const;
        return webhooks.start(current(), request, AbortSignal.any([signal, stopped]));
      },
      onChange: (changed, from) => {
        const { state } = changed;
        this.#host.log.info({ packageName, from, to: state }, "app state");
        if (state === "RUNNING" && (from === "CONNECTING" || from === "STOPPED")) this.#wantRunning(changed);
        if (from === "CONNECTING" && state !== "RUNNING") this.#host.display.bootEnds(packageName);
        if (state !== "RESURRECTING") this.#wake.settled(packageName);
        if (state === "DORMANT")
          for (const manager of this.#host.managers) manager.onAppAsleep?.(packageName);
        this.#host.onChange();
        // Neither may an event be kept of an app that nobody knows of, nor an app that the user has stopped come back.
        this.#host.changed(from === "STOPPED" || state === "STOPPED" || state === "STOPPING");
      },
      onGone: (gone) => this.#erase(gone),
      onGivenUp: (_link, { message }) => this.#host.onGivenUp(packageName, message),
    };
    const link = new AppLink(packageName, sessionId, host, resumed);
    this.#links.set(packageName, link);
    return link;
  }

  /** One standard app at a time: any other one that runs, starts, is awaited or might still come makes room. */
  #makeForeground(link: AppLink): void {
    for (const other of [...this.#links.values()]) {
      if (other !== link && other.record.type === "standard") this.stop(other.packageName, "system_stop");
    }
    for (const set of [this.#unfit, this.#renewed]) {
      for (const other of [...set]) if (this.#isStandard(other)) set.delete(other);
    }
  }

  #isStandard(packageName: string): boolean {
    return this.#host.catalogue.get(packageName)?.type === "standard";
  }

  /** Whether the user has put some standard app into the foreground, though it may not have come yet. */
  get #foregroundTaken(): boolean {
    return [...this.#links.values()].some((link) => link.record.type === "standard" && link.awaited);
  }

  /** An app that was started runs, and is to run in the next session as well. Of the standard apps only the latest is. */
  #wantRunning(link: AppLink): void {
    this.#want(link.packageName, true);
    if (link.record.type !== "standard") return;
    for (const other of this.#wanted) {
      if (other !== link.packageName && this.#isStandard(other)) this.#want(other, false);
    }
  }

  #want(packageName: string, wanted: boolean): void {
    if (wanted === this.#wanted.has(packageName)) return;
    if (wanted) this.#wanted.add(packageName);
    else this.#wanted.delete(packageName);
    this.#host.users.saveWantedApp(this.#host.userId, packageName, wanted);
  }

  /** A start that takes its time goes on, and counts as loading; the phone is told so once more. */
  #reportIfSlow(link: AppLink): Stop {
    const { clock, limits, metrics, log, onChange } = this.#host;
    return clock.after(limits.appStartSlowMs, () => {
      if (link.state !== "CONNECTING") return;
      metrics.appStarts.inc({ outcome: "slow" });
      log.warn({ packageName: link.packageName, ms: limits.appStartSlowMs }, "app start is slow");
      onChange();
    });
  }

  /** Takes an app out of routing, off the screen and out of everything it has under way. */
  #erase(link: AppLink): void {
    this.#hearing.remove(link.packageName);
    this.#host.display.removeApp(link.packageName);
    for (const manager of this.#host.managers) {
      manager.onAppGone?.(link.packageName);
      manager.onSubscriptionsChanged?.();
    }
  }

  #tellServerOfStop(link: AppLink, reason: StopReason): void {
    this.#host.webhooks.stop(link.record, {
      type: "stop_request",
      sessionId: link.sessionId,
      userId: this.#host.userId,
      reason,
      timestamp: isoTime(this.#host.clock),
    });
  }
}

function failed(message: string): StartResult {
  return { success: false, error: { stage: "WEBHOOK", message } };
}
