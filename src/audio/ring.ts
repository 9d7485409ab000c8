/**
 * One direction of a lane: records of bytes from exactly one writing thread to exactly one reading thread, through
 * shared memory, without a lock.
 *
 * Both positions are free-running 32-bit byte counters; the data area is a power of two, so that a counter's low bits are
 * the place in it. Every word has one writer: `head` the writing side, `tail` the reading side. So the writing side can
 * never make room by itself: a full ring refuses, and the caller counts the loss.
 */

/** Bytes before each record's payload: length and kind, generation, time stamp, sequence number. */
export const recordHeaderBytes = 16;

/** Fills the rest of the data area when a record would not fit in one piece before its end. Never seen by a reader. */
const skipKind = 255;

const lengthMask = 0xff_ffff;

/**
 * A writer that finds its ring empty after so many bytes starts over at the beginning: as long as the reader keeps up, only
 * so much of the ring is ever touched, so that it takes little real memory and stays in the processor's cache. Until the
 * reader has followed, what was skipped counts as taken; so only small records do this, and not too soon.
 */
const rewindBytes = 32 * 1024;
const rewindingRecordBytes = 4 * 1024;

export interface RingMemory {
  /** Holds `head` and `tail`. They should lie on different cache lines (64 bytes), or the two cores fight over one. */
  readonly control: Int32Array;
  readonly headWord: number;
  readonly tailWord: number;
  /** Shared; the length is a power of two, the offset a multiple of 16. */
  readonly data: Uint8Array;
}

/** Bytes that a record with a payload of `length` takes up. */
export function recordBytes(length: number): number {
  return recordHeaderBytes + ((length + 15) & ~15);
}

/** A ring's memory as both of its sides use it. */
interface MappedRing extends RingMemory {
  /** The data area as words, for the records' headers. */
  readonly headers: Int32Array;
  readonly size: number;
}

function mapRing({ control, headWord, tailWord, data }: RingMemory): MappedRing {
  const size = data.byteLength;
  if (size < 64 || (size & (size - 1)) !== 0)
    throw new RangeError("a ring's size is a power of two, at least 64");
  const headers = new Int32Array(data.buffer, data.byteOffset, size >> 2);
  return { control, headWord, tailWord, data, headers, size };
}

/** The writing side. Used by one thread only. */
export class RingWriter {
  /** Whether small records may start over at the ring's beginning. Not while many are about to follow each other. */
  mayRewind = true;
  readonly #ring: MappedRing;
  #sequence = 0;

  constructor(memory: RingMemory) {
    this.#ring = mapRing(memory);
  }

  /** Longest payload that always fits into an empty ring, wherever its positions stand. */
  get largestPayload(): number {
    return this.#ring.size / 2 - recordHeaderBytes;
  }

  /**
   * Copies one record into the ring; the reader may see it when this returns.
   * @param kind 0 to 254, the caller's own.
   * @returns false when there is no room; nothing was written.
   */
  write(kind: number, generation: number, stamp: number, payload: Uint8Array): boolean {
    const length = payload.byteLength;
    if (length > this.largestPayload) return false;
    const { control, headWord, tailWord, data, headers, size } = this.#ring;
    let head = Atomics.load(control, headWord);
    const used = (head - Atomics.load(control, tailWord)) | 0;
    const needed = recordBytes(length);
    const offset = head & (size - 1);
    const untilEnd = size - offset;
    const rewinds = used === 0 && this.mayRewind && offset >= rewindBytes && needed <= rewindingRecordBytes;
    const skipped = needed > untilEnd || rewinds ? untilEnd : 0;
    if (used + skipped + needed > size) return false;

    let word = offset >> 2;
    if (skipped > 0) {
      headers[word] = skipKind << 24;
      head = (head + skipped) | 0;
      word = 0;
    }
    headers[word] = length | (kind << 24);
    headers[word + 1] = generation;
    headers[word + 2] = stamp;
    headers[word + 3] = this.#sequence++;
    data.set(payload, (word << 2) + recordHeaderBytes);
    // Published last: whoever sees the new head sees the bytes before it.
    Atomics.store(control, headWord, (head + needed) | 0);
    return true;
  }
}

/**
 * The reading side. Used by one thread only. `next()` moves onto the oldest record and fills the fields below;
 * `take` or `drop` then gives its place back to the writer.
 */
export class RingReader {
  kind = 0;
  generation = 0;
  stamp = 0;
  sequence = 0;
  /** Payload bytes of the record. */
  length = 0;

  readonly #ring: MappedRing;
  #offset = 0;
  #after = 0;

  constructor(memory: RingMemory) {
    this.#ring = mapRing(memory);
  }

  /** Bytes that wait, headers included. */
  get backlogBytes(): number {
    const { control, headWord, tailWord } = this.#ring;
    return (Atomics.load(control, headWord) - Atomics.load(control, tailWord)) | 0;
  }

  /** Looks at the oldest record without consuming it. False: the ring is empty. */
  next(): boolean {
    const { control, headWord, tailWord, headers, size } = this.#ring;
    let tail = Atomics.load(control, tailWord);
    const head = Atomics.load(control, headWord);
    if (head === tail) return false;
    let offset = tail & (size - 1);
    let first = headers[offset >> 2] ?? 0;
    if (first >>> 24 === skipKind) {
      tail = (tail + size - offset) | 0;
      offset = 0;
      first = headers[0] ?? 0;
    }
    const word = offset >> 2;
    this.length = first & lengthMask;
    this.kind = first >>> 24;
    this.generation = headers[word + 1] ?? 0;
    this.stamp = headers[word + 2] ?? 0;
    this.sequence = headers[word + 3] ?? 0;
    this.#offset = offset + recordHeaderBytes;
    this.#after = (tail + recordBytes(this.length)) | 0;
    return true;
  }

  /**
   * Copies the payload out and consumes the record, so that the writer cannot overwrite what is being worked on.
   * @returns the payload's length; `into` must hold it.
   */
  take(into: Uint8Array): number {
    into.set(this.#ring.data.subarray(this.#offset, this.#offset + this.length));
    this.drop();
    return this.length;
  }

  /** Consumes the record unread. */
  drop(): void {
    Atomics.store(this.#ring.control, this.#ring.tailWord, this.#after);
  }
}
