import { LaneSlot, slotControlWords } from "./lane-slot.ts";
import { heartbeatWords } from "./recogniser-commands.ts";

const cacheLineWords = 16;

/** Words at the start of an arena; each group has a cache line of its own. */
const headerWords = {
  /** Written by the worker. The first two are the words that every supervised worker has. */
  beat: heartbeatWords.beat,
  busy: heartbeatWords.busy,
  /** Number of the slot in work plus one, or 0: whose frame it was when the worker died. */
  currentSlot: 2,
  /** 1: the worker sleeps, or is about to. Set by the worker, taken back by whoever rings. */
  sleeping: cacheLineWords,
  /** Counts the rings. Written by the main thread. */
  doorbell: 2 * cacheLineWords,
  /** Processor time of the worker and its predecessors, in ms. Written by the worker. */
  cpuMs: 3 * cacheLineWords,
  /** One bit a slot: something new lies in its ring. Set by the main thread, fetched and cleared by the worker. */
  dirty: 4 * cacheLineWords,
} as const;

export interface ArenaLayout {
  readonly slots: number;
  /** Data bytes of the ring towards the worker and of the one back, a slot each. Powers of two. */
  readonly ringBytes: number;
  readonly pcmRingBytes: number;
}

function dirtyWords(slots: number): number {
  return Math.ceil(slots / 32);
}

function controlStart(slots: number): number {
  return headerWords.dirty + Math.ceil(dirtyWords(slots) / cacheLineWords) * cacheLineWords;
}

/**
 * The memory that the main thread and one audio worker share: a header with heartbeat, doorbell and dirty bitmap, then
 * for every slot its control words; and for every slot that has ever been used its two rings, in memory of their own. The
 * garbage collector takes shared memory for part of the heap, whether anything was ever written to it or not, and the
 * larger it thinks the heap is, the later it collects: so what nobody uses is not made. An arena outlives its worker.
 */
export class Arena {
  readonly buffer: SharedArrayBuffer;
  readonly layout: ArenaLayout;
  readonly #words: Int32Array;
  readonly #dirtyWords: number;
  readonly #slots: (LaneSlot | undefined)[] = [];
  readonly #rings: (SharedArrayBuffer | undefined)[] = [];

  constructor(buffer: SharedArrayBuffer, layout: ArenaLayout) {
    this.buffer = buffer;
    this.layout = layout;
    this.#words = new Int32Array(buffer);
    this.#dirtyWords = dirtyWords(layout.slots);
  }

  static allocate(layout: ArenaLayout): Arena {
    const words = controlStart(layout.slots) + layout.slots * slotControlWords;
    return new Arena(new SharedArrayBuffer(words * 4), layout);
  }

  /** The memory of the two rings of slot `index`; made when it is first asked for. */
  rings(index: number): SharedArrayBuffer {
    const { slots, ringBytes, pcmRingBytes } = this.layout;
    if (index < 0 || index >= slots) throw new RangeError(`no slot ${index}`);
    const rings = this.#rings[index] ?? new SharedArrayBuffer(ringBytes + pcmRingBytes);
    this.#rings[index] = rings;
    return rings;
  }

  /** The control words and rings of slot `index`. The view is made once and kept. */
  slot(index: number): LaneSlot {
    const known = this.#slots[index];
    if (known !== undefined) return known;
    const { slots, ringBytes, pcmRingBytes } = this.layout;
    const rings = this.rings(index);
    const slot = new LaneSlot(
      this.#words,
      controlStart(slots) + index * slotControlWords,
      new Uint8Array(rings, 0, ringBytes),
      new Uint8Array(rings, ringBytes, pcmRingBytes),
    );
    this.#slots[index] = slot;
    return slot;
  }

  // Main thread

