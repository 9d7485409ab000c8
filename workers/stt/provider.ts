/**
 * What turns speech into text, seen from the audio worker. A provider never gets audio pushed at it: it reads the
 * session's recent audio, which lies in shared memory, with a cursor of its own. So a slow or late provider loses
 * nothing that is still there, and a second one can start over from any settled position.
 *
 * One clock: samples of the session's decoded audio at 16 kHz, counted from the session's first.
 */

import type { SpeechWish } from "../../src/audio/lanes.ts";
import type { RecentAudio } from "../../src/audio/recent-audio.ts";
import type { Word } from "../../src/audio/speech.ts";

export interface SpeechProvider {
  /** Name that apps see, such as `pocketsphinx`. */
  readonly id: string;
  supports(language: string): boolean;
  open(options: SpeechStreamOptions, sink: SpeechSink): SpeechStream;
  /** Ends all streams and frees what the provider holds. */
  close(): Promise<void>;
}

export interface SpeechStreamOptions {
  /** Unique in the process: names the stream towards other threads. */
  readonly streamId: string;
  readonly language: string;
  readonly recent: RecentAudio;
  /** First sample that is of interest. */
  readonly fromSample: number;
  /** An utterance without a final that a former thread has shown: where it begins, and to where it is shown. */
  readonly shown?: { readonly startSample: number; readonly endSample: number };
  /** How to listen, where a provider can be told more than the language. */
  readonly wish?: SpeechWish;
  /** Called when audio has been handed to a service outside: how long that took is measured elsewhere. */
  readonly onSent?: () => void;
}

/** One listening stream of one session in one language. No call blocks or throws. */
export interface SpeechStream {
  /** Speech begins at `sample`, pre-roll included; audio from there on is to be recognised. */
  voiceStart(sample: number): void;
  /** Everything before `sample` is in the recent audio. */
  audioUntil(sample: number): void;
  /** The speech has ended before `sample`: finalise what is pending. */
  voiceEnd(sample: number): void;
  /** Who wants the language, and how, has changed: holds from the next pause on, not in mid-utterance. */
  setWish?(wish: SpeechWish): void;
  /** First sample of speech that is not recognised yet; undefined while nothing is owed. */
  readonly owedFrom?: number | undefined;
  /** Whether audio is still owed while the state is `off`: what could not be recognised yet will be. */
  readonly keepsBacklog?: boolean;
  /** Resolves when the pending words have been reported, or `drainMs` have passed, and the stream is gone. */
  close(drainMs: number): Promise<void>;
}

export type SpeechEvent =
  | {
      readonly kind: "interim" | "final";
      readonly text: string;
      readonly startSample: number;
      readonly endSample: number;
      readonly confidence?: number;
      readonly words?: readonly Word[];
      /** Who spoke, as the provider tells speakers apart within a session. */
      readonly speaker?: string;
      /** BCP 47 tag of the language heard, where the provider tells. */
      readonly language?: string;
      /** Who recognised it, where that is not the provider of the stream itself. */
      readonly provider?: string;
    }
  /** Everything before `sample` has been turned into finals or into silence, and will not be asked for again. */
  | { readonly kind: "settled"; readonly sample: number }
  /** Audio that was gone before it could be recognised. */
  | { readonly kind: "lost"; readonly samples: number }
  | { readonly kind: "state"; readonly state: "ready" | "degraded" | "off"; readonly detail: string };

export interface SpeechSink {
  onEvent(event: SpeechEvent): void;
}
