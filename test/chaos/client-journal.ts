interface Line {
  readonly atMs: number;
  readonly what: string;
}

/** Of what happens all the time, and of all else, the last so many are kept. */
const mostFrequent = 60;
const mostRare = 120;

/** What has happened to one user, to be printed if it goes wrong: the last things, however much else has happened since. */
export class ClientJournal {
  readonly #startMs: number;
  #frequent: Line[] = [];
  #rare: Line[] = [];

  /** @param startMs of the run, in the clock of `performance`. */
  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  note(what: string): void {
    this.#rare = kept(this.#rare, what, mostRare);
  }

  /** Notes what happens so often that it must not push out all else. */
  noteFrequent(what: string): void {
    this.#frequent = kept(this.#frequent, what, mostFrequent);
  }

  /** All that is kept, oldest first. */
  lines(): string[] {
    return [...this.#frequent, ...this.#rare]
      .sort((a, b) => a.atMs - b.atMs)
      .map(({ atMs, what }) => `${((atMs - this.#startMs) / 1000).toFixed(3).padStart(9)} s  ${what}`);
  }
}

function kept(lines: Line[], what: string, most: number): Line[] {
  lines.push({ atMs: performance.now(), what });
  return lines.length > 2 * most ? lines.slice(-most) : lines;
}
