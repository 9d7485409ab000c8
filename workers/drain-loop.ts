import type { Arena } from "../src/audio/arena.ts";

/**
 * While busy, how long the rings are left alone. Looking on a timer costs less than being woken for every frame. The more
 * lanes speak the less a look costs each of them, and whoever has worked for long has left others waiting meanwhile: with
 * a rest the backlog would have to grow until the rest is a small part of the work.
 */
const restMs = { few: 3, many: 1 } as const;
const manyLanes = 8;
const longWorkMs = 2;
/** After this many sweeps that found nothing, the worker sleeps until somebody rings. */
const sweepsBeforeSleep = 8;
/** Longest work at a stretch: after it, messages, sockets and timers of the worker get their turn. */
const budgetMs = 4;
/** Records of one lane in a row, so that a burst of one does not delay the others. */
const recordsPerTurn = 16;
/** Upper bound of a sleep: nothing depends on it, but a wake-up that got lost would not be lost for long. */
const sleepMs = 250;

export interface Drainable {
  /** Works off up to `limit` records; returns whether more are waiting. */
  drain(limit: number): boolean;
}

/** Slots in the order in which they came, each once. Makes no garbage: it is used hundreds of times a second. */
class SlotQueue {
  readonly #slots: Int32Array;
  readonly #waits: Uint8Array;
  #first = 0;
  #size = 0;

  constructor(slots: number) {
    this.#slots = new Int32Array(slots);
    this.#waits = new Uint8Array(slots);
  }

  get size(): number {
    return this.#size;
  }

  add(slot: number): void {
    if (this.#waits[slot] === 1) return;
    this.#waits[slot] = 1;
    this.#slots[(this.#first + this.#size++) % this.#slots.length] = slot;
  }

  /** To be called while there is one. */
  take(): number {
    const slot = this.#slots[this.#first] ?? 0;
    this.#first = (this.#first + 1) % this.#slots.length;
    this.#size--;
    this.#waits[slot] = 0;
    return slot;
  }
}

/**
 * The heart of an audio worker: finds lanes with something in their ring and lets each work off a few records in turn.
 * Adaptive: sweeps on a short timer while there is work, and sleeps on the arena's doorbell when there is none.
 */
export class DrainLoop {
  readonly #arena: Arena;
  readonly #lane: (slot: number) => Drainable | undefined;
  readonly #queue: SlotQueue;
  #idleSweeps = 0;
  #sleeping = false;

  constructor(arena: Arena, lane: (slot: number) => Drainable | undefined) {
    this.#arena = arena;
    this.#lane = lane;
    this.#queue = new SlotQueue(arena.layout.slots);
  }

  /** Begins; it ends with its thread. */
  start(): void {
    setImmediate(this.#sweep);
  }

  /** Has the lane of `slot` looked at although nobody rang: a command about it has come. */
  enqueue(slot: number): void {
    this.#queue.add(slot);
    if (this.#sleeping) this.#arena.wakeSelf();
  }

  /** Works off all that waits for the lane of `slot`, without a turn. */
  serveNow(slot: number): void {
    while (this.#lane(slot)?.drain(recordsPerTurn));
  }

  readonly #enqueue = (slot: number): void => this.#queue.add(slot);

  readonly #sweep = (): void => {
    this.#arena.countBeat();
    this.#arena.fetchDirty(this.#enqueue);
    this.#idleSweeps = this.#queue.size === 0 ? this.#idleSweeps + 1 : 0;
    const fromMs = performance.now();
    const until = fromMs + budgetMs;
    // Lanes that are put in again meanwhile have had their turn.
    const turns = this.#queue.size;
    for (let done = 0; done < turns && (done === 0 || performance.now() < until); done++) {
      this.#serve(this.#queue.take());
    }

    if (this.#queue.size > 0 || performance.now() - fromMs > longWorkMs) setImmediate(this.#sweep);
    else if (this.#idleSweeps < sweepsBeforeSleep)
      setTimeout(this.#sweep, turns < manyLanes ? restMs.few : restMs.many);
    else void this.#sleep();
  };

  #serve(slot: number): void {
    // Left standing when the lane's work ends this thread: so it is known whose frame it was.
    this.#arena.setCurrentSlot(slot);
    if (this.#lane(slot)?.drain(recordsPerTurn)) this.#queue.add(slot);
    this.#arena.setCurrentSlot(-1);
  }

  async #sleep(): Promise<void> {
    this.#sleeping = true;
    await this.#arena.sleep(sleepMs);
    this.#sleeping = false;
    // Out of the promise: what a lane throws must end the worker as an error, not as an unhandled rejection.
    setImmediate(this.#sweep);
  }
}
