/** Samples a second of everything inside the server: decoded audio is mono at 16 kHz. */
export const sampleRate = 16_000;
export const samplesPerMs = sampleRate / 1000;

/** A page of the system's memory: what is shared begins with one, so that the samples of a page of ours have their own. */
const headerBytes = 4096;
/** Of 64 bits, as sample numbers are. */
const headerWords = { written: 0, settled: 1, oldest: 2, first: 3 } as const;
/** Of 32 bits: what never changes, then the table of pages. */
const keptWord = 16;
const capacityWord = 17;
const tableWord = 32;

/** About a quarter of a second, and two pages of the system's memory. */
const pageSamples = 4_096;
/** Played again at the most, from before what is settled. */
const replaySamples = 2 * sampleRate;

/**
 * The last seconds of one session's decoded audio, in shared memory, that one audio worker writes and any number of threads
 * read. Positions are sample numbers since the session began, held in 64 bits: 32 would wrap after 74 hours, and the
 * session's clock with them.
 *
 * It lies in pages. Those with audio that is settled and older than what is kept in any case are written to again, so that
 * the longest time for which audio can be owed takes memory only where audio is owed for so long.
 *
 * Thread rules: `append` and `settle` in the owning audio worker only. `read` anywhere. The write position is published
 * after the samples; before a page is written to anew, the oldest position is, and a reader copies first and then checks it.
 */
