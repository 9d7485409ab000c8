import { type Fields, textOf } from "./deepgram-message.ts";
import type { ConnectionFailure } from "./vendor.ts";

/** The longest part of a service's own words that goes into the log. */
const detailLength = 160;

/** Keeps what a service says about an error short, in one line, and free of anything that looks like a credential. */
function quoted(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, " ")
    .replace(/\b(token|bearer|key)\b[ =:]+\S+/gi, "$1 ...")
    .replace(/[\w.-]{32,}/g, "...")
    .slice(0, detailLength)
    .trim();
}

/** Why no connection came about, from the text of the error: it is all that a client's WebSocket lets through. */
export function openFailure(message: string): ConnectionFailure {
  const status = Number(/(?:status code|server response|Status code): *(\d{3})/i.exec(message)?.[1]);
  if (Number.isNaN(status)) return { kind: "transient", detail: `not reachable: ${quoted(message)}` };
  const detail = `refused with HTTP ${status}`;
  switch (status) {
    case 401:
    case 402:
    case 403:
      return { kind: "auth", detail };
    case 429:
      return { kind: "limit", detail };
    case 408:
      return { kind: "transient", detail };
    default:
      return { kind: status >= 400 && status < 500 ? "config" : "transient", detail };
  }
}

/** Why an open connection was closed by the service, or by the network (1006). */
export function closeFailure(code: number, reason: string): ConnectionFailure {
  const detail = `closed with ${code}${reason === "" ? "" : ` ${quoted(reason)}`}`;
  // Both codes have been seen with it: the audio is not in the encoding that was announced.
  if (reason.includes("DATA-0000")) return { kind: "config", detail };
  switch (code) {
    case 1002:
    case 1003:
    case 1007:
    case 1008:
    case 1009:
      return { kind: "protocol", detail };
    default:
      return { kind: "transient", detail };
  }
}

/** What an `Error` message says. The connection is of no use afterwards. */
export function errorFailure(message: Fields): ConnectionFailure {
  const words = [message["code"], message["variant"], message["description"], message["message"]];
  const text = quoted(
    words
      .map(textOf)
      .filter((word) => word !== "")
      .join(" "),
  );
  const detail = `error from the service: ${text}`;
  if (text.includes("DATA-0000")) return { kind: "config", detail };
  if (/UNPARSABLE|INVALID|UNSUPPORTED/i.test(text)) return { kind: "protocol", detail };
  return { kind: "transient", detail };
}
