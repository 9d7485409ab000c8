import { frameKinds } from "../src/audio/frame.ts";
import { samplesPerMs } from "../src/audio/recent-audio.ts";
import type { RingWriter } from "../src/audio/ring.ts";

/** Sends one session's decoded audio back to the main thread, gathered into batches of one length at most. */
export class PcmRelay {
  readonly #writer: RingWriter;
  readonly #generation: number;
  readonly #stamp: () => number;
  readonly #onRefused: () => void;
  readonly #batch: Int16Array;
  readonly #bytes: Uint8Array;
  #filled = 0;

  /** @param onRefused told of every batch for which there was no room. */
  constructor(
    writer: RingWriter,
    generation: number,
    batchMs: number,
    stamp: () => number,
    onRefused: () => void,
  ) {
    this.#writer = writer;
    this.#generation = generation;
    this.#stamp = stamp;
    this.#onRefused = onRefused;
    this.#batch = new Int16Array(batchMs * samplesPerMs);
    this.#bytes = new Uint8Array(this.#batch.buffer);
  }

  send(pcm: Int16Array): void {
    this.#writer.mayRewind = pcm.length <= 2 * this.#batch.length;
    let from = 0;
    while (from < pcm.length) {
      const run = Math.min(this.#batch.length - this.#filled, pcm.length - from);
      this.#batch.set(run === pcm.length ? pcm : pcm.subarray(from, from + run), this.#filled);
      this.#filled += run;
      from += run;
      if (this.#filled === this.#batch.length) this.flush();
    }
  }

  /** Sends what has been gathered, though it is no full batch. */
  flush(): void {
    if (this.#filled === 0) return;
    const isFull = this.#filled === this.#batch.length;
    const batch = isFull ? this.#bytes : this.#bytes.subarray(0, this.#filled * 2);
    this.#filled = 0;
    if (!this.#writer.write(frameKinds.audio, this.#generation, this.#stamp(), batch)) this.#onRefused();
  }
}
