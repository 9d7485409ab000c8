import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { EventLog } from "./event-log.ts";

export interface KillableServerOptions {
  readonly port: number;
  readonly dataDir: string;
  /** More settings, as environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A file of this folder that breaks something of the server before it starts. */
  readonly fault?: string;
}

const main = new URL("../../src/main.ts", import.meta.url).pathname;
/** Start and end of a server on a machine that is busy with other tests. */
const patienceMs = 30_000;

/** The real server, started as an operator does, so that it can be killed. */
export class KillableServer {
  /** What it has logged. */
  readonly lines = new EventLog<{ readonly msg?: string; readonly [field: string]: unknown }>();
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #port: number;
  readonly #errors: Promise<string>;
  /** From the start of the process until it listened. */
  #bootMs = Number.NaN;

  private constructor({ port, dataDir, settings, fault }: KillableServerOptions) {
    this.#port = port;
    const preload = fault === undefined ? [] : ["--preload", new URL(fault, import.meta.url).pathname];
    this.#child = Bun.spawn([process.execPath, ...preload, main], {
      env: {
        PATH: process.env["PATH"] ?? "",
        BROWLINE_HOST: "127.0.0.1",
        BROWLINE_PORT: String(port),
        BROWLINE_LIVEZ_PORT: "0",
        BROWLINE_DATA_DIR: dataDir,
        BROWLINE_BUILT_IN_DASHBOARD: "false",
        ...settings,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#errors = new Response(this.#child.stderr).text();
    createInterface(Readable.fromWeb(this.#child.stdout)).on("line", (line) => {
      this.lines.add(JSON.parse(line));
    });
  }

  /**
   * Resolves when it listens.
   * @throws Error with what it has written when it ends instead.
   */
  static async start(options: KillableServerOptions): Promise<KillableServer> {
    const startedMs = performance.now();
    const server = new KillableServer(options);
    const failed = server.#child.exited.then(async (code) => {
      throw new Error(`the server ended with ${code}: ${await server.#errors}`);
    });
    // It ends some time in any case.
    failed.catch(() => {});
    const listens = server.lines.until(({ msg }) => msg === "Browline listens", patienceMs);
    await Promise.race([listens, failed]);
    server.#bootMs = performance.now() - startedMs;
    return server;
  }

  get bootMs(): number {
    return this.#bootMs;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get errors(): Promise<string> {
    return this.#errors;
  }

  signal(signal: "SIGTERM" | "SIGINT"): void {
    this.#child.kill(signal);
  }

  /** Exit code. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  /** Ends it as a crash would. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  /** What `/health` answers with: its status, 0 for no answer, and whether there is speech. */
  async health(): Promise<{ readonly status: number; readonly speech: boolean }> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#port}/health`);
      const { speech } = (await response.json()) as { speech?: { available?: boolean } };
      return { status: response.status, speech: speech?.available === true };
    } catch {
      return { status: 0, speech: false };
    }
  }
}
