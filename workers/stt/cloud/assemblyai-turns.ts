import type { TurnEvent } from "assemblyai";
import { samplesPerMs } from "../../../src/audio/recent-audio.ts";
import type { ProviderTime } from "./provider-time.ts";
import type { ConnectionEvent } from "./vendor.ts";

/** How long the good form of a turn that has ended is waited for. */
const formatMs = 1_500;
/** After a forced end, so long without a word means that there is nothing more to come. */
const quietMs = 700;

type Heard = Extract<ConnectionEvent, { readonly text: string }>;

/**
 * Turns of one connection as utterances: each grows, and ends in exactly one final. With formatting the service ends a
 * turn twice, first as it was heard; the first end is a final only if the second does not come.
 */
export class AssemblyAiTurns {
  readonly #time: ProviderTime;
  readonly #formatted: boolean;
  readonly #emit: (event: ConnectionEvent) => void;
  /** Last turn whose final has been told. */
  #finished = -1;
  /** Turn that has begun and has no final, with what was last heard of it. */
  #open: { readonly order: number; readonly heard: Heard | undefined } | undefined;
  /** It has ended, and its good form is waited for. */
  #ended = false;
  #promotion: ReturnType<typeof setTimeout> | undefined;
  /** Samples sent when the end of a turn was forced: what came before is answered by the turns that follow. */
  #forced: { readonly sentSamples: number; answered: boolean } | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(time: ProviderTime, formatted: boolean, emit: (event: ConnectionEvent) => void) {
    this.#time = time;
    this.#formatted = formatted;
    this.#emit = emit;
  }

  hear(turn: TurnEvent): void {
    const { turn_order: order } = turn;
    // A later turn can only have begun because the one before is over: no better form of it will come any more.
    if (this.#open !== undefined && order > this.#open.order) this.#promote();
    if (order <= this.#finished) {
      this.#emit({ kind: "heard" });
      return;
    }
    const final = turn.end_of_turn && (turn.turn_is_formatted || !this.#formatted);
    const heard = this.#heard(turn, final);
    if (final) {
      this.#end(order, heard);
    } else {
      this.#open = { order, heard };
      this.#emit(heard ?? { kind: "heard" });
      if (turn.end_of_turn) {
        this.#ended = true;
        clearTimeout(this.#promotion);
        this.#promotion = setTimeout(() => this.#promote(), formatMs);
      }
    }
    this.#waitForQuiet();
  }

  /** The service was asked to end the turn that is going on, after all that has been sent. */
  force(): void {
    this.#forced = { sentSamples: this.#time.sentSamples, answered: false };
    clearTimeout(this.#quiet);
  }

  /** No more turns come. `complete`: the service has said that it has heard everything. */
  close(complete: boolean): void {
    if (this.#ended) this.#promote();
    clearTimeout(this.#promotion);
    clearTimeout(this.#quiet);
    if (complete) this.#settle(this.#time.sentSamples);
  }

  /** Makes what was last heard of the open turn its final. */
  #promote(): void {
    if (this.#open === undefined) return;
    const { order, heard } = this.#open;
    this.#end(order, heard && { ...heard, kind: "final" });
    this.#waitForQuiet();
  }

  #end(order: number, heard: Heard | undefined): void {
    clearTimeout(this.#promotion);
    this.#ended = false;
    this.#open = undefined;
    this.#finished = order;
    if (this.#forced !== undefined) this.#forced.answered = true;
    if (heard === undefined) {
      this.#emit({ kind: "heard" });
      return;
    }
    this.#emit(heard);
    this.#emit({ kind: "settled", sample: heard.endSample });
  }

  /**
   * The service does not say which turn answers a forced end: it may have ended one on its own just before. So all that
   * was sent counts as heard only when a turn has ended since and none has begun for a while.
   */
  #waitForQuiet(): void {
    clearTimeout(this.#quiet);
    const forced = this.#forced;
    if (forced?.answered !== true || this.#open !== undefined) return;
    this.#quiet = setTimeout(() => {
      this.#forced = undefined;
      this.#settle(forced.sentSamples);
    }, quietMs);
  }

  #settle(sentSamples: number): void {
    if (sentSamples === 0) return;
    this.#emit({ kind: "settled", sample: this.#time.toSession(sentSamples, "end") });
  }

  #heard(turn: TurnEvent, final: boolean): Heard | undefined {
    const { words, transcript, speaker_label: label, language_code: language } = turn;
    // Before its end the transcript of some models lacks the words that may still change.
    const spoken = words.map(({ text }) => text).join(" ");
    const text = turn.end_of_turn ? transcript : spoken || transcript;
    if (text.trim() === "") return undefined;
    const start = (ms: number) => this.#time.toSession(ms * samplesPerMs, "start");
    const end = (ms: number) => this.#time.toSession(ms * samplesPerMs, "end");
    const first = words[0];
    const last = words.at(-1);
    const speaker = label ?? last?.speaker;
    const confidence = words.reduce((sum, word) => sum + word.confidence, 0) / words.length;
    const startSample = first === undefined ? this.#time.sessionSample : start(first.start);
    return {
      kind: final ? "final" : "interim",
      text,
      startSample,
      endSample: last === undefined ? this.#time.sessionSample : Math.max(startSample, end(last.end)),
      ...(words.length === 0 ? {} : { confidence: Math.min(1, Math.max(0, confidence)) }),
      ...(speaker === undefined ? {} : { speaker }),
      ...(language === undefined ? {} : { language }),
      words: words.map((word) => ({
        text: word.text,
        startMs: Math.round(start(word.start) / samplesPerMs),
        endMs: Math.round(end(word.end) / samplesPerMs),
        confidence: word.confidence,
      })),
    };
  }
}

/** Whether a message is a turn whose parts are what they should be. */
export function isTurn(message: Readonly<Record<string, unknown>>): boolean {
  const { turn_order, end_of_turn, turn_is_formatted, transcript, words } = message;
  return (
    Number.isSafeInteger(turn_order) &&
    typeof end_of_turn === "boolean" &&
    typeof turn_is_formatted === "boolean" &&
    typeof transcript === "string" &&
    Array.isArray(words) &&
    words.every(isWord)
  );
}

function isWord(word: unknown): boolean {
  if (typeof word !== "object" || word === null) return false;
  const { text, start, end, confidence } = word as Record<string, unknown>;
  return typeof text === "string" && [start, end, confidence].every((value) => Number.isFinite(value));
}
