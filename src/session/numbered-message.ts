import type { ToApp } from "../wire/apps.ts";

/**
 * A message to an app with its place in the order of all that the app is sent. The number is never used again for that app
 * and user: it is what an app confirms, and what one that knows of it may ask to go on from.
 */
export class NumberedMessage {
  readonly message: ToApp;
  readonly seq: number;
  /** When it came about, ISO 8601. */
  readonly timestamp: string;
  #text: string | undefined;

  /** @param text the same as JSON, where it is known already. */
  constructor(message: ToApp, seq: number, timestamp: string, text?: string) {
    this.message = message;
    this.seq = seq;
    this.timestamp = timestamp;
    this.#text = text;
  }

  /** As it goes over the wire. */
  get text(): string {
    this.#text ??= JSON.stringify({ ...this.message, timestamp: this.timestamp, seq: this.seq });
    return this.#text;
  }

  /** What the text of a former process said. */
  static read(text: string): NumberedMessage {
    const { timestamp, seq, ...message } = JSON.parse(text);
    return new NumberedMessage(message, seq, timestamp, text);
  }
}
