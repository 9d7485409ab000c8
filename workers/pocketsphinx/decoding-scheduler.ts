import { sampleRate } from "../../src/audio/recent-audio.ts";
import type { SpeechDecoder } from "../stt/speech-decoder.ts";
import type { DecoderPool } from "./decoder-pool.ts";
import type { RecogniserStream } from "./recogniser-stream.ts";

/** How often streams with a decoder look for new audio when there is nothing to decode. */
const pollMs = 20;
/** A stream whose session writes nothing for this long gives its decoder back in mid-utterance. */
const silentMs = 2_000;
/** So does one whose audio worker says nothing for this long: it may have been replaced. */
const orphanedMs = 5_000;

/** Voice that lies undecoded for longer is said to be late. */
const lateSamples = 3 * sampleRate;

interface Entry {
  readonly stream: RecogniserStream;
  /** Last command of the audio worker, and last time new audio was seen, in `performance.now` time. */
  heardAt: number;
  movedAt: number;
  written: number;
  /** Gave its decoder back because nothing came: waits for the next command. */
  dormant: boolean;
}

/**
 * Shares the decoders among the streams. Who has one decodes in slices of about 20 ms, in turn, with a turn of the event
 * loop after each; who has none waits in the order of arrival, and is let in at the first pause of another.
 */
export class DecodingScheduler {
  readonly #pool: DecoderPool;
  readonly #queueBound: number;
  readonly #hooks: SchedulerHooks;
  readonly #entries = new Map<RecogniserStream, Entry>();
  /** Streams with a decoder; the first is the next to have a slice. */
  readonly #decoding: RecogniserStream[] = [];
  readonly #waiting: RecogniserStream[] = [];
  /** Streams in a row that had nothing to decode: when it is all of them, the thread rests. */
  #starved = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #immediate: ReturnType<typeof setImmediate> | undefined;
  #closed = false;

  constructor(pool: DecoderPool, queueBound: number, hooks: SchedulerHooks) {
    this.#pool = pool;
    this.#queueBound = queueBound;
    this.#hooks = hooks;
  }

  /** Something has changed for the stream: gives it a decoder or a place in the queue if it has work. */
  wake(stream: RecogniserStream): void {
    if (this.#closed) return;
    const now = performance.now();
    const entry = this.#entries.get(stream) ?? {
      stream,
      heardAt: now,
      movedAt: now,
      written: -1,
      dormant: false,
    };
    this.#entries.set(stream, entry);
    entry.heardAt = now;
    entry.dormant = false;
    this.#starved = 0;
    if (stream.state === "idle" && stream.hasWork) this.#enqueue(entry);
    else this.#reportIfFinished(stream);
    this.#schedule();
  }

