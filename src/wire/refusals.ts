import type { Permission } from "./streams.ts";

/** Where on its way a request got stuck. */
export type Hop = "app" | "server" | "phone" | "glasses";

/**
 * Why a request of an app is not served. All of them are operational: they answer the request on its own channel, and the
 * socket and everything else on it go on.
 */
const refusalTable = {
  BAD_REQUEST: { hop: "app", message: "The request could not be read" },
  DUPLICATE_REQUEST: { hop: "app", message: "Another request with this id is still open" },
  PERMISSION_DENIED: { hop: "server", message: "The app lacks a permission" },
  TOO_MANY_REQUESTS: { hop: "server", message: "Too many requests of this app are still open" },
  NOT_SERVED: { hop: "server", message: "This server does not offer that" },
  REPLACED: { hop: "server", message: "A newer request took its place" },
  STOPPED: { hop: "server", message: "It was stopped before it was done" },
  PHONE_NOT_CONNECTED: { hop: "phone", message: "The phone is not connected" },
  PHONE_NOT_RESPONDING: { hop: "phone", message: "The phone's connection gives no sign of life" },
  PHONE_TIMEOUT: { hop: "phone", message: "The phone did not answer in time" },
  GLASSES_NOT_CONNECTED: { hop: "glasses", message: "The phone has lost its glasses" },
  HARDWARE_MISSING: { hop: "glasses", message: "These glasses cannot do that" },
} as const satisfies Record<string, { hop: Hop; message: string }>;

export type RefusalCode = keyof typeof refusalTable;

/** What a refusing message says besides its type and id. The SDK hands `error` to the app, so it names the code as well. */
export interface Refusal {
  readonly success: false;
  /** `CODE: a sentence`. */
  readonly error: string;
  readonly code: RefusalCode;
  readonly hop: Hop;
}

/** @param detail says more than the code's own sentence. */
export function refusal(code: RefusalCode, detail?: string): Refusal {
  const { hop, message } = refusalTable[code];
  return { success: false, error: `${code}: ${detail ?? message}`, code, hop };
}

/** The answer to a request that the SDK knows no answer of its own to: an error event in the app, and nothing else. */
export function refusalError(code: RefusalCode, detail?: string) {
  const { error, hop } = refusal(code, detail);
  return { type: "tpa_connection_error", code, hop, message: error } as const;
}

/** A stream that an app does not hear. */
export interface DeniedStream {
  readonly stream: string;
  readonly requiredPermission: Permission;
  readonly message: string;
}

/** The refusal of streams, each named, as the SDK tells it to the app. */
export function streamRefusal(
  code: "PERMISSION_DENIED" | "NOT_SERVED",
  message: string,
  details: readonly DeniedStream[],
) {
  const { hop } = refusalTable[code];
  return { type: "permission_error", message, details, code, hop } as const;
}
