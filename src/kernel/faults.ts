/**
 * Everything that can go wrong towards a client, as one table.
 *
 * - *operational*: answered on the request's own channel; the socket stays open and other requests go on.
 * - *fatal*: answered, then the socket is closed with `close`. Only for what another try on this socket cannot mend.
 */
const faultTable = {
  NO_TOKEN: { kind: "fatal", status: 401, message: "No core token provided" },
  INVALID_TOKEN: { kind: "fatal", status: 401, message: "Invalid core token" },
  TOKEN_WITHOUT_USER: { kind: "fatal", status: 401, message: "Invalid core token - no user ID" },
  INVALID_JWT: { kind: "fatal", status: 401, message: "Invalid app token" },
  MISSING_HEADERS: {
    kind: "fatal",
    status: 401,
    message: "The headers x-user-id and x-session-id are required",
  },
  INVALID_API_KEY: { kind: "fatal", status: 401, message: "Invalid API key" },
  SESSION_NOT_FOUND: { kind: "fatal", status: 404, message: "No session with this id" },
  PACKAGE_NOT_FOUND: { kind: "fatal", status: 404, message: "No app with this package name is registered" },
  APP_NOT_STARTED: { kind: "fatal", status: 409, message: "The app has not been started for this session" },
  SHUTTING_DOWN: { kind: "fatal", status: 503, message: "The server is shutting down" },
  AT_CAPACITY: { kind: "fatal", status: 503, message: "The server has no room for another session" },
  STORE_UNAVAILABLE: { kind: "fatal", status: 503, message: "The server cannot read its data at the moment" },
  MALFORMED_MESSAGE: { kind: "operational", status: 400, message: "The message could not be read" },
  PERMISSION_DENIED: { kind: "operational", status: 403, message: "The app lacks a permission" },
  NO_ACTIVE_SESSION: { kind: "operational", status: 503, message: "NO_ACTIVE_SESSION" },
  APP_START_FAILED: { kind: "operational", status: 502, message: "The app could not be started" },
  INTERNAL_ERROR: { kind: "operational", status: 500, message: "Internal error" },
} as const satisfies Record<string, { kind: "operational" | "fatal"; status: number; message: string }>;

export type FaultCode = keyof typeof faultTable;

/** A failure that a client is told about. `code` says which; `message` may say more than the table's text. */
export class Fault extends Error {
  readonly code: FaultCode;

  constructor(code: FaultCode, detail?: string) {
    super(detail ?? faultTable[code].message);
    this.name = "Fault";
    this.code = code;
  }

  /** HTTP status to answer with where the channel is HTTP. */
  get status(): number {
    return faultTable[this.code].status;
  }

  /** Whether the socket that caused it is to be closed. */
  get fatal(): boolean {
    return faultTable[this.code].kind === "fatal";
  }
}