  /** Forgets a stream that nobody waits for any more, whatever it has pending. */
  drop(stream: RecogniserStream): void {
    this.#forget(stream);
    this.#guard(stream, () => {
      const decoder = stream.dropDecoder();
      if (decoder !== undefined) this.#pool.release(decoder);
    });
    this.#schedule();
  }

  /** Ends all decoding. The pool's owner frees the decoders. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#entries.clear();
    this.#decoding.length = 0;
    this.#waiting.length = 0;
  }

  #enqueue(entry: Entry): void {
    const free = this.#waiting.length === 0 ? this.#pool.lease() : undefined;
    if (free !== undefined) {
      this.#begin(entry, free);
    } else if (this.#waiting.length >= this.#queueBound) {
      entry.stream.refuse(`speech is refused: ${this.#waiting.length} utterances wait for a decoder already`);
      this.#reportIfFinished(entry.stream);
    } else {
      this.#queueUp(entry.stream);
      // As long as another decoder can be loaded, the wait is half a second at most and not worth a word.
      const loading = this.#waiting.length + this.#decoding.length <= this.#pool.capacity;
      if (!loading) entry.stream.degrade(this.#shortage);
    }
  }

  get #shortage(): string {
    return `speech waits for a free decoder: all ${this.#pool.capacity} are in use`;
  }

  #queueUp(stream: RecogniserStream): void {
    stream.wait();
    this.#waiting.push(stream);
  }

  #begin(entry: Entry, decoder: SpeechDecoder): void {
    entry.movedAt = performance.now();
    this.#decoding.push(entry.stream);
    this.#starved = 0;
    this.#guard(entry.stream, () => entry.stream.begin(decoder), decoder);
  }

  #schedule(): void {
    if (this.#closed || this.#immediate !== undefined) return;
    const resting = this.#decoding.length > 0 && this.#starved >= this.#decoding.length;
    if (this.#waiting.length > 0 && (this.#pool.canGrow || this.#pool.free > 0)) this.#soon();
    else if (resting) this.#timer ??= setTimeout(() => this.#poll(), pollMs);
    else if (this.#decoding.length > 0) this.#soon();
  }

  #soon(): void {
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#turn();
      this.#schedule();
    });
  }

  #poll(): void {
    this.#timer = undefined;
    this.#starved = 0;
    this.#schedule();
  }

  #turn(): void {
    this.#hooks.onTurn();
    this.#admit();
    const stream = this.#decoding.shift();
    const entry = stream && this.#entries.get(stream);
    if (stream === undefined || entry === undefined) return;
    this.#decoding.push(stream);
    this.#guard(stream, () => {
      const result = stream.slice();
      this.#starved = result === "starved" ? this.#starved + 1 : 0;
      if (result === "done" || (result === "pause" && this.#waiting.length > 0)) this.#yield(entry);
      else if (result === "starved" && this.#isIdle(entry)) {
        entry.dormant = true;
        this.#yield(entry);
      }
    });
  }

  /** Lets waiting streams in, and loads one more decoder for them where the pool is not complete. */
  #admit(): void {
    if (this.#waiting.length === 0) return;
    if (this.#pool.free === 0 && this.#pool.canGrow) this.#hooks.whileLoading(() => this.#pool.grow());
    for (let stream = this.#waiting[0]; stream !== undefined; stream = this.#waiting[0]) {
      const entry = this.#entries.get(stream);
      const decoder = this.#pool.lease();
      if (decoder === undefined) break;
      this.#waiting.shift();
      if (entry === undefined) this.#pool.release(decoder);
      else this.#begin(entry, decoder);
    }
    // Who gave way in a pause waits silently, unless it takes long.
    for (const stream of this.#waiting) if (stream.lagSamples > lateSamples) stream.degrade(this.#shortage);
  }

  /** Takes the decoder back. A stream that still has voice to decode goes to the end of the queue. */
  #yield(entry: Entry): void {
    const { stream } = entry;
    const decoder = stream.yieldDecoder();
    remove(this.#decoding, stream);
    this.#starved = 0;
    if (decoder !== undefined) this.#pool.release(decoder);
    // Not refused for a full queue: it had its place before, and there are only as many like it as there are decoders.
    if (!entry.dormant && stream.hasWork) this.#queueUp(stream);
    else this.#reportIfFinished(stream);
  }

  #isIdle(entry: Entry): boolean {
    const now = performance.now();
    if (entry.stream.written !== entry.written) {
      entry.written = entry.stream.written;
      entry.movedAt = now;
    }
    return now - entry.movedAt > silentMs || now - entry.heardAt > orphanedMs;
  }

  #reportIfFinished(stream: RecogniserStream): void {
    if (!stream.closing || stream.state === "decoding" || stream.state === "waiting" || stream.hasWork)
      return;
    this.#forget(stream);
    this.#hooks.onFinished(stream);
  }

  #forget(stream: RecogniserStream): void {
    this.#entries.delete(stream);
    remove(this.#decoding, stream);
    remove(this.#waiting, stream);
    this.#starved = 0;
  }

  /** One native decoder that fails must not take the others' speech with it. */
  #guard(stream: RecogniserStream, run: () => void, fresh?: SpeechDecoder): void {
    try {
      run();
    } catch (error) {
      const decoder = stream.abandonDecoder() ?? fresh;
      remove(this.#decoding, stream);
      if (decoder !== undefined) this.#pool.discard(decoder);
      this.#hooks.onFault(error);
      const entry = this.#entries.get(stream);
      if (entry !== undefined && stream.hasWork) this.#queueUp(stream);
      else this.#reportIfFinished(stream);
    }
  }
}

export interface SchedulerHooks {
  /** Called before each slice: the sign of life. */
  onTurn(): void;
  /** Runs `load`, which blocks for half a second or more. */
  whileLoading(load: () => void): void;
  /** A closing stream has decoded all it had. */
  onFinished(stream: RecogniserStream): void;
  /** A decoder failed and was taken out of service. */
  onFault(error: unknown): void;
}

function remove<Item>(list: Item[], item: Item): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}
