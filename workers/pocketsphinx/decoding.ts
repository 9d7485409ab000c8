import { samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { StreamReport } from "../../src/audio/recogniser-commands.ts";
import type { Word } from "../../src/audio/speech.ts";
import type { DecodedWord, SpeechDecoder } from "../stt/speech-decoder.ts";

/** A final that nobody has seen an interim of is dropped below this mean word posterior. */
const leastConfidence = 0.2;

export interface DecodingSettings {
  /** Audio between two interims. */
  readonly interimMs: number;
  /** Longest utterance; a longer one is cut. */
  readonly utteranceMs: number;
}

type Spoken = Omit<Extract<StreamReport, { readonly text: string }>, "streamId">;

/** What the newest samples came to. */
export type Heard =
  | "silence"
  | "speech"
  /** Words have ended: their final has been reported. */
  | "pause"
  /** What was taken for speech held no words. */
  | "noise"
  /** The utterance became too long; its final has been reported, and the speech goes on. */
  | "cut";

/** One stream's time with a decoder: feeds it, sees where utterances end, and reports what they say. */
export class Decoding {
  readonly decoder: SpeechDecoder;
  readonly #settings: DecodingSettings;
  readonly #report: (spoken: Spoken) => void;
  /** Session sample that the decoder counts from. */
  readonly #base: number;
  #position: number;
  #lastEnd: number;
  #inSpeech = false;
  /** Where the last words ended, or the decoder was taken. */
  #quietFrom: number;
  #speechFrom = 0;
  #interimAt = 0;
  /** Text of this utterance that has been reported: then a final has to follow. */
  #shown = "";

  /**
   * @param mean the session's cepstral mean from its former decoder.
   * @param from session sample that is heard first.
   * @param lastEnd no word is placed before it: times never run backwards within a session.
   */
  constructor(
    decoder: SpeechDecoder,
    mean: Float32Array | undefined,
    from: number,
    lastEnd: number,
    settings: DecodingSettings,
    report: (spoken: Spoken) => void,
  ) {
    this.decoder = decoder;
    this.#settings = settings;
    this.#report = report;
    this.#base = from;
    this.#position = from;
    this.#quietFrom = from;
    this.#lastEnd = lastEnd;
    decoder.startStream(mean);
    decoder.startUtterance();
  }

  get inSpeech(): boolean {
    return this.#inSpeech;
  }

  /** Session sample at which the last word of a final ended. */
  get lastEnd(): number {
    return this.#lastEnd;
  }

  /** Samples since the last words. */
  get quietSamples(): number {
    return this.#position - this.#quietFrom;
  }

  hear(samples: Int16Array): Heard {
    this.decoder.process(samples);
    this.#position += samples.length;
    const wasInSpeech = this.#inSpeech;
    this.#inSpeech = this.decoder.inSpeech;
    if (!this.#inSpeech) {
      if (!wasInSpeech) return "silence";
      return this.#endUtterance() ? "pause" : "noise";
    }
    if (!wasInSpeech) {
      this.#speechFrom = this.#position;
      this.#interimAt = this.#position;
    }
    if (this.#position - this.#speechFrom >= this.#settings.utteranceMs * samplesPerMs) {
      this.#endUtterance();
      return "cut";
    }
    if (this.#position - this.#interimAt >= this.#settings.interimMs * samplesPerMs) {
      this.#interimAt = this.#position;
      this.#showInterim();
    }
    return "speech";
  }

  /** Reports what is pending and leaves the decoder. Returns the session's cepstral mean. */
  finish(): Float32Array | undefined {
    this.#reportFinal();
    return this.decoder.endStream();
  }

  /** Ends the utterance and starts the next within the same stream of audio. Whether it held words. */
  #endUtterance(): boolean {
    const spoken = this.#reportFinal();
    this.decoder.startUtterance();
    this.#inSpeech = false;
    this.#shown = "";
    if (spoken) this.#quietFrom = this.#position;
    return spoken;
  }

  #showInterim(): void {
    const words = this.decoder.words();
    const text = textOf(words);
    if (text === "" || text === this.#shown) return;
    this.#shown = text;
    this.#report({ kind: "interim", text, ...this.#span(words) });
  }

  #reportFinal(): boolean {
    this.decoder.endUtterance();
    const words = this.decoder.words();
    if (words.length === 0) return false;
    const confidence = words.reduce((sum, word) => sum + word.confidence, 0) / words.length;
    if (confidence < leastConfidence && this.#shown === "") return false;
    const span = this.#span(words);
    const placed = words.map((word) => this.#place(word));
    this.#lastEnd = span.endSample;
    this.#report({ kind: "final", text: textOf(words), ...span, confidence, words: placed });
    return true;
  }

  #span(words: readonly DecodedWord[]): { startSample: number; endSample: number } {
    const startSample = Math.max(this.#lastEnd, this.#base + (words[0]?.startSample ?? 0));
    const endSample = Math.max(startSample, this.#base + (words.at(-1)?.endSample ?? 0));
    return { startSample, endSample };
  }

  #place(word: DecodedWord): Word {
    const start = Math.max(this.#lastEnd, this.#base + word.startSample);
    const end = Math.max(start, this.#base + word.endSample);
    return {
      text: word.text,
      startMs: Math.round(start / samplesPerMs),
      endMs: Math.round(end / samplesPerMs),
      confidence: word.confidence,
    };
  }
}

function textOf(words: readonly DecodedWord[]): string {
  return words.map((word) => word.text).join(" ");
}
