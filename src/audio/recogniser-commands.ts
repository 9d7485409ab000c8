/**
 * What main, audio workers and recogniser workers say to each other. A recogniser worker runs synchronous native code
 * and may block; it never gets audio by message, but reads it from the session's shared `RecentAudio`.
 */
import type { Word } from "./speech.ts";

/** Words of the heartbeat array every supervised worker shares with the main thread. */
export const heartbeatWords = {
  /** Counts up at least every 250 ms while the worker is well. Written by the worker only. */
  beat: 0,
  /** 1 while the worker does something known to take long, such as loading a model: no beat is expected. */
  busy: 1,
} as const;

/** For tests and benches only: burn the processor for `ms` without yielding. */
export interface RecogniserFault {
  readonly fault: "spin";
  readonly ms: number;
}

/** What recognises offline: the embedded recogniser, or sherpa with a model of the operator's. */
export type OfflineEngine = "pocketsphinx" | "sherpa";

/** Main to recogniser worker. The first message is `start`; each audio worker then gets a port by `connect`. */
export type RecogniserCommand =
  | {
      readonly kind: "start";
      /** Int32Array of `heartbeatWords`. */
      readonly heartbeat: SharedArrayBuffer;
      /** What recognises; the embedded recogniser where it is absent. */
      readonly engine?: OfflineEngine;
      readonly modelDir: string;
      readonly decoders: number;
      readonly utteranceQueue: number;
      readonly interimMs: number;
      readonly utteranceMs: number;
    }
  | { readonly kind: "connect"; readonly port: MessagePort }
  /** Frees every decoder, since ending the thread alone would leak the models, and answers `stopped`. */
  | { readonly kind: "stop" }
  | ({ readonly kind: "fault" } & RecogniserFault);

/** Recogniser worker to main. */
export type RecogniserReport =
  | { readonly kind: "ready"; readonly detail: string }
  /** The library or the model is missing or broken; `detail` says how to mend it. The worker stays and refuses streams. */
  | { readonly kind: "unavailable"; readonly detail: string }
  | { readonly kind: "log"; readonly level: "info" | "warn" | "error"; readonly message: string }
  | { readonly kind: "stopped" };

/** Audio worker to recogniser worker, through their own port. Samples count from the session's first. */
export type StreamCommand =
  | {
      readonly kind: "open";
      readonly streamId: string;
      readonly recent: SharedArrayBuffer;
      readonly fromSample: number;
    }
  | { readonly kind: "voiceStart"; readonly streamId: string; readonly sample: number }
  /** New audio is there: a hint to look, sent at most once a sweep, and not relied on for loss. */
  | { readonly kind: "audioUntil"; readonly streamId: string; readonly sample: number }
  | { readonly kind: "voiceEnd"; readonly streamId: string; readonly sample: number }
  /** Decodes what is pending, reports it, then answers `closed`. */
  | { readonly kind: "close"; readonly streamId: string }
  /** Forgets the stream at once, pending words included, and lets go of its audio. Nothing is answered. */
  | { readonly kind: "drop"; readonly streamId: string };

/** Recogniser worker to audio worker. */
export type StreamReport =
  | {
      readonly kind: "interim" | "final";
      readonly streamId: string;
      readonly text: string;
      readonly startSample: number;
      readonly endSample: number;
      readonly confidence?: number;
      readonly words?: readonly Word[];
    }
  | { readonly kind: "settled"; readonly streamId: string; readonly sample: number }
  | { readonly kind: "lost"; readonly streamId: string; readonly samples: number }
  | {
      readonly kind: "state";
      readonly streamId: string;
      readonly state: "ready" | "degraded" | "off";
      readonly detail: string;
    }
  | { readonly kind: "closed"; readonly streamId: string }
  /** Whether the recogniser can be used at all; the first message on every port, and again on change. */
  | { readonly kind: "availability"; readonly available: boolean; readonly detail: string };
