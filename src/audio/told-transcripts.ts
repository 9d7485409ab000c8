import { limits } from "../kernel/limits.ts";
import type { Transcript } from "./speech.ts";

/** What a listener has been told of one language, for a thread that takes over from one that has died. */
export interface ToldLanguage {
  readonly language: string;
  /** End of the last final on the session's audio clock: words before it must not come again. 0: there was none. */
  readonly untilMs: number;
  /** The last interim of an utterance that has no final yet: it goes on under its id, and does not shrink. */
  readonly unfinished: Transcript | undefined;
}

/** To where its words go. */
export function heardUntilMs({ lastWordMs, endMs }: Transcript): number {
  return lastWordMs ?? endMs;
}

interface Language {
  untilMs: number;
  /** By utterance: a stream that is ending and its successor may each have one. */
  readonly unfinished: Map<string, Transcript>;
}

/**
 * Keeps what a listener has been told, on the side that outlives the threads that recognise: an utterance whose thread
 * dies still ends in one final under its own id, and of two languages the faster one does not repeat what it has said
 * because the slower one has to hear it again.
 */
export class ToldTranscripts {
  readonly #languages = new Map<string, Language>();

  note(transcript: Transcript): void {
    const { language, utteranceId, isFinal } = transcript;
    const known = this.#languages.get(language) ?? this.#begin(language);
    if (isFinal) {
      known.unfinished.delete(utteranceId);
      known.untilMs = Math.max(known.untilMs, heardUntilMs(transcript));
    } else known.unfinished.set(utteranceId, transcript);
  }

  /** Ends what nobody will end any more: all but the last utterance of each of `languages`. Returns the finals to be told. */
  end(languages: readonly string[]): Transcript[] {
    const finals: Transcript[] = [];
    for (const [language, { unfinished }] of this.#languages) {
      const ended = [...unfinished.values()];
      if (languages.includes(language)) ended.pop();
      finals.push(...ended.map((interim) => ({ ...interim, isFinal: true })));
    }
    for (const final of finals) this.note(final);
    return finals;
  }

  /** The languages wanted may change for ever, but only the last few are still of interest. */
  #begin(language: string): Language {
    for (const [oldest, { unfinished }] of this.#languages) {
      if (this.#languages.size < 2 * limits.languagesPerSession) break;
      if (unfinished.size === 0) this.#languages.delete(oldest);
    }
    const begun: Language = { untilMs: 0, unfinished: new Map() };
    this.#languages.set(language, begun);
    return begun;
  }

  /** What whoever takes over has to know. */
  get languages(): ToldLanguage[] {
    return [...this.#languages].map(([language, { untilMs, unfinished }]) => ({
      language,
      untilMs,
      unfinished: [...unfinished.values()].at(-1),
    }));
  }
}
