import { Database } from "bun:sqlite";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { freePort } from "../../src/simulator/app-process.ts";
import { type MetricSample, parseMetrics } from "./metric-sample.ts";
import type { ServerOrder, ServerReport, ServerSettings, WorkerKind } from "./server-messages.ts";

/** A session as the admin API describes it. */
export interface AdminSession {
  readonly userId: string;
  readonly state: string;
  readonly connected: boolean;
  /** What every app is about, by package. */
  readonly apps: Readonly<Record<string, string>>;
  readonly snapshot: { readonly requiresAudio: boolean };
}

export interface ChaosServerOptions extends ServerSettings {
  /** Where the server is to say that apps reach it: a lane. */
  readonly publicUrl: (port: number) => Promise<string> | string;
  readonly log: boolean;
}

const tokenSecret = "secret of the chaos runs, long enough";
const adminToken = "admin-token-of-the-chaos-runs";
const startMs = 30_000;
const pageBytes = 4096;

/** A server in a process of its own, on one port and one data folder for the whole run, however often it dies. */
export class ChaosServer {
  readonly port: number;
  readonly #options: ChaosServerOptions;
  readonly #publicUrl: string;
  readonly #dataDir: string;
  #child: Bun.Subprocess | undefined;
  #isUp = false;
  #lagAsked: ((lag: Extract<ServerReport, { kind: "lag" }>) => void) | undefined;
  /** Ends that nobody had asked for. */
  onCrash: (exitCode: number) => void = () => {};

  private constructor(port: number, publicUrl: string, options: ChaosServerOptions) {
    this.port = port;
    this.#publicUrl = publicUrl;
    this.#options = options;
    this.#dataDir = mkdtempSync(join(tmpdir(), "browline-chaos-"));
  }

  /** Chooses a port and makes a data folder; nothing runs yet. */
  static async prepare(options: ChaosServerOptions): Promise<ChaosServer> {
    const port = await freePort();
    return new ChaosServer(port, await options.publicUrl(port), options);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  token(email: string): Promise<string> {
    return mintCoreToken(tokenSecret, email);
  }

  /**
   * Starts the process. Resolves when it listens.
   * @returns milliseconds from the start of the process until then.
   * @throws Error when it does not come up.
   */
  async start(): Promise<number> {
    const { speed, maxSessions, log } = this.#options;
    const settings: ServerSettings = { speed, maxSessions };
    const listening = Promise.withResolvers<void>();
    const beganMs = performance.now();
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "server-process.ts")], {
      cwd: join(import.meta.dir, "../.."),
      // Only what is said here: a setting that the terminal's own server has must not reach this one.
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        CHAOS_SERVER: JSON.stringify(settings),
        BROWLINE_HOST: "127.0.0.1",
        BROWLINE_PORT: String(this.port),
        BROWLINE_LIVEZ_PORT: "0",
        BROWLINE_DATA_DIR: this.#dataDir,
        BROWLINE_PUBLIC_URL: this.#publicUrl,
        BROWLINE_TOKEN_SECRET: tokenSecret,
        BROWLINE_ADMIN_TOKEN: adminToken,
        BROWLINE_RECOGNISER: "off",
        BROWLINE_BUILT_IN_DASHBOARD: "false",
        BROWLINE_LOG_LEVEL: log ? "info" : "silent",
      },
      stdio: ["ignore", log ? "inherit" : "ignore", "inherit"],
      serialization: "json",
      ipc: (report: ServerReport) => {
        if (report.kind === "listening") listening.resolve();
        else if (report.kind === "failed") listening.reject(new Error(report.message));
        else this.#lagAsked?.(report);
      },
      onExit: (ended, exitCode, signal) => {
        listening.reject(new Error(`the server ended with ${exitCode ?? signal} before it listened`));
        if (this.#child !== ended) return;
        this.#isUp = false;
        this.#child = undefined;
        this.onCrash(exitCode ?? -1);
      },
    });
    this.#child = child;
    const deadline = setTimeout(
      () => listening.reject(new Error(`the server does not listen after ${startMs} ms`)),
      startMs,
    );
    await listening.promise.finally(() => clearTimeout(deadline));
    this.#isUp = true;
    return performance.now() - beganMs;
  }

  /** Ends the process as a crash of the machine's memory would: nothing in it hears of it. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Erases what the dead server has kept in case of its end. */
  forget(): void {
    const database = new Database(join(this.#dataDir, "browline.db"));
    database.run("DELETE FROM event");
    database.run("DELETE FROM session");
    database.close();
  }

  /** Ends it as a deployment would. @returns milliseconds until it was gone. */
  async drain(): Promise<number> {
    const beganMs = performance.now();
    await this.#end("SIGTERM");
    return performance.now() - beganMs;
  }

  /** Stops the whole process for a while, threads and all. */
  freeze(durationMs: number): void {
    const child = this.#child;
    child?.kill("SIGSTOP");
    setTimeout(() => child?.kill("SIGCONT"), durationMs);
  }

  killWorker(worker: WorkerKind): void {
    this.#order({ kind: "killWorker", worker });
  }

  /** How late the main loop was since this was asked last, in milliseconds. */
  async lag(): Promise<Extract<ServerReport, { kind: "lag" }>> {
    const { promise, resolve } = Promise.withResolvers<Extract<ServerReport, { kind: "lag" }>>();
    this.#lagAsked = resolve;
    this.#order({ kind: "lag" });
    return promise;
  }

  /** Resident memory of the process in bytes; undefined while there is none. */
  residentBytes(): number | undefined {
    if (this.#child === undefined) return undefined;
    try {
      return Number(readFileSync(`/proc/${this.#child.pid}/statm`, "latin1").split(" ")[1]) * pageBytes;
    } catch {
      return undefined;
    }
  }

  /** @throws Error when the server does not answer in time, or not well. */
  async admin<Data>(method: string, path: string, body?: object): Promise<Data> {
    const response = await fetch(`${this.url}/api/admin${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}`);
    return response.json() as Promise<Data>;
  }

  async sessions(): Promise<readonly AdminSession[]> {
    return (await this.admin<{ data: readonly AdminSession[] }>("GET", "/sessions")).data;
  }

  async metrics(): Promise<readonly MetricSample[]> {
    const response = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(10_000) });
    return parseMetrics(await response.text());
  }

  /** Registers an app. @returns its key. */
  async register(packageName: string, publicUrl: string, type: "standard" | "background"): Promise<string> {
    const app = { packageName, name: packageName, publicUrl, type, permissions: ["ALL"] };
    return (await this.admin<{ apiKey: string }>("POST", "/apps", app)).apiKey;
  }

  /** Ends what still runs and removes what was written. */
  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#isUp = false;
    if (child === undefined) return;
    child.kill(signal);
    // A process that is stopped dies of nothing else, and one that hangs in its drain must not keep the run.
    const force = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await child.exited;
    clearTimeout(force);
  }

  #order(order: ServerOrder): void {
    if (this.#isUp) this.#child?.send(order);
  }
}
