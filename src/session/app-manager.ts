import type { Clock } from "../kernel/clock.ts";
import { isoTime } from "../kernel/clock.ts";
import { Fault } from "../kernel/faults.ts";
import { equalInConstantTime, sha256Hex } from "../kernel/identity.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AppCatalogue, AppRecord, UserStore } from "../store/store.ts";
import type { AppMessage, AppSetting, StopReason, SystemSettings, ToApp } from "../wire/apps.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import { compatibility } from "../wire/hardware.ts";
import { isBitmap, parseLayout } from "../wire/layouts.ts";
import { type Stream, streamKey } from "../wire/streams.ts";
import type { AppCircuits } from "./app-circuits.ts";
import type { AppState } from "./app-lifecycle.ts";
import { AppLink, type StartResult } from "./app-link.ts";
import type { DisplayManager } from "./display-manager.ts";
import type { Manager, Publish, SessionApp } from "./manager.ts";
import type { DeliveryClass } from "./outbox.ts";
import type { AppPort, Webhooks } from "./ports.ts";
import { type Listener, type RequestedStream, readSubscriptions, Subscriptions } from "./subscriptions.ts";
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
  /** What the glasses have; undefined while their model is not known. */
  readonly capabilities: () => Capabilities | undefined;
  /** An app was stopped because the glasses lack what it needs; `message` says so to the user. */
  readonly onUnfit: (packageName: string, message: string) => void;
  /** An app that nobody waits for could not be started or brought back; `message` says so to the user. */
  readonly onGivenUp: (packageName: string, message: string) => void;
  readonly greeting: (packageName: string) => AppGreeting;
  /** An app came, went or changed its mind: the user is to be told, and the demand for audio looked at again. */
  readonly onChange: () => void;
}

/**
 * The apps of one session: starting and stopping them, their sockets, and what they hear. An app is what its socket
 * authenticated as; nothing it writes into a message can make it another.
 */
export class AppManager {
  readonly subscriptions = new Subscriptions();
  readonly #host: AppHost;
  readonly #links = new Map<string, AppLink>();
  /** Stream keys that an app has heard since its last connect. */
  readonly #heard = new Map<string, Set<string>>();
  /** Apps that were stopped because the glasses lack what they need, and that the user still wants. */
  readonly #unfit = new Set<string>();
  /** What the user wants running: what he has started and neither stopped nor replaced since. */
  readonly #wanted: Set<string>;
  readonly #wake: WakeQueue;

  constructor(host: AppHost) {
    this.#host = host;
    this.#wanted = new Set(host.wantedApps);
    this.#wake = new WakeQueue(host.clock, host.limits.appWakeMs, (name) =>
      this.#links.get(name)?.userReturned(),
    );
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
    const fit = compatibility(record.hardware, this.#host.capabilities());
    if (!fit.isCompatible) {
      this.#host.metrics.appStarts.inc({ outcome: "hardware_check" });
      return { success: false, error: { stage: "HARDWARE_CHECK", message: fit.message } };
    }
    this.#unfit.delete(packageName);
    const link = this.#linkOf(record);
    const { display } = this.#host;
    if (link.state === "STOPPED" || link.state === "DORMANT") display.bootBegins(packageName, record.name);
    if (record.type === "standard") this.#makeForeground(link);
    const starting = link.start(automatic);
    if (link.state !== "CONNECTING") display.bootEnds(packageName);
    const result = await starting;
    if (!result.success) this.#host.log.warn({ packageName, error: result.error }, "app start failed");
    return result;
  }

