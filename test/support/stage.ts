import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { type Config, loadConfig } from "../../src/kernel/config.ts";
import { sha256Hex } from "../../src/kernel/identity.ts";
import type { Limits } from "../../src/kernel/limits.ts";
import { createLog, type Logger } from "../../src/kernel/log.ts";
import { type RunningServer, startServer } from "../../src/main.ts";
import {
  type CaptionsApp,
  type CaptionsReport,
  type CaptionsStream,
  startCaptionsApp,
} from "../../src/simulator/captions-app.ts";
import { type GlassesOptions, SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import type { AppRecord } from "../../src/store/store.ts";
import type { TranscriptionData } from "../../src/wire/apps.ts";
import { EventLog } from "./event-log.ts";
import { type SdkApp, type SdkAppOptions, startSdkApp } from "./sdk-app.ts";
import { until } from "./until.ts";
import { WireApp } from "./wire-app.ts";

export const packageName = "com.example.captions";
export const apiKey = "key-of-the-captions-app";
const tokenSecret = "secret of the tests, long enough";

/** A real server in this process, with what tests need of it; everything else connects through real sockets. */
export class Stage {
  readonly server: RunningServer;
  /** What the captions app has reported. */
  readonly app = new EventLog<CaptionsReport>();
  readonly #dataDir: string;
  readonly #closers: (() => void | Promise<void>)[] = [];

  private constructor(server: RunningServer, dataDir: string) {
    this.server = server;
    this.#dataDir = dataDir;
  }

  static async open(
    over: Partial<Config> = {},
    limits: Partial<Limits> = {},
    log: Logger = createLog({ level: "error", format: "json" }),
  ): Promise<Stage> {
    const dataDir = mkdtempSync(join(tmpdir(), "browline-test-"));
    const config = loadConfig({
      BROWLINE_HOST: "127.0.0.1",
      BROWLINE_PORT: "0",
      BROWLINE_LIVEZ_PORT: "0",
      BROWLINE_DATA_DIR: dataDir,
      BROWLINE_TOKEN_SECRET: tokenSecret,
      BROWLINE_BUILT_IN_DASHBOARD: "false",
    });
    const server = await startServer({ ...config, ...over, limits: { ...config.limits, ...limits } }, log);
    return new Stage(server, dataDir);
  }

  async speechReady(): Promise<void> {
    await until("the recogniser to load", () => this.server.pool.recogniserStatus().available, 60_000);
  }

  token(email = "user@example.com"): Promise<string> {
    return mintCoreToken(tokenSecret, email);
  }

  async glasses(options: Partial<GlassesOptions> = {}, email?: string): Promise<SimulatedGlasses> {
    const token = await this.token(email);
    const glasses = new SimulatedGlasses({ url: this.server.url, token, ...options });
    this.#closers.push(() => glasses.close());
    await glasses.connect();
    return glasses;
  }

  /** What makes a command of `tools` one for this server. */
  get environment(): Record<string, string> {
    return { BROWLINE_DATA_DIR: this.#dataDir, BROWLINE_TOKEN_SECRET: tokenSecret };
  }

  /** Registers the captions app in the server's catalogue. */
  async register(publicUrl: string): Promise<void> {
    await this.server.store.saveApp({
      packageName,
      name: "Captions",
      publicUrl,
      type: "standard",
      apiKeyHash: sha256Hex(apiKey),
      permissions: ["MICROPHONE"],
    });
  }

  /** Starts the captions app's process, on the real SDK, and registers it. */
  async captionsApp(...streams: CaptionsStream[]): Promise<CaptionsApp> {
    const app = await startCaptionsApp({
      packageName,
      apiKey,
      streams: streams.length > 0 ? streams : ["transcription"],
      onReport: (report) => this.app.add(report),
    });
    this.#closers.push(() => app.stop());
    await this.register(app.url);
    return app;
  }

  /** Starts an app on the real SDK that does as it is told, and registers it: standard, with every permission. */
  async sdkApp(
    options: Omit<SdkAppOptions, "apiKey"> & { readonly apiKey?: string },
    record: Partial<AppRecord> = {},
  ): Promise<SdkApp> {
    const key = options.apiKey ?? apiKey;
    const app = await startSdkApp({ ...options, apiKey: key });
    this.#closers.push(() => app.stop());
    await this.server.store.saveApp({
      packageName: options.packageName,
      name: options.packageName,
      publicUrl: app.url,
      type: "standard",
      apiKeyHash: sha256Hex(key),
      permissions: ["ALL"],
      ...record,
    });
    return app;
  }

  /** A bare app for tests with many sessions, registered. */
  async wireApp(...subscriptions: string[]): Promise<WireApp> {
    const app = new WireApp(packageName, apiKey, subscriptions);
    this.#closers.push(() => app.close());
    await this.register(app.url);
    return app;
  }

  /** Transcripts that the app has been handed, oldest first. */
  get transcripts(): TranscriptionData[] {
    return this.app.events.flatMap((report) =>
      report.kind === "transcript" ? [report.data as TranscriptionData] : [],
    );
  }

  get finals(): TranscriptionData[] {
    return this.transcripts.filter(({ isFinal }) => isFinal);
  }

  /** Value of a counter, summed over all labels that include `labels`. */
  async count(metric: string, labels: Record<string, string> = {}): Promise<number> {
    const found = await this.server.metrics.registry.getSingleMetric(metric)?.get();
    return (found?.values ?? [])
      .filter((value) => Object.entries(labels).every(([name, want]) => value.labels[name] === want))
      .reduce((sum, value) => sum + value.value, 0);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    await this.server.close();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}
