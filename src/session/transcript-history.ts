import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Stop } from "../kernel/stop.ts";
import type { TranscriptionData } from "../wire/apps.ts";

/** One utterance as it was last known. */
export interface TranscriptSegment {
  /** The utterance's id. */
  readonly resultId: string;
  readonly language: string;
  readonly text: string;
  readonly isFinal: boolean;
  readonly speakerId: string;
  /** When it was last heard of, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** Place on the session's audio clock, in milliseconds. */
  readonly startTime: number;
  readonly endTime: number;
  /** 0 to 1. */
  readonly confidence?: number;
  readonly provider: string;
}

/** Which part of the history is wanted. What is left out does not narrow it. */
export interface TranscriptQuery {
  /** BCP 47 tag; undefined: all languages, in the order of time. */
  readonly language?: string | undefined;
  /** What was said within this many milliseconds before now. */
  readonly durationMs?: number | undefined;
  /** First and last moment, in milliseconds since the Unix epoch, both included. */
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/**
 * What was said in a session, for a while: an interim takes the place of the one before it, a final that of its interims.
 * Bounded in time, in segments of a language and in languages; old speech goes even if nobody speaks any more.
 */
export class TranscriptHistory {
  readonly #clock: Clock;
  readonly #limits: Limits;
  /** Oldest first. */
  readonly #languages = new Map<string, TranscriptSegment[]>();
  #cancelPrune: Stop | undefined;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  add(data: TranscriptionData): void {
    const language = data.transcribeLanguage;
    const segments = this.#languages.get(language) ?? [];
    // The language spoken last comes last, so that the first is the one to give up.
    this.#languages.delete(language);
    this.#languages.set(language, segments);
    if (this.#languages.size > this.#limits.transcriptLanguages) {
      for (const oldest of this.#languages.keys()) {
        this.#languages.delete(oldest);
        break;
      }
    }
    // Interims of one utterance follow each other closely: only the end has to be looked at.
    const at = segments.findLastIndex(({ resultId, isFinal }) => resultId === data.utteranceId && !isFinal);
    if (at >= 0) segments.splice(at, 1);
    segments.push({
      resultId: data.utteranceId,
      language,
      text: data.text,
      isFinal: data.isFinal,
      speakerId: data.speakerId,
      atMs: this.#clock.now(),
      startTime: data.startTime,
      endTime: data.endTime,
      ...(data.confidence === undefined ? {} : { confidence: data.confidence }),
      provider: data.provider,
    });
    if (segments.length > this.#limits.transcriptSegments) segments.shift();
    this.#cancelPrune ??= this.#clock.every(this.#limits.transcriptPruneMs, () => this.#prune());
  }

  /** Segments that match, oldest first. */
  query(query: TranscriptQuery = {}): readonly TranscriptSegment[] {
    const now = this.#clock.now();
    const fromMs = Math.max(
      now - this.#limits.transcriptHistoryMs,
      query.fromMs ?? 0,
      query.durationMs === undefined ? 0 : now - query.durationMs,
    );
    const untilMs = query.untilMs ?? Number.POSITIVE_INFINITY;
    const segments =
      query.language === undefined
        ? [...this.#languages.values()].flat().sort((a, b) => a.atMs - b.atMs)
        : (this.#languages.get(query.language) ?? []);
    return segments.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs);
  }

  /** Segments kept, over all languages. */
  get size(): number {
    return [...this.#languages.values()].reduce((sum, segments) => sum + segments.length, 0);
  }

  /** Forgets everything. */
  clear(): void {
    this.#languages.clear();
    this.#cancelPrune?.();
    this.#cancelPrune = undefined;
  }

  #prune(): void {
    const fromMs = this.#clock.now() - this.#limits.transcriptHistoryMs;
    for (const [language, segments] of this.#languages) {
      const kept = segments.filter(({ atMs }) => atMs >= fromMs);
      if (kept.length > 0) this.#languages.set(language, kept);
      else this.#languages.delete(language);
    }
    if (this.#languages.size === 0) this.clear();
  }
}
