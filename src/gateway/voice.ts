import type { SynthesisReply, SynthesisRequest, VoiceName } from "../audio/synthesis.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";

/** What is to be said, and how. */
export interface Phrase {
  readonly text: string;
  readonly voice: VoiceName;
  /** 1 is the voice's own. */
  readonly speed: number;
}

export type SpokenPhrase =
  /** A WAV file. Shared: not to be written to. */
  | { readonly kind: "spoken"; readonly wav: Uint8Array<ArrayBuffer> }
  /** There is something in the text that cannot be spoken. */
  | { readonly kind: "refused"; readonly detail: string }
  /** Too many others wait. */
  | { readonly kind: "busy" }
  /** The synthesiser has failed, or took too long. */
  | { readonly kind: "failed"; readonly detail: string };

interface Job {
  readonly key: string;
  readonly phrase: Phrase;
  readonly result: PromiseWithResolvers<SpokenPhrase>;
  /** Callers that still want it. */
  waiters: number;
}

/** A phrase of up to this many characters goes before the longer ones: most are a word or a sentence. */
const shortChars = 200;
/** So many short ones may go before a long one that waits. */
const shortsInARow = 8;

/** What is done with the thread that speaks. It starts with the first phrase and speaks one at a time. */
type State =
  | { readonly name: "idle"; readonly worker: Worker | undefined }
  | {
      readonly name: "speaking";
      readonly worker: Worker;
      readonly id: number;
      readonly job: Job;
      readonly stopDeadline: Stop;
    }
  | { readonly name: "closed" };

/**
 * The server's voice: text to speech in a thread of its own. What many ask for is spoken once; recent phrases are kept.
 */
export class Voice {
  readonly #parts: VoiceParts;
  /** What waits, in two queues with room of their own, so that long texts keep no short one out. */
  readonly #short: Job[] = [];
  readonly #long: Job[] = [];
  #shortsInARow = 0;
  /** Phrases spoken and being spoken, by their key. */
  readonly #jobs = new Map<string, Job>();
  /** Least recently used first. */
  readonly #recent = new Map<string, Uint8Array<ArrayBuffer>>();
  #recentBytes = 0;
  #nextId = 0;
  #state: State = { name: "idle", worker: undefined };

  constructor(parts: VoiceParts) {
    this.#parts = parts;
  }

  /**
   * Speaks a phrase, at once if it was spoken lately. Never rejects.
   * @param signal that the caller has gone. What waits for its turn and is wanted by nobody is not spoken.
   */
  speak(phrase: Phrase, signal?: AbortSignal): Promise<SpokenPhrase> {
    const { metrics, limits } = this.#parts;
    const key = JSON.stringify([phrase.voice, phrase.speed, phrase.text]);
    const kept = this.#recent.get(key);
    if (kept !== undefined) {
      this.#keep(key, kept);
      metrics.phrases.inc({ outcome: "kept" });
      return Promise.resolve({ kind: "spoken", wav: kept });
    }
    const shared = this.#jobs.get(key);
    if (shared !== undefined) return this.#wait(shared, signal);
    if (this.#state.name === "closed") {
      return Promise.resolve({ kind: "failed", detail: "the server is closing" });
    }
    const queue = this.#queueOf(phrase);
    if (queue.length >= limits.ttsQueue) {
      metrics.phrases.inc({ outcome: "busy" });
      return Promise.resolve({ kind: "busy" });
    }
    const job: Job = { key, phrase, result: Promise.withResolvers(), waiters: 0 };
    this.#jobs.set(key, job);
    queue.push(job);
    const spoken = this.#wait(job, signal);
    this.#next();
    return spoken;
  }

  /** Ends the thread; what waits is answered. Safe to call twice. */
  close(): void {
    const state = this.#state;
    this.#state = { name: "closed" };
    if (state.name === "closed") return;
    state.worker?.terminate();
    if (state.name === "speaking") state.stopDeadline();
    for (const { result } of this.#jobs.values()) {
      result.resolve({ kind: "failed", detail: "the server is closing" });
    }
    this.#jobs.clear();
    this.#short.length = 0;
    this.#long.length = 0;
    this.#recent.clear();
  }

