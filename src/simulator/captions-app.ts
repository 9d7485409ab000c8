import { type AppProcess, startAppProcess } from "./app-process.ts";

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
export type CaptionsApp = Omit<AppProcess, "send">;

const startMs = 15_000;

/**
 * Starts a captions app that is written on the app SDK as anybody would write it: every transcript goes on the display.
 * Resolves when it answers its health probe.
 * @throws Error when it ends or stays silent instead.
 */
export async function startCaptionsApp(options: CaptionsAppOptions): Promise<CaptionsApp> {
  const { packageName, apiKey, onReport, onExit, streams = ["transcription"] } = options;
  return startAppProcess<CaptionsReport>({
    command: [process.execPath, new URL("./captions-app-process.ts", import.meta.url).pathname],
    environment: (port) => ({
      CAPTIONS_PACKAGE: packageName,
      CAPTIONS_KEY: apiKey,
      CAPTIONS_PORT: String(port),
      CAPTIONS_STREAMS: streams.join(","),
    }),
    port: options.port,
    startMs,
    verbose: options.verbose ?? false,
    onMessage: (report) => onReport?.(report),
    onExit(exitCode, asked) {
      if (!asked) onExit?.(exitCode);
    },
  });
}
