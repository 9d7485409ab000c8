import type { SpeechDecoder } from "../stt/speech-decoder.ts";

/** Makes one decoder, which may take long. `sibling`: one of the same pool to share memory with. */
export type LoadDecoder = (sibling: SpeechDecoder | undefined) => SpeechDecoder;

/** Decoders that may fail in service before no more are loaded: a broken model must not be loaded over and over. */
const maxFailures = 8;

/**
 * The decoders of one thread. Each may cost as much as 70 MB and half a second to load, so the first is loaded at once
 * and the others when they are wanted.
 */
export class DecoderPool {
  readonly #loadDecoder: LoadDecoder;
  readonly #size: number;
  readonly #decoders: SpeechDecoder[] = [];
  readonly #free: SpeechDecoder[] = [];
  #growthFailed = false;
  #failures = 0;

  /** @throws when the model cannot be loaded. */
  constructor(load: LoadDecoder, size: number) {
    this.#loadDecoder = load;
    this.#size = size;
    this.#load();
  }

  get loaded(): number {
    return this.#decoders.length;
  }

  /** Decoders that nobody has leased. */
  get free(): number {
    return this.#free.length;
  }

  /** Decoders that there can be at one time. */
  get capacity(): number {
    return this.#growthFailed ? this.#decoders.length : this.#size;
  }

  /** Whether `grow` may give another decoder. */
  get canGrow(): boolean {
    return !this.#growthFailed && this.#decoders.length < this.#size;
  }

  /** Whether every decoder can carry a session's cepstral mean. */
  get keepsMean(): boolean {
    return this.#decoders.every((decoder) => decoder.hasMean);
  }

  /** A decoder for one utterance, or undefined when all loaded ones are out. Give it back with `release`. */
  lease(): SpeechDecoder | undefined {
    return this.#free.pop();
  }

  release(decoder: SpeechDecoder): void {
    if (this.#decoders.includes(decoder) && !this.#free.includes(decoder)) this.#free.push(decoder);
  }

  /** Loads one more, which blocks for half a second. A failure is final: the pool goes on with what it has. */
  grow(): boolean {
    if (!this.canGrow) return false;
    try {
      this.#load();
      return true;
    } catch {
      this.#growthFailed = true;
      return false;
    }
  }

  /** Takes a decoder out of service after it failed, and frees it. Another may be loaded in its place. */
  discard(decoder: SpeechDecoder): void {
    const at = this.#decoders.indexOf(decoder);
    if (at < 0) return;
    this.#decoders.splice(at, 1);
    decoder.free();
    if (++this.#failures >= maxFailures) this.#growthFailed = true;
  }

  /** Frees all, leased ones too. Safe to call twice. */
  close(): void {
    this.#growthFailed = true;
    this.#free.length = 0;
    for (const decoder of this.#decoders.splice(0)) decoder.free();
  }

  #load(): void {
    const decoder = this.#loadDecoder(this.#decoders[0]);
    this.#decoders.push(decoder);
    this.#free.push(decoder);
  }
}