  #queueOf({ text }: Phrase): Job[] {
    return text.length <= shortChars ? this.#short : this.#long;
  }

  async #wait(job: Job, signal: AbortSignal | undefined): Promise<SpokenPhrase> {
    job.waiters++;
    const leave = () => {
      if (--job.waiters === 0) this.#drop(job);
    };
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await job.result.promise;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Takes a job that nobody wants out of its queue. One that is being spoken is finished, and kept for who asks next. */
  #drop(job: Job): void {
    const queue = this.#queueOf(job.phrase);
    const at = queue.indexOf(job);
    if (at < 0) return;
    queue.splice(at, 1);
    this.#jobs.delete(job.key);
    this.#parts.metrics.phrases.inc({ outcome: "dropped" });
    job.result.resolve({ kind: "failed", detail: "nobody waits for it any more" });
  }

  /** Short ones first, and a long one now and then. */
  #take(): Job | undefined {
    const longsTurn = this.#shortsInARow >= shortsInARow && this.#long.length > 0;
    const short = longsTurn ? undefined : this.#short.shift();
    this.#shortsInARow = short === undefined ? 0 : this.#shortsInARow + 1;
    return short ?? this.#long.shift();
  }

  #next(): void {
    if (this.#state.name !== "idle") return;
    const job = this.#take();
    if (job === undefined) return;
    const { clock, limits } = this.#parts;
    const worker = this.#state.worker ?? this.#start();
    const id = ++this.#nextId;
    const stopDeadline = clock.after(limits.ttsMs, () => this.#lose(worker, "it took too long"));
    this.#state = { name: "speaking", worker, id, job, stopDeadline };
    const request: SynthesisRequest = { id, ...job.phrase, mostBytes: limits.ttsSpeechBytes };
    worker.postMessage(request);
  }

  #start(): Worker {
    const worker = new Worker(new URL("../../workers/voice-worker.ts", import.meta.url));
    worker.onmessage = ({ data }: MessageEvent<SynthesisReply>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#lose(worker, event.message);
    };
    return worker;
  }

  #receive(reply: SynthesisReply): void {
    if (this.#state.name !== "speaking" || this.#state.id !== reply.id) return;
    const { worker, job, stopDeadline } = this.#state;
    stopDeadline();
    this.#state = { name: "idle", worker };
    if ("wav" in reply) {
      this.#keep(job.key, reply.wav);
      this.#finish(job, { kind: "spoken", wav: reply.wav });
    } else {
      this.#finish(job, { kind: "refused", detail: reply.problem });
    }
    this.#next();
  }

  /** The thread is of no use any more. The next phrase gets a new one. */
  #lose(worker: Worker, detail: string): void {
    worker.terminate();
    const state = this.#state;
    if (state.name === "closed" || state.worker !== worker) return;
    this.#state = { name: "idle", worker: undefined };
    this.#parts.metrics.workerRestarts.inc({ kind: "voice", cause: "error" });
    this.#parts.log.error({ worker: "voice", detail }, "a worker has died");
    if (state.name === "speaking") {
      state.stopDeadline();
      this.#finish(state.job, { kind: "failed", detail });
    }
    this.#next();
  }

  #finish(job: Job, result: SpokenPhrase): void {
    this.#jobs.delete(job.key);
    this.#parts.metrics.phrases.inc({ outcome: result.kind });
    job.result.resolve(result);
  }

  #keep(key: string, wav: Uint8Array<ArrayBuffer>): void {
    this.#recentBytes += wav.byteLength - (this.#recent.get(key)?.byteLength ?? 0);
    this.#recent.delete(key);
    this.#recent.set(key, wav);
    for (const [oldest, { byteLength }] of this.#recent) {
      if (this.#recentBytes <= this.#parts.limits.ttsCacheBytes) return;
      this.#recent.delete(oldest);
      this.#recentBytes -= byteLength;
    }
  }
}

export interface VoiceParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly metrics: Metrics;
}
