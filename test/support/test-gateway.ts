import type { Counter } from "prom-client";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { ExpectedPhotos } from "../../src/gateway/expected-photos.ts";
import { Gateway, type GatewayParts } from "../../src/gateway/gateway.ts";
import type { HealthReport } from "../../src/gateway/http-api.ts";
import { PublicAddress } from "../../src/gateway/public-address.ts";
import { Voice } from "../../src/gateway/voice.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeSessions } from "./fake-sessions.ts";
import { RawWebSocket } from "./raw-websocket.ts";
import { TestSocket } from "./test-socket.ts";

const tokenSecret = "a secret that only tests know";

/** A real gateway on a free loopback port, with sessions and time in the test's hands. */
export class TestGateway {
  readonly clock = new FakeClock();
  readonly metrics = new Metrics();
  readonly sessions = new FakeSessions();
  readonly store = new MemoryStore();
  readonly address: PublicAddress;
  readonly photos: ExpectedPhotos;
  readonly gateway: Gateway;
  readonly tokenSecret = tokenSecret;
  readonly voice: Voice;
  health: HealthReport = {
    speech: { available: true, detail: "a recogniser", providers: [], unserved: 0 },
    codecs: ["pcm", "opus", "lc3"],
    degraded: [],
  };
  readonly #rawSockets: RawWebSocket[] = [];

  constructor(overrides: Partial<GatewayParts["config"]> = {}) {
    const config = { ...loadConfig({}), host: "127.0.0.1", port: 0, ...overrides };
    this.address = new PublicAddress(config);
    this.photos = new ExpectedPhotos(this.clock, this.address, tokenSecret);
    const log = createLog({ level: "silent", format: "json" });
    this.voice = new Voice({ clock: this.clock, limits: config.limits, log, metrics: this.metrics });
    this.gateway = new Gateway({
      config,
      voice: this.voice,
      clock: this.clock,
      log,
      metrics: this.metrics,
      sessions: this.sessions,
      store: this.store,
      tokenSecret,
      adminToken: "admin-token-of-the-tests",
      webhooks: { probe: async () => true },
      photos: this.photos,
      address: this.address,
      health: () => this.health,
    });
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${this.gateway.port}`;
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.gateway.port}`;
  }

  token(email: string): Promise<string> {
    return mintCoreToken(tokenSecret, email);
  }

  async authorization(email: string): Promise<{ authorization: string }> {
    return { authorization: `Bearer ${await this.token(email)}` };
  }

  /** Glasses that have had their acknowledgement. */
  async glasses(email = "user@example.com"): Promise<TestSocket> {
    const socket = await TestSocket.connect(`${this.socketUrl}/glasses-ws`, await this.authorization(email));
    await socket.message("connection_ack");
    return socket;
  }

  /** An app of that user, which is to have a session, after its acknowledgement. */
  async app(email = "user@example.com"): Promise<TestSocket> {
    const socket = await TestSocket.connect(`${this.socketUrl}/app-ws`);
    socket.send(appInit(email));
    await socket.message("tpa_connection_ack");
    return socket;
  }

  /** A client on a bare TCP socket; cut off when the test is over. */
  async raw(path: string, headers: Record<string, string> = {}): Promise<RawWebSocket> {
    const socket = await RawWebSocket.connect(this.gateway.port, path, headers);
    this.#rawSockets.push(socket);
    return socket;
  }

  async rawGlasses(email = "user@example.com"): Promise<RawWebSocket> {
    return this.raw("/glasses-ws", await this.authorization(email));
  }

  /** Value of a counter for exactly these labels. */
  async count(counter: Counter, labels: Record<string, string>): Promise<number> {
    const { values } = await counter.get();
    return values
      .filter(({ labels: own }) => Object.entries(labels).every(([name, value]) => own[name] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }

  async close(): Promise<void> {
    const closing = this.gateway.close();
    this.voice.close();
    for (const socket of this.#rawSockets) socket.destroy();
    await this.clock.advanceAsync(1_000);
    await closing;
  }
}

/** The first message of an app, as the SDK sends it. */
export function appInit(email = "user@example.com", packageName = "com.example.app", apiKey = "key-123") {
  return { type: "tpa_connection_init", sessionId: `${email}-${packageName}`, packageName, apiKey };
}
