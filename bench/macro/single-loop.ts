/**
 * Browline without audio threads, for comparison: the very same pipeline, but every frame is decoded, heard and handed to
 * the recogniser in the callback that brings it, as servers with one loop do.
 */
import { Arena } from "../../src/audio/arena.ts";
import type { AudioWorkerCommand } from "../../src/audio/commands.ts";
import { AudioEngine } from "../../workers/audio-engine.ts";

const RealWorker = globalThis.Worker;

/** Takes the place of an audio worker, on the thread that has made it. */
class LocalAudioWorker extends EventTarget {
  #engine: AudioEngine | undefined;
  #waiting: AudioWorkerCommand[] = [];

  postMessage(command: AudioWorkerCommand): void {
    // Later, as messages are: the sender may be in the middle of something.
    queueMicrotask(() => this.#receive(command));
  }

  terminate(): void {
    this.#engine = undefined;
  }

  unref(): void {}

  #receive(command: AudioWorkerCommand): void {
    if (command.kind === "start") void this.#open(command);
    else if (this.#engine === undefined) this.#waiting.push(command);
    else this.#engine.obey(command);
  }

  async #open(start: Extract<AudioWorkerCommand, { kind: "start" }>): Promise<void> {
    const post = (report: unknown) => this.dispatchEvent(new MessageEvent("message", { data: report }));
    const { engine, codecs } = await AudioEngine.open(start, post);
    this.#engine = engine;
    Arena.prototype.ring = (slot) => this.#engine?.serveNow(slot);
    post({ kind: "ready", codecs });
    for (const command of this.#waiting.splice(0)) if (command.kind !== "start") engine.obey(command);
  }
}

/** From now on no audio worker of this process gets a thread. There may be one of them. */
export function keepAudioOnThisThread(): void {
  function make(url: URL | string, options?: WorkerOptions): object {
    return String(url).endsWith("/audio-worker.ts") ? new LocalAudioWorker() : new RealWorker(url, options);
  }
  // What is called with `new` and returns an object gives that object.
  globalThis.Worker = make as unknown as typeof Worker;
}
