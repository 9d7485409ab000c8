const mostLines = 400;

/** What has happened to one user, to be printed if it goes wrong: the last few hundred things. */
export class ClientJournal {
  readonly #startMs: number;
  #lines: string[] = [];

  /** @param startMs of the run, in the clock of `performance`. */
  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  note(what: string): void {
    this.#lines.push(`${((performance.now() - this.#startMs) / 1000).toFixed(3).padStart(9)} s  ${what}`);
    if (this.#lines.length > mostLines * 2) this.#lines = this.#lines.slice(-mostLines);
  }

  /** The last `count` lines, oldest first. */
  last(count: number): string[] {
    return this.#lines.slice(-Math.min(count, mostLines));
  }
}
