import { tmpdir } from "node:os";

/** A transcript as the SDK hands it to an app: what the app sees of the wire's message. */
export interface HeardTranscript {
  readonly text: string;
  readonly isFinal: boolean;
  readonly utteranceId?: string;
  readonly transcribeLanguage?: string;
  /** Milliseconds of the session's audio. */
  readonly startTime: number;
  readonly endTime: number;
  readonly confidence?: number;
  readonly provider?: string;
}

/** What the app's process reports. */
export type CaptionsReport =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "session"; readonly sessionId: string; readonly userId: string }
  | { readonly kind: "transcript"; readonly sessionId: string; readonly data: HeardTranscript }
  | { readonly kind: "button"; readonly sessionId: string; readonly data: unknown }
  | { readonly kind: "head"; readonly sessionId: string; readonly data: unknown }
  | { readonly kind: "battery"; readonly sessionId: string; readonly data: unknown }
  | { readonly kind: "voice"; readonly sessionId: string; readonly data: unknown }
  /** One chunk of raw audio. */
  | { readonly kind: "audio"; readonly sessionId: string; readonly bytes: number }
  | { readonly kind: "stopped"; readonly sessionId: string; readonly reason: string }
  | { readonly kind: "error"; readonly message: string };

/** What the app listens to. */
export type CaptionsStream = "transcription" | "audio" | "button" | "head" | "battery" | "voice";

export interface CaptionsAppOptions {
  readonly packageName: string;
  readonly apiKey: string;
  /** Port to listen on; undefined or 0: a free one. */
  readonly port?: number;
  /** Default: `transcription` alone. */
  readonly streams?: readonly CaptionsStream[];
  readonly onReport?: (report: CaptionsReport) => void;
  /** The process has ended, with this exit code, without having been asked to. */
  readonly onExit?: (exitCode: number) => void;
  /** Shows what the SDK logs, which is much. */
  readonly verbose?: boolean;
}

/** A captions app in a process of its own. */
export interface CaptionsApp {
  /** Address to register for the app's package. */
  readonly url: string;
  readonly pid: number;
  /** Ends the process as a deployment would, with SIGTERM, and waits for its end. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it as a crash would. Resolves when it is gone. */
  kill(): Promise<void>;
}

const startMs = 15_000;

/**
 * Starts a captions app that is written on the app SDK as anybody would write it: every transcript goes on the display.
 * Resolves when it answers its health probe.
 * @throws Error when it ends or stays silent instead.
 */
export async function startCaptionsApp(options: CaptionsAppOptions): Promise<CaptionsApp> {
  const listening = Promise.withResolvers<number>();
  const output = options.verbose ? "inherit" : "ignore";
  let stopping = false;
  const child = Bun.spawn(
    [process.execPath, new URL("./captions-app-process.ts", import.meta.url).pathname],
    {
      // The SDK reads a file `.env` in its working directory, which must not be ours.
      cwd: tmpdir(),
      env: {
        ...process.env,
        CAPTIONS_PACKAGE: options.packageName,
        CAPTIONS_KEY: options.apiKey,
        CAPTIONS_PORT: String(options.port ?? 0),
        CAPTIONS_STREAMS: (options.streams ?? ["transcription"]).join(","),
      },
      stdio: ["ignore", output, output],
      serialization: "json",
      ipc(report: CaptionsReport) {
        if (report.kind === "listening") listening.resolve(report.port);
        options.onReport?.(report);
      },
      onExit(_, exitCode) {
        listening.reject(new Error(`the captions app ended with exit code ${exitCode}`));
        if (!stopping) options.onExit?.(exitCode ?? -1);
      },
    },
  );
  const timer = setTimeout(
    () => listening.reject(new Error(`the captions app did not listen within ${startMs} ms`)),
    startMs,
  );
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    stopping = true;
    child.kill(signal);
    // An app that hangs in its shutdown must not keep the caller.
    const force = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await child.exited;
    clearTimeout(force);
  };
  try {
    const port = await listening.promise;
    return {
      url: `http://127.0.0.1:${port}`,
      pid: child.pid,
      stop: () => end("SIGTERM"),
      kill: () => end("SIGKILL"),
    };
  } catch (error) {
    await end("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
