import { startHandoverWorker } from "./handover-worker-host.ts";

/** Gives frames to a real worker by one `postMessage` each. */
export class MessageHandover {
  readonly #worker: Worker;
  /** One word, counted up by the worker. */
  readonly #received: Int32Array;
  readonly #source: Uint8Array;
  readonly #lanes: number;
  #frames: Uint8Array[] = [];
  #sent = 0;

  private constructor(worker: Worker, received: Int32Array, frameBytes: number, lanes: number) {
    this.#worker = worker;
    this.#received = received;
    this.#source = new Uint8Array(frameBytes).fill(1);
    this.#lanes = lanes;
  }

  static async start(frameBytes: number, lanes: number): Promise<MessageHandover> {
    const counter = new SharedArrayBuffer(4);
    const worker = await startHandoverWorker({ kind: "messages", counter });
    return new MessageHandover(worker, new Int32Array(counter), frameBytes, lanes);
  }

  /** Resolves when the worker has caught up. Makes the frames, each with memory of its own as a socket hands them over. */
  async ready(): Promise<void> {
    while (this.#sent !== Atomics.load(this.#received, 0)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#frames = Array.from({ length: this.#lanes }, () => {
      const frame = new Uint8Array(new ArrayBuffer(this.#source.length));
      frame.set(this.#source);
      return frame;
    });
  }

  copyAll(): void {
    for (let slot = 0; slot < this.#frames.length; slot++) {
      this.#worker.postMessage({ slot, frame: this.#frames[slot] });
    }
    this.#sent += this.#frames.length;
  }

  transferAll(): void {
    for (let slot = 0; slot < this.#frames.length; slot++) {
      const frame = this.#frames[slot] ?? this.#source;
      this.#worker.postMessage({ slot, frame }, [frame.buffer as ArrayBuffer]);
    }
    this.#sent += this.#frames.length;
  }

  close(): void {
    this.#worker.terminate();
  }
}
