/** Samples a second of everything inside the server: decoded audio is mono at 16 kHz. */
export const sampleRate = 16_000;
export const samplesPerMs = sampleRate / 1000;

const headerBytes = 64;
const writtenWord = 0;
const settledWord = 1;

/**
 * The last seconds of one session's decoded audio, in shared memory: a circle of samples that one audio worker writes
 * and any number of threads read. Positions are sample numbers since the session began, held in 64 bits: 32 would wrap
 * after 74 hours, and the session's clock with them.
 *
 * Thread rules: `append` and `settle` in the owning audio worker only. `read` anywhere. The write position is published
 * after the samples; a reader copies first and then checks that the writer has not lapped it.
 */
export class RecentAudio {
  readonly buffer: SharedArrayBuffer;
  readonly capacitySamples: number;
  readonly #header: BigInt64Array;
  readonly #samples: Int16Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#header = new BigInt64Array(buffer, 0, headerBytes / 8);
    this.#samples = new Int16Array(buffer, headerBytes);
    this.capacitySamples = this.#samples.length;
  }

  /** Makes an empty one that holds `capacityMs` of audio. */
  static allocate(capacityMs: number): RecentAudio {
    return new RecentAudio(new SharedArrayBuffer(headerBytes + capacityMs * samplesPerMs * 2));
  }

  /** Number of the sample that comes next. */
  get written(): number {
    return Number(Atomics.load(this.#header, writtenWord));
  }

  /** Everything before this sample is recognised; a new stream starts here. */
  get settled(): number {
    return Number(Atomics.load(this.#header, settledWord));
  }

  settle(sample: number): void {
    Atomics.store(this.#header, settledWord, BigInt(sample));
  }

  /**
   * Forgets all audio, for another session or for another part of one, and goes on counting at `firstSample`. Nobody may
   * be reading or writing.
   */
  clear(firstSample = 0): void {
    // Overwritten, not just forgotten: a reader that asks for what was before the first sample must not hear somebody else.
    this.#samples.fill(0);
    Atomics.store(this.#header, settledWord, BigInt(firstSample));
    Atomics.store(this.#header, writtenWord, BigInt(firstSample));
  }

  /** Adds samples, over the oldest. More than the capacity at once keeps the newest. */
  append(pcm: Int16Array): void {
    const written = this.written;
    const skipped = Math.max(0, pcm.length - this.capacitySamples);
    let source = skipped;
    let target = (written + skipped) % this.capacitySamples;
    while (source < pcm.length) {
      const run = Math.min(pcm.length - source, this.capacitySamples - target);
      this.#samples.set(pcm.subarray(source, source + run), target);
      source += run;
      target = 0;
    }
    Atomics.store(this.#header, writtenWord, BigInt(written + pcm.length));
  }

  /**
   * Copies samples from number `from` on into `into`.
   * @returns how many were copied (0 when nothing new is there), or -1 when `from` has already been overwritten.
   */
  read(from: number, into: Int16Array): number {
    const available = this.written - from;
    if (available > this.capacitySamples) return -1;
    const count = Math.max(0, Math.min(available, into.length));
    let copied = 0;
    let source = from % this.capacitySamples;
    while (copied < count) {
      const run = Math.min(count - copied, this.capacitySamples - source);
      into.set(this.#samples.subarray(source, source + run), copied);
      copied += run;
      source = 0;
    }
    return this.written - from > this.capacitySamples ? -1 : count;
  }
}
