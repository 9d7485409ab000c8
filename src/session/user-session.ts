import type { Clock } from "../kernel/clock.ts";
import { ContainedClock } from "../kernel/contained-clock.ts";
import { Containment } from "../kernel/containment.ts";
import type { Logger } from "../kernel/log.ts";
import type { Stop } from "../kernel/stop.ts";
import type { KeptEvent, UserRecord } from "../store/store.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import type { GlassesMessage, SessionSnapshot, ToGlasses } from "../wire/glasses.ts";
import { parseStream, streamKey } from "../wire/streams.ts";
import { AppManager, type KeptApp } from "./app-manager.ts";
import { AudioManager } from "./audio-manager.ts";
import { DisplayManager, type KeptDisplay } from "./display-manager.ts";
import { glassesEvent } from "./glasses-events.ts";
import type { Manager, Publish, SessionContext } from "./manager.ts";
import { createManagers, type Managers } from "./managers.ts";
import { MicrophoneManager } from "./microphone-manager.ts";
import { PhoneSubscriber } from "./phone-subscriber.ts";
import type { GlassesPort, SendResult } from "./ports.ts";
import { nextSessionState, type SessionEvent, type SessionState } from "./session-lifecycle.ts";
import type { SessionWorld } from "./session-world.ts";
import { type KeptSpeech, TranscriptionManager } from "./transcription-manager.ts";

/** The form of what is kept of a session. What another version has kept is not read. */
const keptVersion = 1;

/** A session as it is kept in case the process ends. Times in milliseconds since the Unix epoch. */
interface KeptState {
  readonly version: typeof keptVersion;
  readonly startedAtMs: number;
  /** When the session ends unless its glasses return; absent while they are there. */
  readonly untilMs?: number;
  readonly apps: readonly KeptApp[];
  readonly display: KeptDisplay;
  readonly speech: KeptSpeech;
  /** By the manager's name. */
  readonly managers: Readonly<Record<string, object>>;
}

/** How a session goes on that a former process had. */
export interface ResumedSession {
  /** What `keep` gave. */
  readonly body: string;
  /** What its apps have not confirmed, by package and number. */
  readonly events: readonly KeptEvent[];
  /** When the former process ended, as far as known. */
  readonly lostMs: number;
  /** When the session ends unless its glasses return. */
  readonly untilMs: number;
  /** By how much the webhooks to its apps are put off, since it is not the only one. */
  readonly spreadMs: number;
}

/** Until when a kept session waits for its glasses; undefined: it cannot be read. */
export function keptUntilMs(
  body: string,
  lostMs: number,
  graceMs: number,
  nowMs: number,
): number | undefined {
  const state: Partial<KeptState> = JSON.parse(body);
  if (state.version !== keptVersion) return undefined;
  // However the time of day was set meanwhile, no grace is longer than one.
  return Math.min(state.untilMs ?? lostMs + graceMs, nowMs + graceMs);
}

/**
 * Everything that belongs to one user while the glasses are on: the glasses' socket, the apps, and the managers that
 * keep order between them. Outlives drops of the glasses; every socket has a generation, and what an older one says or
 * does has no effect.
 */
export class UserSession {
  readonly userId: string;
  /** Where every frame of audio goes, straight from its socket. */
  readonly audio: AudioManager;
  readonly apps: AppManager;
  readonly display: DisplayManager;
  readonly microphone: MicrophoneManager;
  readonly transcription: TranscriptionManager;
  readonly settings: Managers["settings"];
  readonly device: Managers["device"];
  readonly location: Managers["location"];
  readonly calendar: Managers["calendar"];
  readonly notifications: Managers["notifications"];
  readonly dashboard: Managers["dashboard"];
  readonly #phone: PhoneSubscriber;
  readonly #publish: Publish;
  readonly #managers: readonly Manager[];
  readonly #managersByName: Readonly<Record<string, Manager>>;
  readonly #world: SessionWorld;
  readonly #clock: Clock;
  readonly #containment: Containment;
  readonly #log: Logger;
  readonly #installations: Map<string, boolean>;
  #startedAtMs: number;
  readonly #abort = new AbortController();
  readonly #onDisposed: (session: UserSession) => void;
  #state: SessionState;
  #port: GlassesPort | undefined;
  #generation = 0;
  #everConnected = false;
  /** Whether the session goes on after the end of a former process, with which its glasses were lost. */
  #resuming = false;
  #cancelGrace: Stop | undefined;
  #cancelReview: Stop | undefined;
  #disposal: Promise<void> | undefined;

