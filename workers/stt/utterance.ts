import { samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { Transcript } from "../../src/audio/speech.ts";
import type { ToldLanguage } from "../../src/audio/told-transcripts.ts";
import type { SpeechEvent } from "./provider.ts";

type Heard = Extract<SpeechEvent, { readonly text: string }>;

/** What has been shown of the utterance that is being spoken. */
interface Utterance {
  readonly id: string;
  readonly startMs: number;
  readonly startSample: number;
  /** The last transcript shown; undefined before the first. */
  shown: Transcript | undefined;
}

/**
 * Turns what one provider stream hears into transcripts that keep the rules apps rely on: an utterance has one id from
 * its first interim to its only final, interims only grow, no text is empty, and times never run backwards.
 */
export class UtteranceTrack {
  readonly #language: string;
  readonly #provider: string;
  #current: Utterance | undefined;
  #lastStartMs = 0;
  #lastEndMs = 0;

  /** @param told what a former thread has said of the language: an utterance without a final goes on. */
  constructor(language: string, provider: string, told?: ToldLanguage) {
    this.#language = language;
    this.#provider = provider;
    const shown = told?.unfinished;
    this.#lastEndMs = Math.max(told?.untilMs ?? 0, shown?.endMs ?? 0);
    if (shown === undefined) return;
    const { utteranceId: id, startMs } = shown;
    this.#lastStartMs = startMs;
    this.#current = { id, startMs, startSample: startMs * samplesPerMs, shown };
  }

  /** The transcript to report for what was heard, or undefined when it is to be held back. */
  hear(heard: Heard): Transcript | undefined {
    if (heard.text.trim() === "") return heard.kind === "final" ? this.finish() : undefined;
    const utterance = this.#current ?? this.#begin(heard.startSample);
    this.#current = utterance;
    if (heard.kind === "interim") {
      const shown = utterance.shown;
      if (shown !== undefined && wordCount(heard.text) < wordCount(shown.text)) return undefined;
      if (shown?.text === heard.text) return undefined;
    }
    const transcript = this.#transcript(utterance, heard);
    utterance.shown = transcript;
    if (transcript.isFinal) this.#current = undefined;
    return transcript;
  }

  /** Everything before `sample` is settled. An utterance that began before and got no final of its own ends with what is shown. */
  settle(sample: number): Transcript | undefined {
    return this.#current !== undefined && this.#current.startSample < sample ? this.finish() : undefined;
  }

  /** Makes the interim that is shown the final, where none will come. Undefined when nothing is shown. */
  finish(): Transcript | undefined {
    const shown = this.#current?.shown;
    this.#current = undefined;
    return shown === undefined ? undefined : { ...shown, isFinal: true };
  }

  #begin(startSample: number): Utterance {
    const startMs = Math.max(this.#lastStartMs, Math.round(startSample / samplesPerMs));
    this.#lastStartMs = startMs;
    return { id: crypto.randomUUID(), startMs, startSample, shown: undefined };
  }

  #transcript(utterance: Utterance, heard: Heard): Transcript {
    const { confidence, words, speaker, language } = heard;
    const lastWord = words?.at(-1);
    this.#lastEndMs = Math.max(
      this.#lastEndMs,
      utterance.startMs,
      Math.round(heard.endSample / samplesPerMs),
    );
    return {
      utteranceId: utterance.id,
      language: this.#language,
      text: heard.text,
      isFinal: heard.kind === "final",
      startMs: utterance.startMs,
      endMs: this.#lastEndMs,
      ...(confidence === undefined ? {} : { confidence }),
      ...(lastWord === undefined ? {} : { lastWordMs: lastWord.endMs }),
      ...(speaker === undefined ? {} : { speaker }),
      ...(language === undefined ? {} : { detectedLanguage: language }),
      provider: heard.provider ?? this.#provider,
    };
  }
}

function wordCount(text: string): number {
  return text.trim().split(/\s+/).length;
}
