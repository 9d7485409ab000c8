/**
 * What a cloud speech service looks like to the supervisor: connections that can fail at any moment, and nothing that is
 * clever about it. Opening again, replaying, choosing another vendor: all that is the supervisor's, so a vendor neither
 * retries nor keeps audio.
 *
 * One clock: samples of the session's decoded audio at 16 kHz, counted from the session's first. A vendor counts its own
 * time from the first byte of a connection; the connection maps it back, also over stretches that were not sent.
 */
import type { Word } from "../../../src/audio/speech.ts";

export interface VendorCapabilities {
  /** Bounds of one message of audio, milliseconds. */
  readonly minChunkMs: number;
  readonly maxChunkMs: number;
  /** How much faster than real time audio may be sent to catch up. */
  readonly maxReplaySpeed: number;
  /** The service cuts a connection that is silent for this long; undefined: never. */
  readonly idleMs: number | undefined;
  /** A keep-alive this often while nothing is sent; undefined: none is needed. */
  readonly keepAliveMs: number | undefined;
  /** The service ends a connection after this long; undefined: no limit is known. */
  readonly maxSessionMs: number | undefined;
}

export interface ConnectOptions {
  /** BCP 47 tag; `auto`: whatever is spoken. */
  readonly language: string;
  /** Tags of languages that may be spoken as well. */
  readonly hints: readonly string[];
  readonly identifyLanguage: boolean;
  /** Words that are likely, such as names of people or apps. */
  readonly keyterms: readonly string[];
  readonly signal: AbortSignal;
}

/** One account with one service. Belongs to one worker. */
export interface CloudVendor {
  readonly id: "deepgram" | "assemblyai";
  readonly capabilities: VendorCapabilities;
  supports(language: string): boolean;
  /** Begins to connect and returns at once. Exactly one `onEnd` follows sooner or later; nothing after it. */
  connect(options: ConnectOptions, sink: ConnectionSink): CloudConnection;
}

/** No call blocks or throws, whatever state the connection is in. */
export interface CloudConnection {
  /** Sends samples, the first of which is the session's `startSample`. Between two calls there may be a hole. */
  write(pcm: Int16Array, startSample: number): void;
  keepAlive(): void;
  /** Asks for the text that is pending. */
  finalize(): void;
  /** Bytes handed over that have not left yet. */
  readonly bufferedBytes: number;
  /** Ends in good order, so that the vendor's meter stops, in `graceMs` at the most; then `onEnd` follows. */
  close(graceMs: number): void;
}

export interface ConnectionSink {
  /** The service listens. */
  onOpen(): void;
  onEvent(event: ConnectionEvent): void;
  /** The end of the connection, whoever wanted it. `undefined`: it was asked for by `close`. */
  onEnd(failure: ConnectionFailure | undefined): void;
}

export type ConnectionEvent =
  | {
      /** `text` is the whole utterance so far. A final ends it. */
      readonly kind: "interim" | "final";
      readonly text: string;
      readonly startSample: number;
      readonly endSample: number;
      readonly confidence?: number;
      readonly speaker?: string;
      /** The language that was heard, where the service says so. */
      readonly language?: string;
      readonly words?: readonly Word[];
    }
  /** Everything before `sample` is in finals or was silence. */
  | { readonly kind: "settled"; readonly sample: number }
  /** Any other sign of life. */
  | { readonly kind: "heard" };

/**
 * Why a connection failed, as far as it decides what to do next.
 * - `auth`: wrong key, no credit: this account is of no use for a long while.
 * - `config`: the request itself is refused: no use for this language and these options.
 * - `limit`: too many connections: soon again, another vendor meanwhile.
 * - `expired`: the service's time limit: open the next one at once.
 * - `protocol`: we did something that it does not allow, such as sending too fast.
 * - `transient`: everything else: try again.
 */
export interface ConnectionFailure {
  readonly kind: "auth" | "config" | "limit" | "expired" | "protocol" | "transient";
  /** For the log; never a key, a token or what was said. */
  readonly detail: string;
  readonly retryAfterMs?: number;
}
