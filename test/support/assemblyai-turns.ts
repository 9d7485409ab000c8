import { CountedReader, type CountedWord, countedBlockSamples } from "./counted-audio.ts";

/** How turns are made of audio. */
export interface AssemblyAiTurns {
  /** Silence that ends a turn. */
  readonly minTurnSilenceMs: number;
  /** A turn of so many words ends although the speech goes on. */
  readonly turnWords: number;
  /** A turn ends twice: as it was heard, and then in good form. */
  readonly formatTurns: boolean;
  /** Said with every turn, where the model identifies languages. */
  readonly languageCode: string | undefined;
  readonly speaker: string | undefined;
}

const defaults: AssemblyAiTurns = {
  minTurnSilenceMs: 400,
  turnWords: Number.POSITIVE_INFINITY,
  formatTurns: false,
  languageCode: undefined,
  speaker: undefined,
};

const samplesPerMs = 16;

/** Makes the `Turn` messages of one connection from the numbers in its audio. */
export class SimulatedTurns {
  readonly #settings: AssemblyAiTurns;
  readonly #reader = new CountedReader();
  #words: CountedWord[] = [];
  #order = 0;

  constructor(settings: Partial<AssemblyAiTurns>) {
    this.#settings = { ...defaults, ...settings };
  }

  hear(pcm: Int16Array): object[] {
    const messages: object[] = [];
    for (let at = 0; at < pcm.length; at += countedBlockSamples) {
      const words = this.#reader.read(pcm.subarray(at, at + countedBlockSamples));
      if (words.length > 0 && this.#words.length === 0) {
        messages.push({ type: "SpeechStarted", timestamp: (words[0]?.start ?? 0) / samplesPerMs });
      }
      for (const word of words) {
        this.#words.push(word);
        if (this.#words.length >= this.#settings.turnWords) messages.push(...this.end());
      }
      const silenceMs = this.#reader.silence / samplesPerMs;
      if (this.#words.length > 0 && silenceMs >= this.#settings.minTurnSilenceMs)
        messages.push(...this.end());
      else if (words.length > 0 && this.#words.length > 0) messages.push(this.#turn(false, false));
    }
    return messages;
  }

  /** Ends the turn at once, empty ones too. */
  end(): object[] {
    this.#words.push(...this.#reader.flush());
    const messages = [this.#turn(true, false)];
    if (this.#settings.formatTurns) messages.push(this.#turn(true, true));
    this.#words = [];
    this.#order++;
    return messages;
  }

  #turn(ends: boolean, formatted: boolean): object {
    const { languageCode, speaker } = this.#settings;
    const words = this.#words.map(({ counter, start, end }) => ({
      text: `w${counter}`,
      start: start / samplesPerMs,
      end: end / samplesPerMs,
      confidence: 0.9,
      word_is_final: true,
      ...(speaker === undefined ? {} : { speaker }),
    }));
    const plain = words.map(({ text }) => text).join(" ");
    return {
      type: "Turn",
      turn_order: this.#order,
      turn_is_formatted: formatted,
      end_of_turn: ends,
      transcript: formatted && plain !== "" ? `${plain}.` : plain,
      end_of_turn_confidence: ends ? 0.9 : 0.1,
      words,
      ...(languageCode === undefined ? {} : { language_code: languageCode, language_confidence: 0.99 }),
      ...(speaker === undefined ? {} : { speaker_label: speaker }),
    };
  }
}
