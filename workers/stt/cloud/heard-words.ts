import { samplesPerMs } from "../../../src/audio/recent-audio.ts";
import type { ConnectionEvent } from "./vendor.ts";

export type Heard = Extract<ConnectionEvent, { readonly text: string }>;

/**
 * What was heard after `sample`. Audio is played again from a little before the place where the last final ended, so what
 * comes back may begin with words of that final, or with half of its last one. A word counts to the side on which its
 * middle lies. Undefined: all of it was heard before.
 */
export function heardAfter(heard: Heard, sample: number): Heard | undefined {
  if (heard.startSample >= sample) return heard;
  const { words } = heard;
  if (words === undefined || words.length === 0) return heard.endSample <= sample ? undefined : heard;
  const sampleMs = sample / samplesPerMs;
  const fresh = words.filter(({ startMs, endMs }) => (startMs + endMs) / 2 > sampleMs);
  const [first] = fresh;
  if (first === undefined) return undefined;
  if (fresh.length === words.length) return heard;
  const spoken = heard.text.trim().split(/\s+/);
  // The text has punctuation that the words may lack, and is kept where the two can be told to match.
  const kept = spoken.length === words.length ? spoken.slice(words.length - fresh.length) : undefined;
  return {
    ...heard,
    text: (kept ?? fresh.map(({ text }) => text)).join(" "),
    words: fresh,
    startSample: Math.max(sample, Math.round(first.startMs * samplesPerMs)),
  };
}
