/**
 * Reading what Deepgram sends. Its documented types are not relied on: a field that is missing or of another kind is taken
 * for absent, so that no message, however odd, can throw.
 */

import { sampleRate, samplesPerMs } from "../../../src/audio/recent-audio.ts";
import type { Word } from "../../../src/audio/speech.ts";
import type { ProviderTime } from "./provider-time.ts";
import type { ConnectionEvent, ConnectionFailure } from "./vendor.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** What one message amounts to. A failure ends the connection. */
export interface Heard {
  readonly events: readonly ConnectionEvent[];
  readonly failure?: ConnectionFailure;
}

/** Turns the messages of one connection into what they mean for the supervisor. */
export interface DeepgramListener {
  hear(message: Fields): Heard;
}

/** One word as heard, in seconds of the connection. */
export interface SpokenWord {
  readonly text: string;
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly confidence: number | undefined;
  readonly speaker: string | undefined;
  readonly language: string | undefined;
}

export const signOfLife: Heard = { events: [{ kind: "heard" }] };
export const nothing: Heard = { events: [] };

export function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

/** A finite number that is not negative, or undefined. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

export function wordsOf(value: unknown): SpokenWord[] {
  return listOf(value).flatMap((item): SpokenWord[] => {
    const fields = fieldsOf(item);
    const text = textOf(fields?.["punctuated_word"]) || textOf(fields?.["word"]);
    if (fields === undefined || text === "") return [];
    const speaker = numberOf(fields["speaker"]);
    return [
      {
        text,
        start: numberOf(fields["start"]),
        end: numberOf(fields["end"]),
        confidence: numberOf(fields["confidence"]),
        speaker: speaker === undefined ? undefined : String(speaker),
        language: textOf(fields["language"]) || undefined,
      },
    ];
  });
}

/** What is said of an utterance besides its text, from its words; whatever cannot be told is absent. */
export function describe(
  words: readonly SpokenWord[],
  time: ProviderTime,
): { readonly confidence?: number; readonly speaker?: string; readonly words?: readonly Word[] } {
  const known = words.flatMap(({ confidence }) => (confidence === undefined ? [] : [confidence]));
  const speaker = words.findLast((word) => word.speaker !== undefined)?.speaker;
  const placed = words.flatMap(({ text, start, end, confidence }): Word[] =>
    start === undefined || end === undefined
      ? []
      : [
          {
            text,
            startMs: Math.round(time.toSession(start * sampleRate, "start") / samplesPerMs),
            endMs: Math.round(time.toSession(end * sampleRate, "end") / samplesPerMs),
            ...(confidence === undefined ? {} : { confidence: Math.min(1, confidence) }),
          },
        ],
  );
  return {
    ...(known.length === 0
      ? {}
      : { confidence: Math.min(1, known.reduce((sum, one) => sum + one, 0) / known.length) }),
    ...(speaker === undefined ? {} : { speaker }),
    ...(placed.length === 0 ? {} : { words: placed }),
  };
}
