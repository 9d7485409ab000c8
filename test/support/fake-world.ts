import type { AudioDemand, AudioLane, AudioLanes, LaneListener } from "../../src/audio/lanes.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { sha256Hex, userHash } from "../../src/kernel/identity.ts";
import type { Limits } from "../../src/kernel/limits.ts";
import { createLog, type Logger } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { AppCircuits } from "../../src/session/app-circuits.ts";
import { AppRooms } from "../../src/session/app-rooms.ts";
import type { NumberedMessage } from "../../src/session/numbered-message.ts";
import type {
  AppPort,
  GlassesPort,
  MessageClass,
  SendResult,
  WebhookOutcome,
  Webhooks,
} from "../../src/session/ports.ts";
import { SessionStorage } from "../../src/session/session-storage.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { AppRecord, UserRecord } from "../../src/store/store.ts";
import type { SessionRequest, StopRequest, ToApp } from "../../src/wire/apps.ts";
import type { AudioFormat } from "../../src/wire/audio-format.ts";
import type { Close } from "../../src/wire/close-codes.ts";
import type { ToGlasses } from "../../src/wire/glasses.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakePhotos } from "./fake-photos.ts";
import { InstantJournal } from "./instant-journal.ts";

/** A glasses socket that records what it is sent. */
export class FakeGlasses implements GlassesPort {
  readonly sent: { readonly message: ToGlasses; readonly atMs: number }[] = [];
  readonly #clock: FakeClock;
  closed: Close | undefined;
  /** While set, nothing can be delivered. */
  blocked = false;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  send(message: ToGlasses): SendResult {
    if (this.closed || this.blocked) return "dropped";
    this.sent.push({ message, atMs: this.#clock.now() });
    return "sent";
  }

  /** Asked for a sign of life and not yet answered. */
  readonly probes: (() => void)[] = [];

  probe(onSilent: () => void): void {
    if (this.closed === undefined) this.probes.push(onSilent);
  }

  /** Nothing has come in answer. */
  fallSilent(): void {
    for (const onSilent of this.probes.splice(0)) onSilent();
  }

  close(close: Close): void {
    this.closed ??= close;
  }

  /** Everything sent of one type, oldest first. */
  of<T extends ToGlasses["type"]>(type: T): Extract<ToGlasses, { type: T }>[] {
    return this.sent
      .map(({ message }) => message)
      .filter((message): message is Extract<ToGlasses, { type: T }> => message.type === type);
  }

  /** Texts of the text walls shown, oldest first; an empty string for a cleared screen. */
  get texts(): string[] {
    return this.of("display_event").map(({ layout }) =>
      layout.layoutType === "text_wall" ? layout.text : "",
    );
  }

  get microphone(): boolean | undefined {
    return this.of("microphone_state_change").at(-1)?.isMicrophoneEnabled;
  }
}

/** An app socket that records what it is sent. */
export class FakeApp implements AppPort {
  peer = "127.0.0.1";
  /** What its reader has left unread. */
  queuedBytes = 0;
  readonly sent: ToApp[] = [];
  readonly audio: Uint8Array[] = [];
  closed: Close | undefined;
  generation = 0;

  /** The numbers of what was sent. */
  readonly numbers: number[] = [];
  /** What it was asked to confirm. */
  readonly receipts: number[] = [];

  send(numbered: NumberedMessage, _class: MessageClass): SendResult {
    if (this.closed) return "dropped";
    this.sent.push(numbered.message);
    this.numbers.push(numbered.seq);
    return "sent";
  }

  /** Answers as a WebSocket does by itself; undefined: pongs are swallowed on the way. */
  confirm: ((seq: number) => void) | undefined;

  askReceipt(seq: number): void {
    this.receipts.push(seq);
    if (this.closed === undefined) this.confirm?.(seq);
  }

  sendAudio(pcm: Uint8Array): SendResult {
    if (this.closed) return "dropped";
    this.audio.push(pcm.slice());
    return "sent";
  }

  close(close: Close): void {
    this.closed ??= close;
  }

  /** Data events received, as `stream: data`. */
  get events(): { streamType: string; data: unknown }[] {
    return this.sent.flatMap((message) =>
      message.type === "data_stream" ? [{ streamType: message.streamType, data: message.data }] : [],
    );
  }
}

/** A lane that records what it is told; `listener` plays the worker's part. */
class FakeLane implements AudioLane {
  readonly listener: LaneListener;
  readonly frames: Uint8Array[] = [];
  readonly told: string[] = [];
  /** Frames and voice markers as they came. */
  readonly order: string[] = [];
  demand: AudioDemand = { languages: [], pcm: false };
  closed = false;

  constructor(listener: LaneListener) {
    this.listener = listener;
  }

  write(frame: Uint8Array): boolean {
    this.frames.push(frame.slice());
    this.order.push(`frame of ${frame.length}`);
    return true;
  }

  skip(_bytes: number): void {}

  setFormat(format: AudioFormat): void {
    this.told.push(`format ${format.codec}`);
  }

  markVoice(active: boolean): void {
    this.told.push(`voice ${active}`);
    this.order.push(`voice ${active}`);
  }

  reset(): void {
    this.told.push("reset");
  }

  setDemand(demand: AudioDemand): void {
    this.demand = demand;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

class FakeLanes implements AudioLanes {
  readonly opened: FakeLane[] = [];

  open(listener: LaneListener): AudioLane {
    const lane = new FakeLane(listener);
    this.opened.push(lane);
    return lane;
  }
}

/** App servers that answer as `answer` says; each call is recorded. */
class FakeWebhooks implements Webhooks {
  readonly starts: SessionRequest[] = [];
  /** Of each of `starts`: aborted when nobody waits for it any more. */
  readonly signals: AbortSignal[] = [];
  readonly stops: StopRequest[] = [];
  answer: (request: SessionRequest) => Promise<WebhookOutcome> = () => new Promise(() => {});

  start(_app: AppRecord, request: SessionRequest, signal: AbortSignal): Promise<WebhookOutcome> {
    this.starts.push(request);
    this.signals.push(signal);
    return this.answer(request);
  }

  stop(_app: AppRecord, request: StopRequest): void {
    this.stops.push(request);
  }

  /** What the health probe of every server answers. */
  healthy: (app: AppRecord) => boolean = () => true;
  readonly probes: string[] = [];

  async probe(app: AppRecord): Promise<boolean> {
    this.probes.push(app.publicUrl);
    return this.healthy(app);
  }
}

class FakeUsers extends MemoryStore {
  readonly wanted = new Map<string, Set<string>>();
  readonly formats = new Map<string, AudioFormat>();
  loads = 0;

  override async loadUser(userId: string): Promise<UserRecord> {
    this.loads++;
    return {
      ...(await super.loadUser(userId)),
      audioFormat: this.formats.get(userId) ?? { codec: "pcm" },
      wantedApps: [...(this.wanted.get(userId) ?? [])],
    };
  }

  override saveAudioFormat(userId: string, format: AudioFormat): void {
    this.formats.set(userId, format);
  }

  override saveWantedApp(userId: string, packageName: string, wanted: boolean): void {
    const apps = this.wanted.get(userId) ?? new Set();
    if (wanted) apps.add(packageName);
    else apps.delete(packageName);
    this.wanted.set(userId, apps);
  }
}

export const captions = "com.example.captions";
export const apiKey = "captions-key";

/** A record of a background app with every permission and the key `apiKey`. */
export function appRecord(packageName: string, over: Partial<AppRecord> = {}): AppRecord {
  return {
    packageName,
    name: packageName,
    publicUrl: "http://127.0.0.1:1",
    type: "background",
    apiKeyHash: sha256Hex(apiKey),
    permissions: ["ALL"],
    ...over,
  };
}

/** Everything around the sessions, faked, on a clock that stands still. */
export class FakeWorld {
  readonly clock: FakeClock;
  readonly metrics = new Metrics();
  readonly lanes = new FakeLanes();
  readonly webhooks = new FakeWebhooks();
  readonly photos = new FakePhotos();
  readonly users = new FakeUsers();
  readonly journal = new InstantJournal();
  readonly records = new Map<string, AppRecord>([[captions, appRecord(captions)]]);
  readonly storage: SessionStorage;
  readonly limits: Limits;
  readonly circuits: AppCircuits;
  readonly rooms: AppRooms;

  /**
   * @param over limits that differ. Boot cards are off unless given one: most tests are about what apps draw, and a card
   * takes its place in the pace.
   */
  constructor(
    env: Record<string, string> = {},
    over: Partial<Limits> = {},
    log: Logger = createLog({ level: "silent", format: "json" }),
    startMs?: number,
  ) {
    this.clock = new FakeClock(startMs);
    // A dashboard that draws by itself would be in the way of tests about what apps draw.
    const config = loadConfig({ BROWLINE_BUILT_IN_DASHBOARD: "false", ...env });
    this.limits = { ...config.limits, bootCardMs: 0, ...over };
    const { clock, metrics, limits, webhooks } = this;
    // Neither of the ends of the jitter.
    this.circuits = new AppCircuits({ clock, metrics, limits, log, webhooks, random: () => 0.5 });
    this.rooms = new AppRooms({ clock, limits });
    this.storage = new SessionStorage({
      config: { ...config, limits },
      clock,
      log,
      hashUser: userHash("a secret that only tests know"),
      metrics,
      lanes: this.lanes,
      catalogue: {
        get: (packageName) => this.records.get(packageName) ?? this.users.apps.get(packageName),
        all: () => [...this.records.values(), ...this.users.apps.all()],
        onChange: (listener) => this.users.apps.onChange(listener),
      },
      users: this.users,
      journal: this.journal,
      webhooks,
      circuits: this.circuits,
      rooms: this.rooms,
      photos: this.photos,
      publicUrl: () => config.publicUrl ?? "http://server",
      websocketUrl: (nonce) => `ws://server/s/${nonce}/app-ws`,
    });
  }

  /** The user's session with a glasses socket attached. */
  async connect(userId = "user@example.com"): Promise<Connected> {
    const session = await this.storage.getOrCreate(userId);
    const glasses = new FakeGlasses(this.clock);
    return { session, glasses, generation: session.attachGlasses(glasses) };
  }

  /** The nonce of the latest webhook. */
  get nonce(): string | undefined {
    return this.webhooks.starts.at(-1)?.mentraOSWebsocketUrl.split("/").at(-2);
  }

  /** Connects an app's socket as the SDK does. `nonce`: of the webhook it follows, by default the latest. */
  connectApp(session: UserSession, packageName = captions, nonce = this.nonce): FakeApp {
    const app = new FakeApp();
    const result = session.apps.accept(packageName, apiKey, nonce, app);
    if (!("generation" in result)) throw new Error(`the app was refused: ${JSON.stringify(result)}`);
    app.generation = result.generation;
    app.confirm = (seq) => session.apps.confirmed(packageName, app.generation, seq);
    return app;
  }

  /** Starts an app, connects its socket and subscribes it. */
  async runApp(session: UserSession, packageName = captions, ...subscriptions: string[]): Promise<FakeApp> {
    const started = session.apps.start(packageName);
    const app = this.connectApp(session, packageName);
    await started;
    this.subscribe(session, app, packageName, ...subscriptions);
    return app;
  }

  subscribe(session: UserSession, app: FakeApp, packageName: string, ...subscriptions: string[]): void {
    session.apps.receive(packageName, app.generation, { type: "subscription_update", subscriptions });
  }

  show(session: UserSession, app: FakeApp, packageName: string, text: string, durationMs?: number): void {
    session.apps.receive(packageName, app.generation, {
      type: "display_event",
      view: "main",
      layout: { layoutType: "text_wall", text },
      ...(durationMs === undefined ? {} : { durationMs }),
    });
  }

  /** Value of a counter, summed over all labels that include `labels`. */
  async count(metric: string, labels: Record<string, string> = {}): Promise<number> {
    const found = await this.metrics.registry.getSingleMetric(metric)?.get();
    return (found?.values ?? [])
      .filter((value) => Object.entries(labels).every(([name, want]) => value.labels[name] === want))
      .reduce((sum, value) => sum + value.value, 0);
  }
}

export interface Connected {
  readonly session: UserSession;
  readonly glasses: FakeGlasses;
  readonly generation: number;
}
