import { type RingMemory, RingReader, RingWriter } from "./ring.ts";

const cacheLineWords = 16;

/** Control words of one slot, grouped by writer; each group has a cache line of its own. */
const slotWords = {
  // Main thread
  ringHead: 0,
  announced: 1,
  // Worker
  ringTail: cacheLineWords,
  format: cacheLineWords + 1,
  oddBytes: cacheLineWords + 2,
  speaking: cacheLineWords + 3,
  speechStart: cacheLineWords + 4,
  // Worker
  pcmHead: 2 * cacheLineWords,
  counters: 2 * cacheLineWords + 1,
  // Main thread
  pcmTail: 3 * cacheLineWords,
} as const;

export const slotControlWords = 4 * cacheLineWords;

/** What a worker counts for each lane. In shared memory, so that nothing is forgotten when a worker dies. */
export const laneCounters = [
  /** Audio frames decoded. */
  "decoded",
  /** Frames of the slot's former session. */
  "late",
  /** Frames left out to get back to live. */
  "skipped",
  /** Frames that could not be decoded, or only in part. */
  "undecodable",
  /** Frames that nobody wanted any more when their turn came. */
  "unwanted",
  /** PCM batches for which the way back had no room. */
  "pcm_refused",
] as const;

export type LaneCounter = (typeof laneCounters)[number];

const counterIndex = Object.fromEntries(laneCounters.map((name, index) => [name, index])) as Record<
  LaneCounter,
  number
>;

/**
 * One slot of an arena: two rings and the words that both sides need to agree on. A slot serves one session after
 * another; its ring positions and counters run on.
 */
export class LaneSlot {
  readonly ring: RingMemory;
  readonly pcmRing: RingMemory;
  readonly #words: Int32Array;
  readonly #base: number;

  constructor(words: Int32Array, base: number, data: Uint8Array, pcmData: Uint8Array) {
    this.#words = words;
    this.#base = base;
    this.ring = {
      control: words,
      headWord: base + slotWords.ringHead,
      tailWord: base + slotWords.ringTail,
      data,
    };
    this.pcmRing = {
      control: words,
      headWord: base + slotWords.pcmHead,
      tailWord: base + slotWords.pcmTail,
      data: pcmData,
    };
  }

  writer(): RingWriter {
    return new RingWriter(this.ring);
  }

  reader(): RingReader {
    return new RingReader(this.ring);
  }

  pcmWriter(): RingWriter {
    return new RingWriter(this.pcmRing);
  }

  pcmReader(): RingReader {
    return new RingReader(this.pcmRing);
  }

  /** Bytes that wait on the way to the worker, headers included. */
  get backlogBytes(): number {
    return (this.#load(slotWords.ringHead) - this.#load(slotWords.ringTail)) | 0;
  }

  /**
   * Serial number of the newest command about this slot. The worker leaves the ring alone until it has carried that
   * command out: messages and rings are two ways, and audio must not overtake the command that says what it is for.
   * Written by the main thread.
   */
  get announced(): number {
    return this.#load(slotWords.announced);
  }

  set announced(serial: number) {
    this.#store(slotWords.announced, serial);
  }

  /** `formatCode` of the audio at the ring's tail. Written by the worker; by the main thread only between sessions. */
  get format(): number {
    return this.#load(slotWords.format);
  }

  set format(code: number) {
    this.#store(slotWords.format, code);
  }

  /** Whether half a PCM sample had been consumed at the ring's tail. Written like `format`. */
  get oddBytes(): boolean {
    return this.#load(slotWords.oddBytes) === 1;
  }

  set oddBytes(odd: boolean) {
    this.#store(slotWords.oddBytes, odd ? 1 : 0);
  }

  /** Whether somebody was speaking. Written like `format`. */
  get speaking(): boolean {
    return this.#load(slotWords.speaking) === 1;
  }

  /** Low 32 bits of the sample at which the speech began. */
  get speechStart(): number {
    return this.#load(slotWords.speechStart);
  }

  setSpeaking(speaking: boolean, startSample: number): void {
    this.#store(slotWords.speechStart, startSample | 0);
    this.#store(slotWords.speaking, speaking ? 1 : 0);
  }

  /** Worker only. */
  count(counter: LaneCounter, by = 1): void {
    const word = this.#base + slotWords.counters + counterIndex[counter];
    this.#words[word] = ((this.#words[word] ?? 0) + by) | 0;
  }

  /** Free-running, 32 bits: take differences. */
  counter(counter: LaneCounter): number {
    return this.#load(slotWords.counters + counterIndex[counter]);
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#base + word);
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, this.#base + word, value);
  }
}
