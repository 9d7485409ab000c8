import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { sha256Hex } from "../../src/kernel/identity.ts";
import { type GlassesOptions, SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { withAppDatabase } from "../../tools/app-database.ts";
import { EventLog } from "./event-log.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;
const tokenSecret = "secret of the tests, long enough";

export interface ServerLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** The server as a process of its own, as an operator starts it: one that can be killed. */
export class ServerProcess {
  /** What it has logged. */
  readonly log = new EventLog<ServerLine>();
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #startedMs = performance.now();
  readonly #read: Promise<unknown>;
  #errors = "";
  #line: ServerLine | undefined;
  /** From exec to the moment at which it said that it listens. */
  bootMs = Number.NaN;

  private constructor(dataDir: string, env: Record<string, string>, command: readonly string[]) {
    this.#child = Bun.spawn([...command, process.execPath, main], {
      env: {
        PATH: process.env["PATH"] ?? "",
        BROWLINE_HOST: "127.0.0.1",
        BROWLINE_PORT: "0",
        BROWLINE_LIVEZ_PORT: "0",
        BROWLINE_RECOGNISER: "off",
        BROWLINE_TOKEN_SECRET: tokenSecret,
        BROWLINE_BUILT_IN_DASHBOARD: "false",
        BROWLINE_DATA_DIR: dataDir,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#read = Promise.all([this.#readLog(), this.#readErrors()]);
  }

  /** Starts one that need not listen soon. */
  static begin(
    dataDir: string,
    env: Record<string, string> = {},
    command: readonly string[] = [],
  ): ServerProcess {
    return new ServerProcess(dataDir, env, command);
  }

  /** Starts one, and resolves when it listens. */
  static async start(...args: Parameters<typeof ServerProcess.begin>): Promise<ServerProcess> {
    const server = ServerProcess.begin(...args);
    await server.listens();
    return server;
  }

  /** Resolves when it listens. @throws Error with what it wrote when it ends instead. */
  async listens(): Promise<void> {
    const line = this.log.until(({ msg }) => msg === "Browline listens");
    const ended = this.#child.exited.then(async () => {
      await this.#read;
      throw new Error(`the server ended: ${this.#errors}`);
    });
    this.#line = await Promise.race([line, ended]);
    this.bootMs = performance.now() - this.#startedMs;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get url(): string {
    return String(this.#line?.["url"]);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Resolves when it has ended. `errors`: all that it wrote to stderr. */
  get ended(): Promise<{ readonly code: number; readonly errors: string }> {
    return this.#child.exited.then(async (code) => {
      await this.#read;
      return { code, errors: this.#errors };
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it, however it is. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async glasses(email: string, options: Partial<GlassesOptions> = {}): Promise<SimulatedGlasses> {
    const token = await userToken(email);
    const glasses = new SimulatedGlasses({ url: this.url, token, background: "none", ...options });
    await glasses.connect();
    return glasses;
  }

  /** What does not work, as `/health` tells it. */
  async degraded(): Promise<string> {
    const { degraded } = (await (await fetch(`${this.url}/health`)).json()) as { degraded: string[] };
    return degraded.join("\n");
  }

  /** Value of a metric, summed over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))];
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  }

  async #readLog(): Promise<void> {
    for await (const text of lines(this.#child.stdout)) this.log.add(JSON.parse(text));
  }

  async #readErrors(): Promise<void> {
    this.#errors = await new Response(this.#child.stderr).text();
  }
}

/** A token with which a user signs in at every such server. */
export function userToken(email: string): Promise<string> {
  return mintCoreToken(tokenSecret, email);
}

/** Registers an app in a data folder. */
export function registerApp(dataDir: string, packageName: string, publicUrl: string, apiKey: string): void {
  withAppDatabase(dataDir, (database) =>
    database.saveApp({
      packageName,
      name: packageName,
      publicUrl,
      type: "background",
      apiKeyHash: sha256Hex(apiKey),
      permissions: ["ALL"],
    }),
  );
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}