  /** Says that slot `index` has something new, and wakes the worker if it sleeps. */
  ring(index: number): void {
    this.mark(index);
    // Taking the flag back makes this the only ring for this sleep: notifying costs far more than looking.
    if (this.asleep && Atomics.compareExchange(this.#words, headerWords.sleeping, 1, 0) === 1) {
      Atomics.add(this.#words, headerWords.doorbell, 1);
      Atomics.notify(this.#words, headerWords.doorbell);
    }
  }

  /** Sets the slot's dirty bit without waking anybody. */
  mark(index: number): void {
    const word = headerWords.dirty + (index >>> 5);
    const bit = 1 << (index & 31);
    // A bit that is still set has not been fetched yet, and its fetcher will see everything written before now.
    if ((Atomics.load(this.#words, word) & bit) === 0) Atomics.or(this.#words, word, bit);
  }

  get beat(): number {
    return Atomics.load(this.#words, headerWords.beat);
  }

  /** Whether the worker sleeps, or is about to. */
  get asleep(): boolean {
    return Atomics.load(this.#words, headerWords.sleeping) === 1;
  }

  get busy(): boolean {
    return Atomics.load(this.#words, headerWords.busy) === 1;
  }

  /** The slot whose frame the worker is working on, or -1. */
  get currentSlot(): number {
    return Atomics.load(this.#words, headerWords.currentSlot) - 1;
  }

  /** Makes the header fit for a new worker after the former one has ended. The rings stay as they are. */
  prepareForNewWorker(): void {
    Atomics.store(this.#words, headerWords.sleeping, 0);
    Atomics.store(this.#words, headerWords.currentSlot, 0);
    Atomics.store(this.#words, headerWords.busy, 0);
  }

  /** Processor time in ms of all threads that have worked here. */
  get cpuMs(): number {
    return Atomics.load(this.#words, headerWords.cpuMs) >>> 0;
  }

  /** Bytes that wait in the rings towards the worker: of all slots, and of the fullest. */
  backlog(): { total: number; most: number } {
    const sum = { total: 0, most: 0 };
    for (const slot of this.#slots) {
      if (slot === undefined) continue;
      const { backlogBytes } = slot;
      sum.total += backlogBytes;
      sum.most = Math.max(sum.most, backlogBytes);
    }
    return sum;
  }

  // Worker

  /** Takes over the rings of slot `index`, which the main thread has made. */
  adopt(index: number, rings: SharedArrayBuffer): void {
    if (this.#rings[index] !== undefined) return;
    this.#rings[index] = rings;
  }

  countBeat(): void {
    Atomics.add(this.#words, headerWords.beat, 1);
  }

  setCurrentSlot(index: number): void {
    Atomics.store(this.#words, headerWords.currentSlot, index + 1);
  }

  /** Says how much processor time this worker and its predecessors have taken. */
  setCpuMs(ms: number): void {
    Atomics.store(this.#words, headerWords.cpuMs, ms | 0);
  }

  /** Fetches and clears all dirty bits, calling `found` for every slot that had one. */
  fetchDirty(found: (slot: number) => void): void {
    for (let i = 0; i < this.#dirtyWords; i++) {
      if (Atomics.load(this.#words, headerWords.dirty + i) === 0) continue;
      let bits = Atomics.exchange(this.#words, headerWords.dirty + i, 0);
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        found(i * 32 + bit);
      }
    }
  }

  #anyDirty(): boolean {
    for (let i = 0; i < this.#dirtyWords; i++) {
      if (Atomics.load(this.#words, headerWords.dirty + i) !== 0) return true;
    }
    return false;
  }

  /** Sleeps until somebody rings, at most `timeoutMs`. Resolves at once when something is there already. */
  async sleep(timeoutMs: number): Promise<void> {
    const rung = Atomics.load(this.#words, headerWords.doorbell);
    Atomics.store(this.#words, headerWords.sleeping, 1);
    // Looked at after the flag is up: whoever writes from now on sees the flag and rings.
    if (!this.#anyDirty()) {
      const wait = Atomics.waitAsync(this.#words, headerWords.doorbell, rung, timeoutMs);
      if (wait.async) await wait.value;
    }
    Atomics.store(this.#words, headerWords.sleeping, 0);
  }

  /** Ends the worker's own sleep early. */
  wakeSelf(): void {
    Atomics.notify(this.#words, headerWords.doorbell);
  }
}
