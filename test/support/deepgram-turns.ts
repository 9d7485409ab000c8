import { CountedReader, type CountedWord, countedBlockSamples } from "./counted-audio.ts";

/** How results are made of audio; what a connection asks for goes before. */
export interface DeepgramResults {
  /** Interim results come after so much audio each. */
  readonly interimMs: number;
  /** A segment becomes final after so much audio, although the speech goes on. */
  readonly segmentMs: number;
  /** Utterances end without `speech_final`, as they do in noise. */
  readonly noSpeechFinal: boolean;
  /** Said with every result, where several languages are listened for. */
  readonly languages: readonly string[];
  /** Said with every word, where speakers are told apart. */
  readonly speaker: number | undefined;
  /** For audio that is no numbers: what is heard in it, told when it is asked for. */
  readonly sentence: string | undefined;
}

const defaults: DeepgramResults = {
  interimMs: 200,
  segmentMs: 3_000,
  noSpeechFinal: false,
  languages: [],
  speaker: undefined,
  sentence: undefined,
};

/** Hears one sentence in whatever is sent. */
export class SimulatedSentence implements SimulatedListener {
  readonly #sentence: string;
  #samples = 0;
  #told = false;

  constructor(sentence: string) {
    this.#sentence = sentence;
  }

  hear(pcm: Int16Array): object[] {
    this.#samples += pcm.length;
    return [];
  }

