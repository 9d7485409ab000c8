/**
 * Audio whose text can be known: every 100 ms of it is one number, held as a constant sample value, and a simulated
 * recogniser answers `w17 w18`. So it can be proved that nothing was lost and nothing came twice.
 */
export const countedBlockSamples = 1_600;
/** A shorter run of a value is a cut through a block and no word. */
const leastSamples = countedBlockSamples / 2;

export interface CountedWord {
  readonly counter: number;
  /** Samples since the reader's first. */
  readonly start: number;
  readonly end: number;
}

/** `count` blocks with the numbers from `first` on. @throws RangeError for numbers that are no positive sample values. */
export function countedAudio(first: number, count: number): Int16Array {
  if (first < 1 || first + count > 32_768) throw new RangeError("a counter has to be from 1 to 32767");
  const pcm = new Int16Array(count * countedBlockSamples);
  for (let i = 0; i < count; i++) {
    pcm.fill(first + i, i * countedBlockSamples, (i + 1) * countedBlockSamples);
  }
  return pcm;
}

/** The numbers in a text such as `w17 w18.`, in order. */
export function countersIn(text: string): number[] {
  return [...text.matchAll(/w(\d+)/gi)].map(([, counter]) => Number(counter));
}

/** Reads the numbers out of audio that comes in pieces. Zero is silence. */
export class CountedReader {
  #position = 0;
  #value = 0;
  #runStart = 0;

  /** Samples read so far. */
  get position(): number {
    return this.#position;
  }

  /** Samples of silence up to now. */
  get silence(): number {
    return this.#value === 0 ? this.#position - this.#runStart : 0;
  }

  /** The words that these samples complete. */
  read(pcm: Int16Array): CountedWord[] {
    const words: CountedWord[] = [];
    for (let from = 0, to = 0; from < pcm.length; from = to) {
      const value = pcm[from] ?? 0;
      while (to < pcm.length && pcm[to] === value) to++;
      if (value !== this.#value) {
        this.#endRun(words);
        this.#value = value;
        this.#runStart = this.#position;
      }
      const before = this.#position - this.#runStart;
      this.#position += to - from;
      // A block is complete with its last sample: its word does not wait for the next block.
      const completes = before < countedBlockSamples && before + to - from >= countedBlockSamples;
      if (value !== 0 && completes) {
        words.push({ counter: value, start: this.#runStart, end: this.#runStart + countedBlockSamples });
      }
    }
    return words;
  }

  /** What is pending becomes a word, if it is long enough to be one. */
  flush(): CountedWord[] {
    const words: CountedWord[] = [];
    this.#endRun(words);
    this.#value = 0;
    this.#runStart = this.#position;
    return words;
  }

  #endRun(words: CountedWord[]): void {
    const samples = this.#position - this.#runStart;
    if (this.#value === 0 || samples <= leastSamples || samples >= countedBlockSamples) return;
    words.push({ counter: this.#value, start: this.#runStart, end: this.#position });
  }
}
