import type { Stop } from "./stop.ts";

/**
 * The only source of time outside of workers. Managers register absolute deadlines here and never call `setTimeout`,
 * so that one timer serves every session and a test can move the time by hand.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch, fractional, never running backwards. The same in every thread of the process. */
  now(): number;
  /** Runs `run` once when `now()` has reached `deadlineMs`. The returned stop cancels it. */
  at(deadlineMs: number, run: () => void): Stop;
  /** Runs `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): Stop;
  /** Runs `run` every `periodMs`, first one period from now. Missed periods are skipped, not made up for. */
  every(periodMs: number, run: () => void): Stop;
}

/** An ISO 8601 string of the clock's time, as the wire messages carry it. */
export function isoTime(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}

interface Deadline {
  readonly atMs: number;
  /** Ties run in the order in which they were registered. */
  readonly order: number;
  run: (() => void) | undefined;
}

/**
 * A binary heap of deadlines. Cancelling only forgets the callback; the empty entry is dropped when it surfaces, or all
 * at once as soon as more than half of the heap is empty, so that cancelled timers cannot pile up.
 */
export class DeadlineQueue {
  #heap: Deadline[] = [];
  #order = 0;
  #cancelled = 0;

  /** Deadlines that are still to run. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  add(atMs: number, run: () => void): Stop {
    const deadline: Deadline = { atMs, order: this.#order++, run };
    this.#heap.push(deadline);
    this.#siftUp(this.#heap.length - 1);
    return () => {
      if (deadline.run === undefined) return;
      deadline.run = undefined;
      this.#cancelled++;
      if (this.#cancelled > 64 && this.#cancelled > this.#heap.length / 2) this.#compact();
    };
  }

  /** Time of the earliest live deadline, or undefined when there is none. */
  earliest(): number | undefined {
    let top = this.#heap[0];
    while (top !== undefined && top.run === undefined) {
      this.#pop();
      this.#cancelled--;
      top = this.#heap[0];
    }
    return top?.atMs;
  }

  /** Removes and returns the callback of the earliest deadline at or before `nowMs`. */
  takeDue(nowMs: number): (() => void) | undefined {
    const earliest = this.earliest();
    if (earliest === undefined || earliest > nowMs) return undefined;
    const deadline = this.#pop();
    const run = deadline?.run;
    if (deadline) deadline.run = undefined;
    return run;
  }

  #compact(): void {
    this.#heap = this.#heap.filter((deadline) => deadline.run !== undefined);
    this.#cancelled = 0;
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#siftDown(i);
  }

  #pop(): Deadline | undefined {
    const top = this.#heap[0];
    const last = this.#heap.pop();
    if (last !== undefined && last !== top) {
      this.#heap[0] = last;
      this.#siftDown(0);
    }
    return top;
  }

  #siftUp(start: number): void {
    let child = start;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#swapIfBefore(child, parent)) return;
      child = parent;
    }
  }

  #siftDown(start: number): void {
    let parent = start;
    for (;;) {
      let first = 2 * parent + 1;
      if (first >= this.#heap.length) return;
      if (first + 1 < this.#heap.length && this.#before(first + 1, first)) first++;
      if (!this.#swapIfBefore(first, parent)) return;
      parent = first;
    }
  }

  #swapIfBefore(child: number, parent: number): boolean {
    if (!this.#before(child, parent)) return false;
    const a = this.#heap[child];
    const b = this.#heap[parent];
    if (a && b) {
      this.#heap[child] = b;
      this.#heap[parent] = a;
    }
    return true;
  }

  #before(i: number, j: number): boolean {
    const a = this.#heap[i];
    const b = this.#heap[j];
    if (!a || !b) return false;
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  }
}

/** Adds `after` and `every` to a clock that has `now` and `at`. */
export abstract class DeadlineClock implements Clock {
  abstract now(): number;
  abstract at(deadlineMs: number, run: () => void): Stop;

  after(delayMs: number, run: () => void): Stop {
    return this.at(this.now() + delayMs, run);
  }

  every(periodMs: number, run: () => void): Stop {
    let due = this.now() + periodMs;
    let stopped = false;
    const tick = () => {
      // The next period is registered first: a callback that throws must not end the series.
      due += periodMs;
      if (due <= this.now()) due = this.now() + periodMs;
      if (!stopped) cancel = this.at(due, tick);
      run();
    };
    let cancel = this.at(due, tick);
    return () => {
      stopped = true;
      cancel();
    };
  }
}

/** Longest delay a native timer accepts (2^31 - 1 ms); later deadlines are reached in several hops. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** Real time: one native timer set to the earliest deadline of all. */
export class SystemClock extends DeadlineClock {
  /** It never changes, and asking for it takes as long as asking for the time since. */
  readonly #originMs = performance.timeOrigin;
  readonly #queue = new DeadlineQueue();
  readonly #onError: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** @param onError receives what a callback throws; the other deadlines run all the same. */
  constructor(onError: (error: unknown) => void) {
    super();
    this.#onError = onError;
  }

  /** Deadlines still to run: lets a test or a gauge see leaked timers. */
  get pending(): number {
    return this.#queue.size;
  }

  now(): number {
    return this.#originMs + performance.now();
  }

  at(deadlineMs: number, run: () => void): Stop {
    const cancel = this.#queue.add(deadlineMs, run);
    this.#arm();
    return cancel;
  }

  #arm(): void {
    const earliest = this.#queue.earliest();
    if (earliest === undefined || earliest >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = earliest;
    // Rounded up: who has asked for a moment may rely on it having come.
    const delay = Math.min(Math.max(0, Math.ceil(earliest - this.now())), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.#sweep(), delay);
  }

  #sweep(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    // Fixed before the loop: a callback that registers an already due deadline waits for the next turn.
    const nowMs = this.now();
    for (let run = this.#queue.takeDue(nowMs); run !== undefined; run = this.#queue.takeDue(nowMs)) {
      try {
        run();
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#arm();
  }
}