  finalize(): object[] {
    const transcript = this.#told ? "" : this.#sentence;
    this.#told = true;
    return [
      {
        type: "Results",
        channel_index: [0, 1],
        start: 0,
        duration: seconds(this.#samples),
        is_final: true,
        speech_final: true,
        from_finalize: true,
        channel: { alternatives: [{ transcript, confidence, words: [] }] },
      },
    ];
  }

  finish(): object[] {
    const metadata = { type: "Metadata", request_id: "simulated", duration: seconds(this.#samples) };
    return this.#told ? [metadata] : [...this.finalize(), metadata];
  }
}

const samplesPerMs = 16;
const samplesPerSecond = 16_000;
const confidence = 0.9;

/** Makes the messages of one connection from the numbers in its audio. */
export interface SimulatedListener {
  hear(pcm: Int16Array): object[];
  /** The answer to `Finalize` or `ForceEndTurn`. */
  finalize(): object[];
  /** The answer to `CloseStream`. */
  finish(): object[] | Promise<object[]>;
  /** The connection is gone. */
  close?(): void;
}

/** `v1/listen`: segments with interim results, ended by silence. */
export class SimulatedResults implements SimulatedListener {
  readonly #settings: DeepgramResults;
  readonly #endpointingMs: number;
  readonly #utteranceEndMs: number;
  readonly #interims: boolean;
  readonly #vadEvents: boolean;
  readonly #reader = new CountedReader();
  #segment: CountedWord[] = [];
  #segmentStart = 0;
  #lastWord: CountedWord | undefined;
  /** Words have been heard and no end of the utterance has been said. */
  #speaking = false;
  #interimAt = 0;

  constructor(settings: Partial<DeepgramResults>, query: Readonly<Record<string, string>>) {
    this.#settings = { ...defaults, ...settings };
    this.#endpointingMs = Number(query["endpointing"] ?? 10);
    this.#utteranceEndMs = Number(query["utterance_end_ms"] ?? Number.POSITIVE_INFINITY);
    this.#interims = query["interim_results"] === "true";
    this.#vadEvents = query["vad_events"] === "true";
  }

  hear(pcm: Int16Array): object[] {
    const messages: object[] = [];
    for (let at = 0; at < pcm.length; at += countedBlockSamples) {
      messages.push(...this.#step(pcm.subarray(at, at + countedBlockSamples)));
    }
    return messages;
  }

  finalize(): object[] {
    this.#add(this.#reader.flush());
    this.#speaking = false;
    return [this.#result(this.#reader.position, { is_final: true, from_finalize: true })];
  }

  finish(): object[] {
    this.#add(this.#reader.flush());
    const last = this.#segment.length > 0 ? [this.#result(this.#reader.position, { is_final: true })] : [];
    const duration = this.#reader.position / samplesPerSecond;
    return [...last, { type: "Metadata", request_id: "simulated", duration, channels: 1 }];
  }

  #step(pcm: Int16Array): object[] {
    const messages: object[] = [];
    const words = this.#reader.read(pcm);
    if (words.length > 0 && !this.#speaking && this.#vadEvents) {
      messages.push({ type: "SpeechStarted", channel: [0, 1], timestamp: seconds(words[0]?.start ?? 0) });
    }
    this.#add(words);
    const { position, silence } = this.#reader;
    const silenceMs = silence / samplesPerMs;
    // What has begun and is not yet a word belongs to the next segment.
    const end = silence > 0 ? position : this.#lastWord?.end;
    const { noSpeechFinal, segmentMs, interimMs } = this.#settings;
    if (this.#speaking && silenceMs >= this.#endpointingMs && !noSpeechFinal) {
      this.#speaking = false;
      messages.push(this.#result(position, { is_final: true, speech_final: true }));
    } else if (this.#speaking && silenceMs >= this.#utteranceEndMs) {
      this.#speaking = false;
      const last_word_end = seconds(this.#lastWord?.end ?? 0);
      if (this.#segment.length > 0) messages.push(this.#result(position, { is_final: true }));
      messages.push({ type: "UtteranceEnd", channel: [0, 1], last_word_end });
    } else if (end !== undefined && end - this.#segmentStart >= segmentMs * samplesPerMs) {
      messages.push(this.#result(end, { is_final: true }));
    } else if (this.#interims && position - this.#interimAt >= interimMs * samplesPerMs) {
      this.#interimAt = position;
      messages.push(this.#result(position, { is_final: false }));
    }
    return messages;
  }

  #add(words: readonly CountedWord[]): void {
    if (words.length === 0) return;
    this.#segment.push(...words);
    this.#lastWord = words.at(-1);
    this.#speaking = true;
  }

  #result(
    end: number,
    flags: { is_final: boolean; speech_final?: boolean; from_finalize?: boolean },
  ): object {
    const { languages, speaker } = this.#settings;
    const words = this.#segment.map((word) => ({
      ...wordOf(word),
      punctuated_word: `w${word.counter}`,
      ...(speaker === undefined ? {} : { speaker }),
    }));
    const message = {
      type: "Results",
      channel_index: [0, 1],
      start: seconds(this.#segmentStart),
      duration: seconds(end - this.#segmentStart),
      speech_final: false,
      ...flags,
      channel: {
        alternatives: [
          {
            transcript: words.map(({ word }) => word).join(" "),
            confidence: words.length === 0 ? 0 : confidence,
            words,
            ...(languages.length === 0 ? {} : { languages }),
          },
        ],
      },
      metadata: { request_id: "simulated" },
    };
    if (flags.is_final) {
      this.#segment = [];
      this.#segmentStart = end;
      this.#interimAt = this.#reader.position;
    }
    return message;
  }
}

/** Silence that ends a turn, and that which may end it. */
const endOfTurnMs = 500;
const eagerEndMs = 300;
const updateMs = 240;

/** `v2/listen`: turns. */
export class SimulatedTurnInfo implements SimulatedListener {
  readonly #reader = new CountedReader();
  readonly #eager: boolean;
  #words: CountedWord[] = [];
  #turnStart = 0;
  #updateAt = 0;
  #eagerAt: number | undefined;
  #turn = 0;
  #sequence = 0;

  constructor(query: Readonly<Record<string, string>>) {
    this.#eager = query["eager_eot_threshold"] !== undefined;
  }

  connected(): object {
    return { type: "Connected", request_id: "simulated", sequence_id: this.#sequence++ };
  }

  hear(pcm: Int16Array): object[] {
    const messages: object[] = [];
    for (let at = 0; at < pcm.length; at += countedBlockSamples) {
      messages.push(...this.#step(pcm.subarray(at, at + countedBlockSamples)));
    }
    return messages;
  }

  finalize(): object[] {
    this.#words.push(...this.#reader.flush());
    return this.#words.length > 0 ? [this.#info("EndOfTurn")] : [];
  }

  finish(): object[] {
    return this.finalize();
  }

  #step(pcm: Int16Array): object[] {
    const messages: object[] = [];
    const begins = this.#words.length === 0;
    const words = this.#reader.read(pcm);
    this.#words.push(...words);
    const silenceMs = this.#reader.silence / samplesPerMs;
    if (words.length > 0 && this.#eagerAt !== undefined) {
      this.#eagerAt = undefined;
      messages.push(this.#info("TurnResumed"));
    }
    if (words.length > 0 && begins) messages.push(this.#info("StartOfTurn"));
    else if (this.#words.length > 0 && silenceMs >= endOfTurnMs) messages.push(this.#info("EndOfTurn"));
    else if (
      this.#eager &&
      this.#words.length > 0 &&
      silenceMs >= eagerEndMs &&
      this.#eagerAt === undefined
    ) {
      this.#eagerAt = this.#reader.position;
      messages.push(this.#info("EagerEndOfTurn"));
    } else if (this.#reader.position - this.#updateAt >= updateMs * samplesPerMs) {
      this.#updateAt = this.#reader.position;
      messages.push(this.#info("Update"));
    }
    return messages;
  }

  #info(event: string): object {
    const { position } = this.#reader;
    const message = {
      type: "TurnInfo",
      request_id: "simulated",
      sequence_id: this.#sequence++,
      event,
      turn_index: this.#turn,
      audio_window_start: seconds(this.#turnStart),
      audio_window_end: seconds(position),
      transcript: this.#words.map(({ counter }) => `w${counter}`).join(" "),
      words: this.#words.map(wordOf),
      end_of_turn_confidence: event === "EndOfTurn" ? 0.9 : 0.1,
    };
    if (event === "EndOfTurn") {
      this.#words = [];
      this.#turn++;
      this.#turnStart = position;
      this.#eagerAt = undefined;
    }
    return message;
  }
}

function seconds(samples: number): number {
  return samples / samplesPerSecond;
}

function wordOf({ counter, start, end }: CountedWord) {
  return { word: `w${counter}`, start: seconds(start), end: seconds(end), confidence };
}
