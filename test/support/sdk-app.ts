import { type AppProcess, startAppProcess } from "../../src/simulator/app-process.ts";
import { EventLog } from "./event-log.ts";

export type SdkRuntime = "bun" | "node";

/** What the app's process reports of itself; bytes arrive as `{bytes, sha256}`, dates as ISO strings. */
export type SdkReport =
  /** `onSession` has been called. */
  | {
      readonly kind: "session";
      readonly sessionId: string;
      readonly userId: string;
      readonly settings: unknown;
      readonly capabilities: unknown;
    }
  /** `onSession` has registered everything of the option `listen` and returns. */
  | { readonly kind: "ready"; readonly sessionId: string }
  /** A handler was called. `argument`: what stood first in its registration, such as a stream. */
  | {
      readonly kind: "event";
      readonly sessionId: string;
      readonly handle: number;
      readonly method: string;
      readonly argument?: unknown;
      readonly data: unknown;
      /** The handler's second argument, if it was called with one: the former value of a setting. */
      readonly former?: unknown;
    }
  /** The SDK's event `error`, which it raises for whatever it does not understand. */
  | { readonly kind: "sdkError"; readonly sessionId: string; readonly message?: string }
  | {
      readonly kind: "disconnected";
      readonly sessionId: string;
      readonly code?: number;
      readonly reason?: string;
    }
  /** `onStop` has been called. */
  | { readonly kind: "stopped"; readonly sessionId: string; readonly reason: string }
  | { readonly kind: "tool"; readonly toolId: string; readonly userId: string }
  | { readonly kind: "unhandled" | "crashed"; readonly message: string };

interface SdkResult {
  readonly kind: "result";
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A method of the SDK's session that takes a handler, such as `events.onButtonPress`, and what stands beside the handler. */
export type SdkListening = readonly [method: string, ...args: unknown[]];

export interface SdkAppOptions {
  readonly runtime: SdkRuntime;
  readonly packageName: string;
  readonly apiKey: string;
  /** Port to listen on; undefined or 0: a free one. */
  readonly port?: number;
  /** Whether the app's `onStop` calls that of the SDK, which closes the socket, or is all its own. Default: `super`. */
  readonly onStop?: "super" | "own";
  /** How long `onSession` takes before it registers anything. */
  readonly onSessionDelayMs?: number;
  /** The same for single users, by their id. */
  readonly slowUsers?: Readonly<Record<string, number>>;
  /** What `onSession` registers, in every session. Each call is reported as an `event`. */
  readonly listen?: readonly SdkListening[];
}

/** An app on the real, unmodified SDK in a process of its own. A session id of undefined means the latest session. */
export interface SdkApp extends Pick<AppProcess, "url" | "stop" | "kill"> {
  readonly reports: EventLog<SdkReport>;
  /**
   * Calls a method of the SDK's session, or reads a field of it, by its path, such as `layouts.showTextWall`.
   * @returns what the method resolves with.
   * @throws Error with the message of what it threw.
   */
  call<Value = unknown>(sessionId: string | undefined, method: string, ...args: unknown[]): Promise<Value>;
  /**
   * Registers a handler that reports every call as an `event`.
   * @returns the handle by which it is known and removed.
   */
  listen(sessionId: string | undefined, method: string, ...args: unknown[]): Promise<number>;
  /** Takes a handler away, as the app would by calling what its registration had returned. */
  unlisten(handle: number): Promise<void>;
}

const startMs = 30_000;

/**
 * Starts an app that does what it is told. Resolves when it answers its health probe.
 * @throws Error when it ends or stays silent instead, or when there is no such runtime here.
 */
export async function startSdkApp(options: SdkAppOptions): Promise<SdkApp> {
  const { runtime, port: wantedPort, ...told } = options;
  const executable = runtime === "bun" ? process.execPath : Bun.which("node");
  if (executable === null) throw new Error(`there is no ${runtime} on the path`);
  const reports = new EventLog<SdkReport>();
  const pending = new Map<number, (result: SdkResult) => void>();
  let commands = 0;

  const app = await startAppProcess<SdkReport | SdkResult>({
    command: [executable, new URL("./sdk-app-process.mjs", import.meta.url).pathname],
    environment: (port) => ({ SDK_APP: JSON.stringify({ ...told, port }) }),
    port: wantedPort,
    startMs,
    onMessage(report) {
      if (report.kind === "result") pending.get(report.id)?.(report);
      else reports.add(report);
    },
    onExit() {
      for (const [id, done] of pending) done({ kind: "result", id, error: "the app's process has ended" });
    },
  });

  async function ask(kind: "call" | "listen" | "unlisten", rest: object): Promise<unknown> {
    const id = ++commands;
    const answer = Promise.withResolvers<SdkResult>();
    pending.set(id, answer.resolve);
    try {
      app.send({ id, kind, ...rest });
      const { error, value } = await answer.promise;
      if (error !== undefined) throw new Error(error);
      return value;
    } finally {
      pending.delete(id);
    }
  }

  return {
    url: app.url,
    reports,
    call: (sessionId, method, ...args) => ask("call", { sessionId, method, args }) as Promise<never>,
    listen: (sessionId, method, ...args) => ask("listen", { sessionId, method, args }) as Promise<number>,
    unlisten: async (handle) => {
      await ask("unlisten", { args: [handle] });
    },
    stop: app.stop,
    kill: app.kill,
  };
}
