import { Arena, type ArenaLayout } from "../../src/audio/arena.ts";
import type { RingReader, RingWriter } from "../../src/audio/ring.ts";
import { startHandoverWorker } from "./handover-worker-host.ts";

/** Gives frames to a real worker as the server does: a ring for each session, a dirty bit, and a doorbell. */
export class RingHandover {
  readonly #arena: Arena;
  readonly #worker: Worker;
  readonly #writers: RingWriter[] = [];
  /** Only looked at: the worker reads. */
  readonly #backlogs: RingReader[] = [];
  readonly #frame: Uint8Array;

  private constructor(arena: Arena, worker: Worker, frame: Uint8Array) {
    this.#arena = arena;
    this.#worker = worker;
    this.#frame = frame;
    for (let i = 0; i < arena.layout.slots; i++) {
      this.#writers.push(arena.slot(i).writer());
      this.#backlogs.push(arena.slot(i).reader());
    }
  }

  static async start(frameBytes: number, lanes: number): Promise<RingHandover> {
    const layout: ArenaLayout = { slots: lanes, ringBytes: 64 * 1024, pcmRingBytes: 64 };
    const arena = Arena.allocate(layout);
    const rings = Array.from({ length: lanes }, (_, slot) => arena.rings(slot));
    const worker = await startHandoverWorker({ kind: "rings", arena: arena.buffer, layout, rings });
    return new RingHandover(arena, worker, new Uint8Array(frameBytes).fill(1));
  }

  /** Resolves when every ring is at least half empty. */
  async ready(): Promise<void> {
    const half = this.#arena.layout.ringBytes / 2;
    while (this.#backlogs.some((backlog) => backlog.backlogBytes > half)) await Bun.sleep(1);
  }

  /** One frame into every lane. */
  writeAll(): void {
    for (let lane = 0; lane < this.#writers.length; lane++) {
      if (!this.#writers[lane]?.write(1, 1, 0, this.#frame))
        throw new Error("the ring of the bench ran full");
      this.#arena.ring(lane);
    }
  }

  close(): void {
    this.#worker.terminate();
  }
}
