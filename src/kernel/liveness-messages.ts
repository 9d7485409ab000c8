/** What the main thread and the liveness thread tell each other. */

/** The liveness thread's orders, at its start. */
export interface LivenessSetup {
  readonly host: string;
  readonly port: number;
  /** Whether the server before this one may listen on the same port for a moment. */
  readonly sharesPort: boolean;
  /** One 32-bit word that the main loop keeps changing. */
  readonly heartbeat: SharedArrayBuffer;
  readonly stallMs: number;
  /** Whether the thread may write a line of its own on stderr while the main loop, to which the log belongs, stands still. */
  readonly logsStalls: boolean;
}

export type LivenessReport =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly code: string | undefined; readonly message: string }
  /** Sent while the main loop stands still, so it arrives when it moves again. Epoch milliseconds. */
  | { readonly kind: "stalled"; readonly sinceMs: number }
  | { readonly kind: "recovered"; readonly lastedMs: number };
