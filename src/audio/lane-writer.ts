import type { AudioFormat } from "../wire/audio-format.ts";
import { formatCode, frameKinds, noPayload, numberPayload } from "./frame.ts";
import type { LaneSlot } from "./lane-slot.ts";
import type { RingWriter } from "./ring.ts";

/** Of a ring's two largest payloads, how much a frame in pieces may take with the headers and the wrap still fitting. */
const mostOfRing = 1.5;

/**
 * Writes one session's frames and markers into its ring. A marker for which there is no room is not lost: it waits here
 * and goes before the next frame. Of each kind only the newest waits, so nothing can pile up.
 */
export class LaneWriter {
  readonly #writer: RingWriter;
  readonly #generation: number;
  #format: AudioFormat = { codec: "pcm" };
  #reset = false;
  #formatChanged = false;
  #voice: boolean | undefined;
  #gapBytes = 0;
  #pending = false;

  constructor(slot: LaneSlot, generation: number) {
    this.#writer = slot.writer();
    this.#generation = generation;
    slot.format = formatCode(this.#format);
  }

  /** Whether a frame of so many bytes fits into an empty ring, in pieces if need be. An Opus packet is never cut. */
  carries(bytes: number): boolean {
    const { largestPayload } = this.#writer;
    return this.#format.codec === "opus" ? bytes <= largestPayload : bytes <= largestPayload * mostOfRing;
  }

  /** Whether something waits for room. */
  get pending(): boolean {
    return this.#pending;
  }

  /**
   * Copies a frame into the ring, behind everything that waits; a large one as several records, cut between samples of PCM
   * and between frames of LC3. False: there is no room for all of it, and the bytes that are not in the ring are `missing`.
   */
  write(frame: Uint8Array, stamp: number): boolean {
    const length = frame.byteLength;
    if (this.#pending && !this.flush(stamp)) {
      this.missing(length);
      return false;
    }
    const pieceBytes = this.#pieceBytes();
    if (length <= pieceBytes) return this.#writeAudio(frame, stamp) || this.#misses(length);
    for (let at = 0; at < length; at += pieceBytes) {
      if (!this.#writeAudio(frame.subarray(at, at + pieceBytes), stamp)) return this.#misses(length - at);
    }
    return true;
  }

  /** Bytes that never reach the worker. Of PCM it must know how many: an odd number shifts all samples after it. */
  missing(bytes: number): void {
    if (this.#format.codec !== "pcm") return;
    this.#gapBytes = (this.#gapBytes + bytes) & 0x3fff_ffff;
    this.#pending = true;
  }

  setFormat(format: AudioFormat): void {
    if (formatCode(format) === formatCode(this.#format)) return;
    this.#format = format;
    this.#formatChanged = true;
    this.#gapBytes = 0;
    this.#pending = true;
  }

  markVoice(active: boolean): void {
    this.#voice = active;
    this.#pending = true;
  }

  reset(): void {
    this.#reset = true;
    this.#gapBytes = 0;
    this.#pending = true;
  }

  /** Writes what waits, in an order that is always right: reset, format, gap, voice. False: there is no room for all. */
  flush(stamp: number): boolean {
    if (this.#reset) {
      if (!this.#mark(frameKinds.reset, stamp)) return false;
      this.#reset = false;
    }
    if (this.#formatChanged) {
      if (!this.#mark(frameKinds.format, stamp, numberPayload(formatCode(this.#format)))) return false;
      this.#formatChanged = false;
    }
    if (this.#gapBytes > 0) {
      if (!this.#mark(frameKinds.gap, stamp, numberPayload(this.#gapBytes))) return false;
      this.#gapBytes = 0;
    }
    if (this.#voice !== undefined) {
      if (!this.#mark(this.#voice ? frameKinds.voiceOn : frameKinds.voiceOff, stamp)) return false;
      this.#voice = undefined;
    }
    this.#pending = false;
    return true;
  }

  /** Small beside the ring: what a wrap leaves unused before the end of the data area is less than one piece. */
  #pieceBytes(): number {
    const most = this.#writer.largestPayload / 4;
    switch (this.#format.codec) {
      case "pcm":
        return most & ~1;
      case "lc3":
        return most - (most % this.#format.frameBytes);
      case "opus":
        return this.#writer.largestPayload;
    }
  }

  #writeAudio(bytes: Uint8Array, stamp: number): boolean {
    return this.#writer.write(frameKinds.audio, this.#generation, stamp, bytes);
  }

  #misses(bytes: number): false {
    this.missing(bytes);
    return false;
  }

  #mark(kind: number, stamp: number, payload = noPayload): boolean {
    return this.#writer.write(kind, this.#generation, stamp, payload);
  }
}
