import type { ApiSession, ApiSessionApps, ApiSessions, AppStartResult } from "../../src/gateway/sessions.ts";
import { Fault } from "../../src/kernel/faults.ts";
import { canonicalUserId } from "../../src/kernel/identity.ts";
import type { AppPort, GlassesPort } from "../../src/session/ports.ts";
import type { AppMessage, ToApp } from "../../src/wire/apps.ts";
import type { AudioFormat } from "../../src/wire/audio-format.ts";
import type { GlassesMessage, SessionSnapshot } from "../../src/wire/glasses.ts";
import { numbered } from "./numbered.ts";

/** Sessions that only keep what the gateway brings them. */
export class FakeSessions implements ApiSessions {
  readonly sessions = new Map<string, FakeSession>();
  /** What the next `getOrCreate` fails with. */
  refusal: Fault | undefined;
  /** Awaited by `getOrCreate`. */
  loading: Promise<void> = Promise.resolve();
  /** Calls of `getOrCreate` so far. */
  asked = 0;

  get size(): number {
    return this.sessions.size;
  }

  all(): Iterable<FakeSession> {
    return this.sessions.values();
  }

  usersOf(): readonly [] {
    return [];
  }

  isServerDown(): boolean {
    return false;
  }

  getSession(userId: string): FakeSession | undefined {
    return this.sessions.get(userId);
  }

  async getOrCreate(userId: string): Promise<FakeSession> {
    this.asked++;
    await this.loading;
    if (this.refusal !== undefined) throw this.refusal;
    const session = this.sessions.get(userId) ?? new FakeSession(userId);
    this.sessions.set(userId, session);
    return session;
  }

  findAppSession(sessionId: string, packageName: string): FakeSession | undefined {
    const suffix = `-${packageName}`;
    if (!sessionId.endsWith(suffix)) return undefined;
    return this.sessions.get(canonicalUserId(sessionId.slice(0, -suffix.length)));
  }
}

export class FakeSession implements ApiSession {
  readonly userId: string;
  readonly state = "ACTIVE";
  connected = true;
  readonly settings = {
    phone: {},
    valuesOf: () => ({}),
    settingsOf: () => [],
    changeApp: () => {},
    changePhone: () => {},
  };
  readonly device = {
    state: {},
    facts: { connected: true, modelName: undefined, capabilities: undefined },
    applyReport: () => ({
      isGlassesConnected: true,
      isPhoneConnected: true,
      modelName: null,
      capabilities: null,
    }),
  };
  readonly location = { applyReport: () => true, answerPoll: () => true };
  readonly calendar = { applyEvents: () => 0 };
  readonly notifications = { receive: () => true, dismiss: () => true };
  readonly dashboard = { applyDatetime: () => {} };
  readonly transcription = { history: { query: () => [] } };
  readonly apps = new FakeApps();
  readonly ports: GlassesPort[] = [];
  readonly messages: GlassesMessage[] = [];
  readonly frames: Uint8Array[] = [];
  readonly closedGenerations: number[] = [];
  readonly formats: AudioFormat[] = [];
  disposed = false;
  /** Every call fails while this is set. */
  broken = false;

  constructor(userId: string) {
    this.userId = userId;
  }

  attachGlasses(port: GlassesPort): number {
    this.#check();
    this.ports.push(port);
    port.send({ type: "connection_ack", sessionId: this.userId, userSession: this.snapshot() });
    return this.ports.length;
  }

  receiveGlasses(_generation: number, message: GlassesMessage): void {
    this.#check();
    this.messages.push(message);
  }

  /** Types that somebody hears though they are not known. */
  readonly heardUnknown = new Set<string>();
  readonly unknown: object[] = [];

  receiveUnknown(_generation: number, type: string, message: object): boolean {
    this.#check();
    if (this.heardUnknown.has(type)) this.unknown.push(message);
    return this.heardUnknown.has(type);
  }

  readonly audio = {
    receive: (_generation: number, frame: Uint8Array): void => {
      this.#check();
      this.frames.push(frame.slice());
    },
  };

  glassesClosed(generation: number): void {
    this.closedGenerations.push(generation);
    this.#check();
  }

  configureAudio(format: AudioFormat): void {
    this.formats.push(format);
  }

  hasInstalled(): boolean {
    return true;
  }

  setInstalled(): void {}

  announce(): void {}

  async end(): Promise<void> {}

  snapshot(): SessionSnapshot {
    return {
      userId: this.userId,
      startTime: "2026-01-01T00:00:00.000Z",
      activeAppSessions: [...this.apps.running],
      loadingApps: [],
      appSubscriptions: {},
      requiresAudio: false,
      minimumTranscriptionLanguages: [],
      isTranscribing: false,
    };
  }

  #check(): void {
    if (this.broken) throw new Error("broken for a test");
  }
}

class FakeApps implements ApiSessionApps {
  /** Key of each app that may connect. */
  readonly keys = new Map([["com.example.app", "key-123"]]);
  readonly running = new Set<string>();
  readonly ports: AppPort[] = [];
  readonly nonces: (string | undefined)[] = [];
  readonly messages: AppMessage[] = [];
  readonly closedGenerations: number[] = [];
  startResult: AppStartResult = { success: true };
  broken = false;

  async start(packageName: string): Promise<AppStartResult> {
    if (this.startResult.success) this.running.add(packageName);
    return this.startResult;
  }

  stop(packageName: string): boolean {
    return this.running.delete(packageName);
  }

  readonly history = { all: {} };
  readonly states = {};

  peerOf(): string | undefined {
    return this.ports.at(-1)?.peer;
  }

  app(): undefined {}

  receiveBad(): boolean {
    return false;
  }

  all(): readonly [] {
    return [];
  }

  accept(packageName: string, apiKey: string, nonce: string | undefined, port: AppPort) {
    this.#check();
    const key = this.keys.get(packageName);
    if (key === undefined) return { fault: new Fault("APP_NOT_STARTED") };
    if (key !== apiKey) return { fault: new Fault("INVALID_API_KEY") };
    this.ports.push(port);
    this.nonces.push(nonce);
    this.#send(port, {
      type: "tpa_connection_ack",
      sessionId: "any",
      settings: [],
      mentraosSettings: {},
      augmentosSettings: {},
      resume: { epoch: 1, seq: 1, lost: 0 },
    });
    return { generation: this.ports.length };
  }

  tell(_packageName: string, generation: number, message: ToApp): void {
    const port = this.ports[generation - 1];
    if (port !== undefined) this.#send(port, message);
  }

  /** What apps have confirmed, oldest first. */
  readonly receipts: number[] = [];

  confirmed(_packageName: string, _generation: number, seq: number): void {
    this.receipts.push(seq);
  }

  #send(port: AppPort, message: ToApp): void {
    port.send(numbered(message), "control");
  }

  receive(_packageName: string, _generation: number, message: AppMessage): void {
    this.#check();
    this.messages.push(message);
  }

  closed(_packageName: string, generation: number): void {
    this.closedGenerations.push(generation);
  }

  #check(): void {
    if (this.broken) throw new Error("broken for a test");
  }
}
