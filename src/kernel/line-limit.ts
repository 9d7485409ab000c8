import type { Clock } from "./clock.ts";

/** How far apart lines on the same thing are. */
const pauseMs = 10_000;
/** Things that are remembered; beyond that all are forgotten, and may be told once more. */
const most = 1_000;

interface Told {
  atMs: number;
  leftOut: number;
}

/** Lets the first of many log lines on the same thing through, and then one in ten seconds: what repeats says nothing new. */
export class LineLimit {
  readonly #clock: Clock;
  readonly #told = new Map<string, Told>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param what the line is about.
   * @returns how many such lines were left out since the last one; undefined: this one is to be left out as well.
   */
  admit(what: string): number | undefined {
    const nowMs = this.#clock.now();
    const told = this.#told.get(what);
    if (told === undefined) {
      if (this.#told.size >= most) this.#told.clear();
      this.#told.set(what, { atMs: nowMs, leftOut: 0 });
      return 0;
    }
    if (nowMs < told.atMs + pauseMs) {
      told.leftOut++;
      return undefined;
    }
    const { leftOut } = told;
    told.atMs = nowMs;
    told.leftOut = 0;
    return leftOut;
  }
}
