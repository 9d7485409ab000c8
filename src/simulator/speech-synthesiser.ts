import type { SynthesisReply, SynthesisRequest } from "../audio/synthesis.ts";
import { readWav } from "../audio/wav.ts";

/** A voice for tests and demos: the server's own synthesiser, in a thread that starts with the first text. */
export class SpeechSynthesiser {
  readonly #waiting = new Map<number, PromiseWithResolvers<Int16Array>>();
  #worker: Worker | undefined;
  #nextId = 0;

  /**
   * Speaks an English text: mono at 16 kHz, with the short pauses that the voice puts around a sentence. The same text
   * always gives the same samples.
   * @throws Error when the text cannot be spoken, or after `close`.
   */
  synthesise(text: string): Promise<Int16Array> {
    this.#worker ??= this.#start();
    const id = this.#nextId++;
    const result = Promise.withResolvers<Int16Array>();
    this.#waiting.set(id, result);
    const request: SynthesisRequest = {
      id,
      text,
      voice: "slt",
      speed: 1,
      mostBytes: Number.POSITIVE_INFINITY,
    };
    this.#worker.postMessage(request);
    return result.promise;
  }

  /** Ends the thread. Safe to call twice. */
  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#fail("the speech synthesiser is closed");
  }

  #start(): Worker {
    const worker = new Worker(new URL("../../workers/voice-worker.ts", import.meta.url));
    worker.onmessage = ({ data }: MessageEvent<SynthesisReply>) => {
      const result = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("wav" in data) result?.resolve(readWav(data.wav));
      else result?.reject(new Error(data.problem));
    };
    worker.onerror = (event) => {
      if (this.#worker === worker) this.#worker = undefined;
      worker.terminate();
      this.#fail(`the speech synthesiser failed: ${event.message}`);
    };
    return worker;
  }

  #fail(problem: string): void {
    for (const result of this.#waiting.values()) result.reject(new Error(problem));
    this.#waiting.clear();
  }
}