  /**
   * @param onDisposed is called when it is over and freed.
   * @param resumed where a former process had the session; then it waits for its glasses.
   * @throws when that cannot be read.
   */
  constructor(
    world: SessionWorld,
    user: UserRecord,
    log: Logger,
    onDisposed: (session: UserSession) => void,
    resumed?: ResumedSession,
  ) {
    const { metrics, config } = world;
    // What goes wrong in a timer of this session is told as this session's.
    const containment = new Containment(world.clock, metrics, log);
    const clock = new ContainedClock(world.clock, (error) => containment.report("timer", error));
    const { limits } = config;
    this.userId = user.userId;
    this.#world = world;
    this.#clock = clock;
    this.#containment = containment;
    this.#log = log;
    this.#installations = new Map(Object.entries(user.installations));
    this.#onDisposed = onDisposed;
    this.#startedAtMs = clock.now();
    this.#state = { name: "CONNECTING", untilMs: clock.now() + limits.sessionGraceMs };
    const send = (message: ToGlasses): SendResult => this.#port?.send(message) ?? "dropped";
    this.display = new DisplayManager({
      clock,
      limits,
      metrics,
      send,
      foregroundApp: () => this.apps.foreground,
      changed: () => this.#changed(),
    });
    const context: SessionContext = {
      userId: user.userId,
      clock,
      limits,
      metrics,
      log,
      containment,
      signal: this.#abort.signal,
      glassesConnected: () => this.#port !== undefined,
      sendToGlasses: send,
      probeGlasses: (onSilent) => this.#port?.probe(onSilent),
      glasses: () => this.device.facts,
      publish: (key, data, ...delivery) => {
        this.apps.publish(key, data, ...delivery);
        this.#phone.publish(key, data);
      },
      publishTo: (...event) => this.apps.publishTo(...event),
      app: (packageName) => this.apps.app(packageName),
      apps: () => this.apps.all(),
      isHeard: (key) => this.apps.subscriptions.match(key).length > 0,
      streamsOf: (packageName) => this.apps.subscriptions.streamsOf(packageName),
      allStreams: () => this.apps.subscriptions.allStreams(),
      showDashboard: (layout) => this.display.showSystem("dashboard", layout),
      showStatus: (layout) => this.display.showSystem("main", layout),
      changed: () => this.#changed(),
    };
    this.#publish = context.publish;
    const managers = createManagers(context, world, user, {
      onDeviceChange: (modelChanged) => {
        // An app that has to go turns no microphone on any more.
        if (modelChanged) this.apps.fitGlasses();
        this.microphone.update();
      },
      // Those to be heard by voice and not to be heard at all are among them.
      onSettings: () => this.#reviewSoon(),
    });
    this.#managersByName = managers;
    this.#managers = Object.values(managers);
    this.settings = managers.settings;
    this.device = managers.device;
    this.location = managers.location;
    this.calendar = managers.calendar;
    this.notifications = managers.notifications;
    this.dashboard = managers.dashboard;
    this.apps = new AppManager({
      userId: user.userId,
      clock,
      limits,
      metrics,
      log,
      containment,
      managers: this.#managers,
      catalogue: world.catalogue,
      users: world.users,
      webhooks: world.webhooks,
      circuits: world.circuits,
      wantedApps: user.wantedApps,
      signal: this.#abort.signal,
      display: this.display,
      websocketUrl: world.websocketUrl,
      // Whoever was there when the server went is on the way back.
      userPresent: () => this.#port !== undefined || this.#resuming,
      journal: world.journal,
      changed: (atOnce) => this.#changed(atOnce),
      hasInstalled: (packageName) => this.hasInstalled(packageName),
      capabilities: () => this.device.facts.capabilities,
      onGivenUp: (packageName, message) => {
        send({ type: "app_stopped", packageName });
        this.#sendAppState(message);
      },
      greeting: (packageName) => ({
        settings: this.settings.settingsOf(packageName),
        systemSettings: this.settings.system,
        capabilities: this.device.facts.capabilities,
      }),
      onChange: () => this.#reviewSoon(),
    });
    this.transcription = new TranscriptionManager({
      clock,
      limits,
      metrics,
      publish: context.publish,
      onSaid: (said) => {
        for (const manager of this.#managers) manager.onSaid?.(said);
      },
      onStateChange: () => this.#reviewSoon(),
      changed: () => this.#changed(),
      voiceCommands: () => this.settings.phone["voice_commands"] === true,
      callableApps: () => world.catalogue.all().filter(({ packageName }) => this.hasInstalled(packageName)),
      obey: ({ action, packageName }) => {
        if (action === "start") this.#containment.watch("app_start", this.#startByMessage(packageName));
        else this.apps.stop(packageName);
      },
    });
    this.#phone = new PhoneSubscriber({ subscriptions: this.apps.subscriptions, limits, metrics, send });
    this.microphone = new MicrophoneManager({
      userId: user.userId,
      clock,
      limits,
      metrics,
      facts: () => {
        const demand = this.apps.subscriptions.mediaDemand();
        return {
          speechWanted: this.transcription.demandOf(demand).languages.length > 0,
          pcmWanted: demand.pcm,
          speechOff: this.transcription.state.state === "off",
          glassesGone: !this.device.facts.connected,
          worksWithoutGlasses: config.microphoneWithoutGlasses,
          muted: this.settings.system["sensingEnabled"] === false,
          bypassVad: this.settings.system["bypassVad"] === true,
        };
      },
      appsSettling: () => this.apps.settling,
      send,
    });
    this.audio = new AudioManager(
      {
        clock,
        limits,
        lanes: world.lanes,
        metrics,
        unwantedAudio: this.microphone.unwantedAudio,
        listener: {
          onTranscript: (transcript) => this.transcription.onTranscript(transcript),
          onVoice: (active) => this.transcription.onServerVoice(active),
          onPcm: (pcm) => this.apps.publishAudio(pcm),
          onSpeechState: (state) => this.transcription.onState(state),
        },
      },
      user.audioFormat,
    );
    if (resumed !== undefined) this.#resumeOrNothing(resumed);
    this.#armGrace();
  }

  get state(): SessionState["name"] {
    return this.#state.name;
  }

  /** Whether the session is over or about to be: it takes no more sockets. */
  get disposed(): boolean {
    return this.state === "DISPOSING" || this.state === "DISPOSED";
  }

  get connected(): boolean {
    return this.#port !== undefined;
  }

  /**
   * Takes a glasses socket. It is acknowledged at once; then, in this order, it is told the state of the microphone and
   * shown what belongs on the screen. An older socket of the user is closed.
   * @returns the socket's generation.
   */
  attachGlasses(port: GlassesPort): number {
    const former = this.#port;
    const returning = this.#everConnected;
    this.#port = port;
    this.#generation++;
    this.#everConnected = true;
    this.#resuming = false;
    former?.close(closes.superseded);
    if (former !== undefined) this.display.glassesGone();
    this.#setState({ kind: "connected" });
    port.send({ type: "connection_ack", sessionId: this.userId, userSession: this.snapshot() });
    this.audio.glassesConnected(this.#generation);
    this.transcription.glassesConnected();
    this.microphone.glassesConnected();
    if (returning) this.location.restoreTier();
    this.display.glassesConnected();
    for (const manager of this.#managers) manager.onGlassesConnected?.(returning);
    if (returning) {
      this.#sendAppState();
      this.apps.userReturned();
    } else {
      this.apps.startWanted();
    }
    return this.#generation;
  }

  /** A text message of the glasses. Of an older generation it is counted and left. */
  receiveGlasses(generation: number, message: GlassesMessage): void {
    if (!this.#isCurrent(generation)) {
      this.#world.metrics.messagesRejected.inc({ side: "glasses", reason: "stale" });
      return;
    }
    const event = glassesEvent(message);
    if (event !== undefined) {
      for (const key of event.keys) this.#publish(key, message, event.deliveryClass, key);
    }
    for (const manager of this.#managers) manager.onGlassesMessage?.(message);
    switch (message.type) {
      case "start_app":
        this.#containment.watch("app_start", this.#startByMessage(message.packageName));
        break;
      case "stop_app":
        // A client that stops an app which did not run waits for the state all the same.
        if (!this.apps.stop(message.packageName)) this.#sendAppState();
        break;
      case "VAD":
        this.audio.markVoice(message.status === true || message.status === "true");
        this.transcription.onPhoneVoice(message.status === true || message.status === "true");
        break;
      case "local_transcription":
        this.transcription.onLocalTranscription(message);
        break;
      case "phone_subscription_update":
        this.#phone.subscribe(message.subscriptions);
        for (const manager of this.#managers) manager.onSubscriptionsChanged?.();
        this.#reviewSoon();
        break;
      default:
        break;
    }
  }

  /**
   * A message of the glasses of a type that this server does not know. It goes to those who have subscribed to that very
   * type. @returns whether it was anybody's.
   */
  receiveUnknown(generation: number, type: string, message: object): boolean {
    if (!this.#isCurrent(generation)) return false;
    const stream = parseStream(type);
    const key = stream.kind === "unknown" ? streamKey(stream) : undefined;
    if (key === undefined || this.apps.subscriptions.match(key).length === 0) return false;
    this.#publish(key, message, "must", key);
    return true;
  }

  /** A glasses socket has closed. Only that of the current generation matters: it starts the grace. */
  glassesClosed(generation: number): void {
    if (!this.#isCurrent(generation)) return;
    this.#port = undefined;
    this.audio.glassesGone();
    this.transcription.glassesGone();
    this.microphone.glassesGone();
    this.display.glassesGone();
    for (const manager of this.#managers) manager.onGlassesGone?.();
    this.#setState({ kind: "lost" });
  }

  /** Whether an app is there for the user: every app of the catalogue is, except those the user took off. */
  hasInstalled(packageName: string): boolean {
    return this.#installations.get(packageName) ?? true;
  }

  /** The user has installed an app, or taken it off, which stops it. Remembered for the user. */
  setInstalled(packageName: string, installed: boolean): void {
    this.#installations.set(packageName, installed);
    this.#world.users.saveInstallation(this.userId, packageName, installed);
    if (!installed) this.apps.stop(packageName);
  }

  /** Tells the phone that what it asked for over HTTP has come to pass. */
  announce(type: "app_started" | "app_stopped", packageName: string): void {
    this.#port?.send({ type, packageName });
  }

  /** From the next frame on, the glasses send this format. Remembered for the user. */
  configureAudio(format: AudioFormat): void {
    this.audio.setFormat(format);
    this.#world.users.saveAudioFormat(this.userId, format);
  }

  /** What a client is told of the session. Reading it changes nothing. */
  snapshot(): SessionSnapshot {
    const active = this.apps.inState("RUNNING", "GRACE_PERIOD", "RESURRECTING");
    const demand = this.transcription.demandOf(this.apps.subscriptions.mediaDemand());
    return {
      userId: this.userId,
      startTime: new Date(this.#startedAtMs).toISOString(),
      activeAppSessions: active,
      loadingApps: this.apps.inState("CONNECTING"),
      appSubscriptions: Object.fromEntries(
        active.map((name) => [name, this.apps.subscriptions.literalsOf(name)]),
      ),
      requiresAudio: demand.pcm || demand.languages.length > 0,
      minimumTranscriptionLanguages: demand.languages,
      isTranscribing: this.transcription.voiceActive,
    };
  }

  /** The whole session as JSON, for the next process. */
  keep(): string {
    const managers = Object.entries(this.#managersByName).flatMap(([name, manager]) => {
      const kept = manager.keep?.();
      return kept === undefined ? [] : [[name, kept] as const];
    });
    const state: KeptState = {
      version: keptVersion,
      startedAtMs: this.#startedAtMs,
      ...("untilMs" in this.#state && { untilMs: this.#state.untilMs }),
      apps: this.apps.keep(),
      display: this.display.keep(),
      speech: this.transcription.keep(),
      managers: Object.fromEntries(managers),
    };
    return JSON.stringify(state);
  }

  /** Takes no more audio, and waits for the words of what was said so far, for `finalWordsMs` at most. Never rejects. */
  async finishSpeech(): Promise<void> {
    await this.#contained("audio", () => this.audio.close(this.#world.config.limits.finalWordsMs));
  }

  /** Asks every app how far it has got. Returns whether one owes an answer. Never throws. */
  askReceipts(): boolean {
    let owing = false;
    this.#containment.run("receipt", () => {
      owing = this.apps.askReceipts();
    });
    return owing;
  }

  /**
   * Ends the session: audio is taken no more, the last words are waited for, the apps are told, everything is freed.
   * @param appsClose what the apps' sockets are closed with, `glassesClose` that of the glasses.
   * @returns the same promise to every caller; never rejects.
   */
  end(appsClose: Close = closes.sessionEnded, glassesClose: Close = closes.sessionEnded): Promise<void> {
    this.#disposal ??= this.#dispose(appsClose, glassesClose);
    return this.#disposal;
  }

  /** One that cannot be resumed must not go on in part: its timers would call apps for a session that nobody finds. */
  #resumeOrNothing(resumed: ResumedSession): void {
    try {
      this.#resume(resumed);
    } catch (error) {
      this.#abort.abort();
      this.#cancelReview?.();
      this.microphone.dispose();
      this.#containment.run("resume", () => this.apps.dispose(closes.restart));
      for (const part of [this.display, this.transcription, ...this.#managers]) {
        this.#containment.run("resume", () => part.dispose?.());
      }
      throw error;
    }
  }

  #resume({ body, events, lostMs, untilMs, spreadMs }: ResumedSession): void {
    const kept: KeptState = JSON.parse(body);
    const { clock } = this.#world;
    this.#startedAtMs = kept.startedAtMs;
    this.#everConnected = true;
    this.#resuming = kept.untilMs === undefined;
    this.#state = { name: "DISCONNECTED", untilMs };
    const gap = this.transcription.resume(kept.speech, lostMs);
    if (gap !== undefined) this.#log.warn({ gap }, "what was being said when the server ended is lost");
    this.apps.resume({ apps: kept.apps, events, lostMs, spreadMs, gap });
    this.display.resume(kept.display);
    for (const [name, manager] of Object.entries(this.#managersByName)) {
      const own = kept.managers[name];
      // One that cannot read its own begins anew: that is less of a loss than the session.
      if (own !== undefined) this.#containment.run("resume", () => manager.resume?.(own));
    }
    this.#log.info({ awayMs: Math.round(clock.now() - lostMs) }, "session resumed");
    this.#reviewSoon();
  }

  /** Something has changed that `keep` gives. */
  #changed(atOnce = false): void {
    // Nobody can have seen anything of it yet.
    if (!this.#everConnected || this.disposed) return;
    const read = () => {
      let body: string | undefined;
      this.#containment.run("snapshot", () => {
        body = this.keep();
      });
      return body;
    };
    this.#world.journal.save(this.userId, read, atOnce);
  }

  async #dispose(appsClose: Close, glassesClose: Close): Promise<void> {
    this.#setState({ kind: "end" });
    this.audio.glassesGone();
    this.#resuming = false;
    this.#cancelGrace?.();
    this.microphone.dispose();
    await this.#contained("audio", () => this.audio.close(this.#world.config.limits.finalWordsMs));
    this.#abort.abort();
    this.#cancelReview?.();
    await this.#contained("apps", () => this.apps.dispose(appsClose));
    await this.#contained("display", () => this.display.dispose());
    await this.#contained("transcription", () => this.transcription.dispose());
    for (const manager of this.#managers) await this.#contained("manager", () => manager.dispose?.());
    await this.#contained("glasses", () => this.#port?.close(glassesClose));
    this.#port = undefined;
    this.#generation++;
    this.#setState({ kind: "disposed" });
    this.#world.journal.end(this.userId);
    this.#onDisposed(this);
  }

  /** One manager's trouble must not keep the others from being disposed of. */
  async #contained(where: string, run: () => unknown): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#world.metrics.errors.inc({ where: `dispose_${where}` });
      this.#log.error({ err: error, where }, "disposal failed in part");
    }
  }

  async #startByMessage(packageName: string): Promise<void> {
    const starting = this.apps.start(packageName);
    this.#sendAppState();
    const result = await starting;
    this.#sendAppState(result.success ? undefined : result.error.message);
  }

  #isCurrent(generation: number): boolean {
    return this.#port !== undefined && generation === this.#generation && !this.disposed;
  }

  #setState(event: SessionEvent): void {
    const from = this.state;
    const { clock, config } = this.#world;
    this.#state = nextSessionState(this.#state, event, clock.now(), config.limits.sessionGraceMs);
    if (this.state === from) return;
    this.#log.info({ from, to: this.state }, "session state");
    this.#changed();
    this.#armGrace();
  }

  #armGrace(): void {
    this.#cancelGrace?.();
    if (!("untilMs" in this.#state)) return;
    this.#cancelGrace = this.#clock.at(this.#state.untilMs, () => {
      const next = nextSessionState(
        this.#state,
        { kind: "tick" },
        this.#world.clock.now(),
        this.#world.config.limits.sessionGraceMs,
      );
      if (next.name === "DISPOSING") this.#containment.watch("end", this.end());
    });
  }

  /** Looks at the demand for audio a moment from now: the SDK sends its list anew for every handler it registers. */
  #reviewSoon(): void {
    if (this.#cancelReview !== undefined || this.disposed) return;
    this.#cancelReview = this.#clock.after(this.#world.config.limits.microphoneBatchMs, () => {
      this.#cancelReview = undefined;
      const demand = this.apps.subscriptions.mediaDemand();
      this.audio.setDemand(this.transcription.listenFor(demand));
      this.microphone.update();
      this.#sendAppState();
    });
  }

  #sendAppState(error?: string): void {
    this.#port?.send({
      type: "app_state_change",
      sessionId: this.userId,
      userSession: this.snapshot(),
      ...(error === undefined ? {} : { error }),
    });
  }
}
