import type { ConnectionFailure } from "./vendor.ts";

/** The longest part of the service's own words that goes into the log. */
const detailLength = 160;

/** What the service closes with, or names in an error, as far as it is not `transient`. */
const kinds: Readonly<Record<number, ConnectionFailure["kind"]>> = {
  // No valid key, an account without credit, or one that may not stream.
  1008: "auth",
  4001: "auth",
  4002: "auth",
  4003: "auth",
  // A request that it will never serve.
  3006: "config",
  4000: "config",
  4101: "config",
  // Messages too short, too long or too fast.
  3007: "protocol",
  // The end of the time a session, or the token it was opened with, may last; or nothing was sent for long.
  3008: "expired",
  4008: "expired",
  4031: "expired",
  3009: "limit",
  4029: "limit",
  4102: "limit",
};

/** Why the service ended a connection, from the code and text of its error or its close. */
export function sessionFailure(code: number, text: string): ConnectionFailure {
  const known = kinds[code] ?? "transient";
  // The code for a wrong key is also used for too many sessions, which another attempt cures.
  const kind = known === "auth" && /too many/i.test(text) ? "limit" : known;
  return { kind, detail: text === "" ? `ended with ${code}` : `ended with ${code}: ${quoted(text)}` };
}

/** Why no session came about, from the error of the attempt: a code of the service, or the text of a failed handshake. */
export function openFailure(error: unknown): ConnectionFailure {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (typeof code === "number") return sessionFailure(code, text);
  const status = Number(/(?:status code|server response)\D*(\d{3})/i.exec(text)?.[1]);
  if (Number.isNaN(status)) return { kind: "transient", detail: `no session: ${quoted(text)}` };
  return { kind: kindOfStatus(status), detail: `refused with HTTP ${status}` };
}

function kindOfStatus(status: number): ConnectionFailure["kind"] {
  if (status === 401 || status === 402 || status === 403) return "auth";
  if (status === 429) return "limit";
  return status >= 400 && status < 500 && status !== 408 ? "config" : "transient";
}

/** Keeps the service's words short, in one line, and free of anything that looks like a credential. */
function quoted(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, " ")
    .replace(/\b(token|key)\b[ =:]+\S+/gi, "$1 ...")
    .replace(/[\w.-]{28,}/g, "...")
    .slice(0, detailLength)
    .trim();
}
