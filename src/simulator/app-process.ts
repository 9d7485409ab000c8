import { createServer } from "node:net";
import { tmpdir } from "node:os";

export interface AppProcessOptions<Message> {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Added to this process's own environment; given the port that the app is to listen on. */
  readonly environment: (port: number) => Readonly<Record<string, string>>;
  /** Port to listen on; undefined or 0: a free one. */
  readonly port: number | undefined;
  /** How long the app may take until it answers its health probe. */
  readonly startMs: number;
  /** Shows what the SDK logs, which is much and cannot be turned off. */
  readonly verbose?: boolean;
  readonly onMessage: (message: Message) => void;
  /** The process has ended; `asked`: because it was to. */
  readonly onExit?: (exitCode: number, asked: boolean) => void;
}

/** An app on the SDK in a process of its own, which listens. */
export interface AppProcess {
  /** Address to register for the app's package. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  send(message: unknown): void;
  /** Ends the process as a deployment would, with SIGTERM, and waits for its end. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it as a crash would. Resolves when it is gone. */
  kill(): Promise<void>;
}

/** How long an app may take to end by itself. */
const endMs = 5_000;

/**
 * Starts an app's process. Resolves when it answers its health probe: the SDK's own `start` first asks its makers for a
 * newer version, which may take seconds.
 * @throws Error when it ends or stays silent instead.
 */
export async function startAppProcess<Message>(options: AppProcessOptions<Message>): Promise<AppProcess> {
  // The SDK cannot be asked which port the system chose for it, so one is chosen beforehand.
  const port = options.port || (await freePort());
  const failed = Promise.withResolvers<never>();
  const output = options.verbose ? "inherit" : "ignore";
  let asked = false;
  const child = Bun.spawn([...options.command], {
    // The SDK reads a file `.env` in its working directory, which must not be ours.
    cwd: tmpdir(),
    env: { ...process.env, ...options.environment(port) },
    stdio: ["ignore", output, output],
    serialization: "json",
    ipc: (message: Message) => options.onMessage(message),
    onExit(_, exitCode) {
      failed.reject(new Error(`the app ended with exit code ${exitCode}`));
      options.onExit?.(exitCode ?? -1, asked);
    },
  });
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    asked = true;
    child.kill(signal);
    // An app that hangs in its shutdown must not keep the caller.
    const force = setTimeout(() => child.kill("SIGKILL"), endMs);
    await child.exited;
    clearTimeout(force);
  };
  const deadline = setTimeout(
    () => failed.reject(new Error(`the app did not listen within ${options.startMs} ms`)),
    options.startMs,
  );
  const silenced = new AbortController();
  try {
    await Promise.race([answering(port, silenced.signal), failed.promise]);
  } catch (error) {
    await end("SIGKILL");
    throw error;
  } finally {
    clearTimeout(deadline);
    silenced.abort();
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    send: (message) => child.send(message),
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}

/** A port of this machine that nobody listens on at this moment. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.once("error", reject);
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    probe.close(() => resolve(port));
  });
  return promise;
}

async function answering(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      if ((await fetch(`http://127.0.0.1:${port}/health`, { signal })).ok) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