  /** Starts what the user had running in the last session. Nobody waits for it. */
  startWanted(): void {
    const typeOf = (packageName: string) => this.#host.catalogue.get(packageName)?.type;
    const wanted = [...this.#wanted];
    const standard = wanted.findLast((packageName) => typeOf(packageName) === "standard");
    for (const packageName of wanted) {
      if (typeOf(packageName) !== "standard" || packageName === standard) void this.start(packageName, true);
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
   * Other glasses are worn: apps that need what these lack are stopped, and those that were stopped for that reason come
   * back where these have it, unless the user has meanwhile put another app into the foreground.
   */
  fitGlasses(): void {
    const capabilities = this.#host.capabilities();
    const fitOf = (packageName: string) =>
      compatibility(this.#host.catalogue.get(packageName)?.hardware, capabilities);
    for (const { packageName, state } of [...this.#links.values()]) {
      const fit = fitOf(packageName);
      if (fit.isCompatible || state === "STOPPED") continue;
      this.stop(packageName, "system_stop");
      this.#unfit.add(packageName);
      this.#host.onUnfit(packageName, fit.message);
    }
    for (const packageName of [...this.#unfit].filter((name) => fitOf(name).isCompatible)) {
      this.#unfit.delete(packageName);
      const isStandard = this.#host.catalogue.get(packageName)?.type === "standard";
      if (!isStandard || this.foreground === undefined) void this.start(packageName);
    }
  }

  /**
   * Takes an app's socket. On success its acknowledgement has been sent when this returns.
   * @param nonce from the path it dialled, which tells a socket of the latest webhook from a straggler.
   */
  accept(
    packageName: string,
    apiKey: string,
    nonce: string | undefined,
    port: AppPort,
  ): { generation: number } | { fault: Fault } | { close: Close } {
    const record = this.#host.catalogue.get(packageName);
    if (record === undefined) return { fault: new Fault("PACKAGE_NOT_FOUND") };
    const link = this.#links.get(packageName);
    if (!equalInConstantTime(sha256Hex(apiKey), record.apiKeyHash)) {
      link?.refuseKey(nonce);
      return { fault: new Fault("INVALID_API_KEY") };
    }
    const { settings, systemSettings, capabilities } = this.#host.greeting(packageName);
    const accepted = link?.accept(port, nonce, {
      type: "tpa_connection_ack",
      sessionId: this.sessionIdOf(packageName),
      settings,
      mentraosSettings: systemSettings,
      augmentosSettings: systemSettings,
      ...(capabilities === undefined ? {} : { capabilities }),
    });
    if (accepted === undefined || accepted === "notStarted") return { fault: new Fault("APP_NOT_STARTED") };
    if (accepted === "duplicate") return { close: closes.duplicate };
    if (link !== undefined) {
      this.#heard.delete(packageName);
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
    switch (message.type) {
      case "subscription_update":
        this.#subscribe(link, message.subscriptions);
        break;
      case "display_event":
        this.#display(link, message);
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

  /** A socket has closed. Only that of the current generation matters. */
  closed(packageName: string, generation: number): void {
    this.#links.get(packageName)?.lost(generation);
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
  publish(key: string, data: unknown, deliveryClass: DeliveryClass, slot: string, supersedes?: string): void {
    this.#deliver(this.subscriptions.match(key), data, deliveryClass, slot, supersedes);
  }

  /** Delivers an event of the stream `key` to one app, if it hears it. */
  publishTo(only: string, ...[key, data, deliveryClass, slot, supersedes]: Parameters<Publish>): void {
    const listeners = this.subscriptions.match(key).filter(({ packageName }) => packageName === only);
    this.#deliver(listeners, data, deliveryClass, slot, supersedes);
  }

  #deliver(
    listeners: readonly Listener[],
    data: unknown,
    deliveryClass: DeliveryClass,
    slot: string,
    supersedes: string | undefined,
  ): void {
    for (const { packageName, literal } of listeners) {
      const link = this.#links.get(packageName);
      if (link === undefined) continue;
      const message: ToApp = { type: "data_stream", sessionId: link.sessionId, streamType: literal, data };
      const of = (name: string) => `${literal} ${name}`;
      link.deliver(message, deliveryClass, of(slot), supersedes === undefined ? undefined : of(supersedes));
    }
  }

  /** Relays decoded audio to the apps that asked for it. */
  publishAudio(pcm: Uint8Array): void {
    for (const { packageName } of this.subscriptions.match("audio_chunk")) {
      this.#links.get(packageName)?.sendAudio(pcm);
    }
  }

  /** The glasses are back: apps that were left to sleep are woken. */
  userReturned(): void {
    for (const link of this.#links.values()) if (link.state !== "DORMANT") link.userReturned();
    this.#wake.add(this.inState("DORMANT"));
  }

  /** Ends every app of the session. */
  dispose(close: Close): void {
    this.#wake.close();
    for (const link of this.#links.values()) {
      this.subscriptions.remove(link.packageName);
      link.dispose(close);
    }
    this.#links.clear();
  }

  #linkOf(record: AppRecord): AppLink {
    const link = this.#links.get(record.packageName);
    // What an app may do is settled with its link: one that is not running takes over what has changed in its record.
    if (link === undefined || (link.state === "STOPPED" && !link.parked && link.record !== record)) {
      link?.dispose(closes.appStopped);
      return this.#createLink(record);
    }
    return link;
  }

  #createLink(record: AppRecord): AppLink {
    const { packageName } = record;
    const sessionId = this.sessionIdOf(packageName);
    const { clock, limits, metrics, userPresent, webhooks, signal, userId, circuits, catalogue } = this.#host;
    const link = new AppLink(record, sessionId, {
      clock,
      limits,
      metrics,
      userPresent,
      signal,
      // Its server may have moved since the last time.
      circuit: () => circuits.of(catalogue.get(packageName) ?? record),
      sendWebhook: (nonce) => {
        const url = this.#host.websocketUrl(nonce);
        const request = {
          type: "session_request",
          sessionId,
          userId,
          timestamp: isoTime(clock),
          mentraOSWebsocketUrl: url,
          augmentOSWebsocketUrl: url,
        } as const;
        return webhooks.start(catalogue.get(packageName) ?? record, request, signal);
      },
      onChange: (changed, from) => {
        const { state } = changed;
        this.#host.log.info({ packageName, from, to: state }, "app state");
        if (state === "RUNNING" && (from === "CONNECTING" || from === "STOPPED")) this.#wantRunning(changed);
        if (from === "CONNECTING" && state !== "RUNNING") this.#host.display.bootEnds(packageName);
        if (state !== "RESURRECTING") this.#wake.settled(packageName);
        this.#host.onChange();
      },
      onGone: (gone) => this.#erase(gone),
      onGivenUp: (_link, { message }) => this.#host.onGivenUp(packageName, message),
    });
    this.#links.set(packageName, link);
    return link;
  }

  /** One standard app at a time: any other one that runs, starts, is awaited or might still come makes room. */
  #makeForeground(link: AppLink): void {
    for (const other of [...this.#links.values()]) {
      if (other !== link && other.record.type === "standard") this.stop(other.packageName, "system_stop");
    }
  }

  /** An app that was started runs, and is to run in the next session as well. Of the standard apps only the latest is. */
  #wantRunning(link: AppLink): void {
    this.#want(link.packageName, true);
    if (link.record.type !== "standard") return;
    for (const other of this.#wanted) {
      const replaced = other !== link.packageName && this.#host.catalogue.get(other)?.type === "standard";
      if (replaced) this.#want(other, false);
    }
  }

  #want(packageName: string, wanted: boolean): void {
    if (wanted === this.#wanted.has(packageName)) return;
    if (wanted) this.#wanted.add(packageName);
    else this.#wanted.delete(packageName);
    this.#host.users.saveWantedApp(this.#host.userId, packageName, wanted);
  }

  #subscribe(link: AppLink, requested: readonly RequestedStream[]): void {
    const { granted } = link;
    const { streams, denied, overflow } = readSubscriptions(
      requested,
      granted,
      this.#host.limits.subscriptionsPerApp,
    );
    if (overflow > 0) {
      this.#host.metrics.messagesRejected.inc({ side: "app", reason: "too_many_subscriptions" }, overflow);
    }
    const commit = () => {
      this.subscriptions.replace(link.packageName, streams, granted);
      link.subscribed(this.subscriptions.literalsOf(link.packageName));
      this.#tellWhatIsHeard(link, streams);
      this.#host.onChange();
    };
    if (streams.length === 0) {
      link.held.empty(this.subscriptions.literalsOf(link.packageName).length > 0, commit);
    } else {
      link.held.reset();
      commit();
    }
    if (denied.length > 0) {
      link.send({ type: "permission_error", message: "Some subscriptions were denied", details: denied });
    }
  }

  #display(link: AppLink, message: Extract<AppMessage, { type: "display_event" }>): void {
    const parsed = parseLayout(message.layout, this.#host.limits);
    if ("problem" in parsed) {
      this.#refuseDisplay(link, "bad_layout", "BAD_LAYOUT", parsed.problem);
      return;
    }
    const capabilities = this.#host.capabilities();
    // Glasses that are not known may be able to.
    if (isBitmap(parsed.layout) && capabilities && capabilities.display?.canDisplayBitmap !== true) {
      this.#refuseDisplay(link, "no_bitmaps", "UNSUPPORTED_LAYOUT", "These glasses show no pictures");
      return;
    }
    this.#host.display.request(link.packageName, {
      view: message.view ?? "main",
      layout: parsed.layout,
      durationMs: message.durationMs,
      force: message.forceDisplay ?? false,
    });
  }

  /** There is no answer to a display, so the app is told by the message that its SDK raises as an error. */
  #refuseDisplay(link: AppLink, reason: string, code: string, message: string): void {
    this.#host.metrics.messagesRejected.inc({ side: "app", reason });
    this.#host.log.debug({ packageName: link.packageName, problem: message }, "display refused");
    link.send({ type: "tpa_connection_error", code, message: `The display was refused: ${message}` });
  }

  /** Newly heard streams may have something to say at once, such as the last known place. */
  #tellWhatIsHeard(link: AppLink, streams: readonly Stream[]): void {
    const before = this.#heard.get(link.packageName) ?? new Set();
    const keys = streams.map(streamKey).filter((key) => key !== undefined);
    const added = keys.filter((key) => !before.has(key));
    this.#heard.set(link.packageName, new Set([...before, ...added]));
    for (const manager of this.#host.managers) {
      if (added.length > 0) manager.onAppHears?.(link, added);
      manager.onSubscriptionsChanged?.();
    }
  }

  /** Takes an app out of routing, off the screen and out of everything it has under way. */
  #erase(link: AppLink): void {
    this.subscriptions.remove(link.packageName);
    this.#heard.delete(link.packageName);
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
