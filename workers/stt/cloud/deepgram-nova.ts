import { sampleRate } from "../../../src/audio/recent-audio.ts";
import { errorFailure } from "./deepgram-failure.ts";
import {
  type DeepgramListener,
  describe,
  type Fields,
  fieldsOf,
  type Heard,
  listOf,
  nothing,
  numberOf,
  type SpokenWord,
  signOfLife,
  textOf,
  wordsOf,
} from "./deepgram-message.ts";
import type { ProviderTime } from "./provider-time.ts";
import type { ConnectionEvent } from "./vendor.ts";

/**
 * Who speaks without a pause gets a final after so many seconds all the same: audio is kept until it is settled, and not
 * for ever.
 */
const longestUtterance = 20;

/** One `Results` message. */
interface Segment {
  readonly text: string;
  readonly words: readonly SpokenWord[];
  readonly confidence: number | undefined;
  readonly language: string | undefined;
  /** Seconds of the connection. */
  readonly start: number;
  readonly end: number;
}

/**
 * Puts utterances together from the `v1/listen` messages. The service cuts an utterance into segments and revises each
 * until it is final; the utterance is over with the segment that says `speech_final` or answers a `Finalize`, or with an
 * `UtteranceEnd`, which comes where noise hides the silence.
 */
export class NovaListener implements DeepgramListener {
  readonly #time: ProviderTime;
  /** The final segments of the utterance that is being spoken. */
  #pending: readonly Segment[] = [];
  #settled = 0;

  constructor(time: ProviderTime) {
    this.#time = time;
  }

  hear(message: Fields): Heard {
    switch (message["type"]) {
      case "Results":
        return { events: this.#results(message) };
      case "UtteranceEnd":
        // Without a word there is no utterance to end.
        if (numberOf(message["last_word_end"]) === undefined) return signOfLife;
        return this.#pending.length === 0 ? signOfLife : { events: this.#finish() };
      case "Metadata":
        // The answer to `CloseStream`: no further segment comes.
        return this.#pending.length === 0 ? signOfLife : { events: this.#finish() };
      case "SpeechStarted":
        return signOfLife;
      case "Error":
        return { events: [], failure: errorFailure(message) };
      default:
        return nothing;
    }
  }

  #results(message: Fields): readonly ConnectionEvent[] {
    const segment = segmentOf(message);
    const heard = segment.text !== "";
    if (message["is_final"] !== true) {
      return heard ? [this.#utterance("interim", [...this.#pending, segment])] : [{ kind: "heard" }];
    }
    if (heard) this.#pending = [...this.#pending, segment];
    const tooLong = segment.end - (this.#pending[0]?.start ?? segment.end) >= longestUtterance;
    const over = tooLong || message["speech_final"] === true || message["from_finalize"] === true;
    if (this.#pending.length > 0 && !over) {
      return heard ? [this.#utterance("interim", this.#pending)] : [{ kind: "heard" }];
    }
    return this.#pending.length > 0 ? this.#finish(segment.end) : this.#settle(segment.end);
  }

  /** Ends the utterance; everything before `end` seconds is then said or silence. */
  #finish(end = this.#pending.at(-1)?.end ?? 0): readonly ConnectionEvent[] {
    const final = this.#utterance("final", this.#pending);
    this.#pending = [];
    return [final, ...this.#settle(end)];
  }

  #settle(end: number): readonly ConnectionEvent[] {
    const sample = this.#time.toSession(end * sampleRate, "end");
    if (sample <= this.#settled) return [{ kind: "heard" }];
    this.#settled = sample;
    return [{ kind: "settled", sample }];
  }

  #utterance(kind: "interim" | "final", segments: readonly Segment[]): ConnectionEvent {
    const words = segments.flatMap((segment) => segment.words);
    const start = words[0]?.start ?? segments[0]?.start ?? 0;
    const end = words.at(-1)?.end ?? segments.at(-1)?.end ?? start;
    const startSample = this.#time.toSession(start * sampleRate, "start");
    const language = words.at(-1)?.language ?? segments.at(-1)?.language;
    const known = segments.flatMap(({ confidence }) => (confidence === undefined ? [] : [confidence]));
    const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
    return {
      kind,
      text: segments.map((segment) => segment.text).join(" "),
      startSample,
      endSample: Math.max(startSample, this.#time.toSession(end * sampleRate, "end")),
      ...(known.length === 0 ? {} : { confidence: Math.min(1, mean) }),
      ...(language === undefined ? {} : { language }),
      ...describe(words, this.#time),
    };
  }
}

function segmentOf(message: Fields): Segment {
  const best = fieldsOf(listOf(fieldsOf(message["channel"])?.["alternatives"])[0]);
  const start = numberOf(message["start"]) ?? 0;
  return {
    text: textOf(best?.["transcript"]),
    words: wordsOf(best?.["words"]),
    confidence: numberOf(best?.["confidence"]),
    language: textOf(listOf(best?.["languages"])[0]) || undefined,
    start,
    end: start + (numberOf(message["duration"]) ?? 0),
  };
}
