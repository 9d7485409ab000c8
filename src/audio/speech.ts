/** What the audio side reports about speech: the vocabulary between main thread, workers and providers. */

/** One word with its place on the session's audio clock (milliseconds of audio received since the session began). */
export interface Word {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
  /** 0 to 1, where the provider tells. */
  readonly confidence?: number;
}

/** A recognised utterance, as far as it is known. Interims carry the whole utterance so far. */
export interface Transcript {
  /** The same from an utterance's first interim to its one final. */
  readonly utteranceId: string;
  /** BCP 47 tag of the stream it was recognised for, such as `en-US`. */
  readonly language: string;
  readonly text: string;
  readonly isFinal: boolean;
  /** Place on the session's audio clock; never runs backwards within a session. */
  readonly startMs: number;
  readonly endMs: number;
  /**
   * End of the last word, where the provider tells: `endMs` lies further on when an earlier interim had more words. The
   * words themselves stay in the worker: nobody here asks for them, and they would cost more than all the rest.
   */
  readonly lastWordMs?: number;
  /** 0 to 1. */
  readonly confidence?: number;
  /** Tells the speakers of a session apart, where the provider does. */
  readonly speaker?: string;
  /** BCP 47 tag of the language that was heard, where the provider tells. */
  readonly detectedLanguage?: string;
  readonly provider: string;
}

/**
 * How speech fares for one session.
 * - `ready`: a provider listens.
 * - `degraded`: speech waits for a free decoder, or has been refused one; `detail` says which.
 * - `off`: no provider serves a wanted language.
 */
export interface SpeechState {
  readonly state: "ready" | "degraded" | "off";
  readonly detail: string;
  /** With `off`: the languages that nobody serves, while others may well be heard. Absent: none is served. */
  readonly unserved?: readonly string[];
}