export class RecentAudio {
  readonly buffer: SharedArrayBuffer;
  readonly capacitySamples: number;
  readonly #header: BigInt64Array;
  readonly #words: Int32Array;
  readonly #samples: Int16Array;
  readonly #pages: number;
  readonly #keptSamples: number;
  /** For the writer: the page that is being written to, and those that are free. Undefined: to be found out. */
  #writing: { page: number; readonly free: number[] } | undefined;
  /** Of the writer, what it has published itself: reading 64 bits back costs an allocation. */
  #ownWritten: number | undefined;
  #ownSettled: number | undefined;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#header = new BigInt64Array(buffer, 0, 8);
    this.#words = new Int32Array(buffer, 0, headerBytes / 4);
    this.#samples = new Int16Array(buffer, headerBytes);
    this.#pages = this.#samples.length / pageSamples;
    this.capacitySamples = this.#words[capacityWord] ?? 0;
    this.#keptSamples = this.#words[keptWord] ?? 0;
  }

  /**
   * Makes an empty one that holds `capacityMs` of audio.
   * @param keptMs so much is kept though it is settled.
   */
  static allocate(capacityMs: number, keptMs = capacityMs): RecentAudio {
    const capacity = capacityMs * samplesPerMs;
    // One more, since the oldest samples may begin and the newest end in the middle of a page.
    const pages = Math.ceil(capacity / pageSamples) + 1;
    const buffer = new SharedArrayBuffer(headerBytes + pages * pageSamples * 2);
    const words = new Int32Array(buffer, 0, headerBytes / 4);
    words[capacityWord] = capacity;
    words[keptWord] = keptMs * samplesPerMs;
    words.fill(noPage, tableWord, tableWord + pages);
    return new RecentAudio(buffer);
  }

  /** Number of the sample that comes next. */
  get written(): number {
    return this.#ownWritten ?? this.#load(headerWords.written);
  }

  /** Everything before this sample is recognised; a new stream starts here. */
  get settled(): number {
    return this.#ownSettled ?? this.#load(headerWords.settled);
  }

  settle(sample: number): void {
    this.#ownSettled = sample;
    this.#store(headerWords.settled, sample);
  }

  /**
   * Forgets all audio, for another session or for another part of one, and goes on counting at `firstSample`. Nobody may
   * be reading or writing.
   */
  clear(firstSample = 0): void {
    this.#writing = undefined;
    this.#ownWritten = undefined;
    this.#ownSettled = undefined;
    this.#words.fill(noPage, tableWord, tableWord + this.#pages);
    for (const word of Object.values(headerWords)) this.#store(word, firstSample);
  }

  /** Adds samples, over the oldest. More than the capacity at once keeps the newest. */
  append(pcm: Int16Array): void {
    const { written } = this;
    let source = Math.max(0, pcm.length - this.capacitySamples);
    let position = written + source;
    if (source > 0) this.#forget(position);
    while (source < pcm.length) {
      const offset = position % pageSamples;
      const run = Math.min(pcm.length - source, pageSamples - offset);
      const start = this.#pageToWrite(Math.floor(position / pageSamples)) * pageSamples + offset;
      this.#samples.set(source === 0 && run === pcm.length ? pcm : pcm.subarray(source, source + run), start);
      source += run;
      position += run;
    }
    this.#ownWritten = written + pcm.length;
    this.#store(headerWords.written, this.#ownWritten);
  }

  /**
   * Copies samples from number `from` on into `into`. What was before the first sample is silence.
   * @returns how many were copied (0 when nothing new is there), or -1 when `from` has already been overwritten.
   */
  read(from: number, into: Int16Array): number {
    const available = this.written - from;
    if (available > this.capacitySamples || this.#isOverwritten(from)) return -1;
    const count = Math.max(0, Math.min(available, into.length));
    const silence = Math.min(count, Math.max(0, this.#load(headerWords.first) - from));
    into.fill(0, 0, silence);
    for (let copied = silence; copied < count; ) {
      const position = from + copied;
      const offset = position % pageSamples;
      const run = Math.min(count - copied, pageSamples - offset);
      const page = this.#words[this.#entry(Math.floor(position / pageSamples))] ?? noPage;
      if (page === noPage) return -1;
      const start = page * pageSamples + offset;
      into.set(this.#samples.subarray(start, start + run), copied);
      copied += run;
    }
    return this.written - from > this.capacitySamples || this.#isOverwritten(from) ? -1 : count;
  }

  /** Gives up everything before `sample`, which is more than a capacity away. */
  #forget(sample: number): void {
    this.#store(headerWords.oldest, sample);
    this.#words.fill(noPage, tableWord, tableWord + this.#pages);
    this.#writing = undefined;
  }

  #isOverwritten(sample: number): boolean {
    const oldest = this.#load(headerWords.oldest);
    return sample < oldest && oldest > this.#load(headerWords.first);
  }

  /** Where in memory a page of the session is written. */
  #pageToWrite(page: number): number {
    const writing = this.#writing ?? this.#findWriting();
    const entry = this.#entry(page);
    if (page === writing.page) return this.#words[entry] ?? 0;
    this.#releasePages(page, writing.free);
    const place = writing.free.pop() ?? 0;
    writing.page = page;
    this.#words[entry] = place;
    return place;
  }

  /** Gives up pages that nobody needs any more; in any case those whose entries are needed now. */
  #releasePages(next: number, free: number[]): void {
    const { written, settled } = this;
    const needed = Math.max(0, Math.min(settled - replaySamples, written - this.#keptSamples));
    const keep = Math.max(Math.floor(needed / pageSamples), next - this.#pages + 1);
    const oldest = this.#load(headerWords.oldest);
    if (keep * pageSamples > oldest) this.#store(headerWords.oldest, keep * pageSamples);
    const first = Math.max(0, Math.floor(oldest / pageSamples), next - this.#pages);
    for (let page = first; page < keep; page++) {
      const entry = this.#entry(page);
      const place = this.#words[entry] ?? noPage;
      if (place !== noPage) free.push(place);
      this.#words[entry] = noPage;
    }
  }

  /** What is not in use is free, the first place last, so that it is taken first. */
  #findWriting() {
    const used = new Set(this.#words.subarray(tableWord, tableWord + this.#pages));
    const free: number[] = [];
    for (let place = this.#pages - 1; place >= 0; place--) if (!used.has(place)) free.push(place);
    const last = this.written - 1;
    const page = Math.floor(last / pageSamples);
    // Its place may have been given up, in the middle of it.
    const goesOn = last >= this.#load(headerWords.first) && this.#words[this.#entry(page)] !== noPage;
    this.#writing = { page: goesOn ? page : noPage, free };
    return this.#writing;
  }

  #entry(page: number): number {
    return tableWord + (page % this.#pages);
  }

  #load(word: number): number {
    return Number(Atomics.load(this.#header, word));
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#header, word, BigInt(value));
  }
}

const noPage = -1;
