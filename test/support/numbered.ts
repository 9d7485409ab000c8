import { NumberedMessage } from "../../src/session/numbered-message.ts";
import type { ToApp } from "../../src/wire/apps.ts";

let seq = 0;

/** A message to an app with the next number and the time at which fake clocks begin. */
export function numbered(message: ToApp): NumberedMessage {
  return new NumberedMessage(message, ++seq, "2026-01-01T00:00:00.000Z");
}
