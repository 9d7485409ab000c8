/**
 * Every close code this server uses, and what it makes a client do. The app SDK gives its session up for good on 1000,
 * 1001 and 1008 and dials again on everything else, unless the reason contains one of two phrases. Phones and glasses
 * dial again whatever the code.
 */
export interface Close {
  readonly code: number;
  readonly reason: string;
}

export const closes = {
  /** Restart, drain or internal trouble, to both sides: everyone dials again. */
  restart: { code: 1012, reason: "Service restart" },
  /** The peer does not read what it is sent: it may dial again. */
  tooSlow: { code: 1013, reason: "Reading too slowly" },
  /** Nothing has come from the peer for too long. */
  silent: { code: 4002, reason: "No sign of life" },
  /** The older of two glasses sockets of one user. */
  superseded: { code: 4001, reason: "superseded" },
  /** The loser of two sockets of one app session: 1008 is what keeps the SDK from fighting back. */
  duplicate: { code: 1008, reason: "Replaced by another connection of this app" },
  /** Wrong key, unknown session, not started: dialling again cannot help. */
  refused: (reason: string): Close => ({ code: 1008, reason }),
  /** A stopped app: the phrase keeps the SDK from dialling, the code from running the app's `onStop` twice. */
  appStopped: { code: 4000, reason: "App stopped" },
  /** The user session is over: the phrase makes the SDK run the app's `onStop` once. */
  sessionEnded: { code: 4001, reason: "User session ended" },
} as const satisfies Record<string, Close | ((reason: string) => Close)>;
