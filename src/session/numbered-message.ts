import type { ToApp } from "../wire/apps.ts";

/**
 * A message to an app with its place in the order of all that the app is sent. No two events of an app and user have the same
 * number: it is what an app confirms, and what one that knows of it may ask to go on from.
 */
export class NumberedMessage {
  readonly seq: number;
  /** When it came about, ISO 8601; empty where only the text tells. */
  readonly timestamp: string;
  #message: ToApp | undefined;
  #text: string | undefined;

  constructor(message: ToApp, seq: number, timestamp: string);
  /** @param text the message as JSON, which is read only when somebody asks. */
  constructor(message: undefined, seq: number, timestamp: string, text: string);
  constructor(message: ToApp | undefined, seq: number, timestamp: string, text?: string) {
    this.#message = message;
    this.seq = seq;
    this.timestamp = timestamp;
    this.#text = text;
  }

  /** What a former process has left. */
  static kept(seq: number, text: string): NumberedMessage {
    return new NumberedMessage(undefined, seq, "", text);
  }

  get message(): ToApp {
    if (this.#message === undefined) {
      const { timestamp: _timestamp, seq: _seq, ...message } = JSON.parse(this.text);
      this.#message = message as ToApp;
    }
    return this.#message;
  }

  /** As it goes over the wire. */
  get text(): string {
    this.#text ??= JSON.stringify({ ...this.#message, timestamp: this.timestamp, seq: this.seq });
    return this.#text;
  }
}
