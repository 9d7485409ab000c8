import { samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { Word } from "../../src/audio/speech.ts";

export const blockSamples = 100 * samplesPerMs;

/** Audio whose every block of 100 ms says its number: `w17` is a block of samples of value 17. Zero is silence. */
export function spokenNumber(number: number): Int16Array {
  return new Int16Array(blockSamples).fill(number);
}

interface HeardNumber {
  readonly number: number;
  readonly start: number;
  end: number;
  samples: number;
}

/** What is said so far in the utterance that is not over. */
export interface HeardUtterance {
  readonly text: string;
  readonly startSample: number;
  readonly endSample: number;
  readonly words: readonly Word[];
}

/** Hears the numbers in such audio. A number is heard once more than half of its block has come. */
export class CountingEar {
  #numbers: HeardNumber[] = [];
  #quiet = 0;

  /** Takes samples in. `ended`: an utterance that this has ended, by silence or for its length. */
  hear(pcm: Int16Array, startSample: number, longest: number): HeardUtterance | undefined {
    let ended: HeardUtterance | undefined;
    for (let from = 0; from < pcm.length; ) {
      const number = pcm[from] ?? 0;
      let to = from;
      while (to < pcm.length && pcm[to] === number) to++;
      ended = this.#take(number, startSample + from, to - from, longest) ?? ended;
      from = to;
    }
    return ended;
  }

  get pending(): HeardUtterance | undefined {
    const words = this.#numbers.filter(({ samples }) => samples > blockSamples / 2);
    const [first] = words;
    const last = words.at(-1);
    if (first === undefined || last === undefined) return undefined;
    return {
      text: words.map(({ number }) => `w${number}`).join(" "),
      startSample: first.start,
      endSample: last.end,
      words: words.map(({ number, start, end }) => ({
        text: `w${number}`,
        startMs: start / samplesPerMs,
        endMs: end / samplesPerMs,
      })),
    };
  }

  /** Ends the utterance. */
  end(): HeardUtterance | undefined {
    const pending = this.pending;
    this.#numbers = [];
    return pending;
  }

  #take(number: number, start: number, samples: number, longest: number): HeardUtterance | undefined {
    if (number === 0) {
      this.#quiet += samples;
      return this.#quiet >= 3 * blockSamples ? this.end() : undefined;
    }
    this.#quiet = 0;
    const last = this.#numbers.at(-1);
    if (last?.number === number) {
      last.samples += samples;
      last.end = start + samples;
      return undefined;
    }
    const ended = this.#numbers.length >= longest ? this.end() : undefined;
    this.#numbers.push({ number, start, end: start + samples, samples });
    return ended;
  }
}
