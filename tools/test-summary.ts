/** How a run of the tests went. */
export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
}

/**
 * Reads the counts that `bun test` ends with, colours or not; the last ones where tests print such lines themselves.
 * Errors outside of tests count as failures. Undefined: the run ended before it came to its counts.
 */
export function parseTestSummary(output: string): TestSummary | undefined {
  const plain = Bun.stripANSI(output);
  const ends = [...plain.matchAll(/^Ran \d+ tests? across \d+ files?\./gm)];
  const end = ends.at(-1);
  if (end === undefined) return undefined;
  const count = (word: string) =>
    Number([...plain.slice(0, end.index).matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))].at(-1)?.[1] ?? 0);
  return { passed: count("pass"), failed: count("fail") + count("errors?") };
}

/**
 * Picks out of a report, as it comes, what was printed about each failed test: its last `linesEach` lines. A log that
 * keeps only the end of a run then still tells why it failed.
 */
export class FailureDigest {
  readonly failures: string[] = [];
  readonly #linesEach: number;
  #file = "";
  #lines: string[] = [];
  #rest = "";
  #isOver = false;

  constructor(linesEach = 60) {
    this.#linesEach = linesEach;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#addLine(Bun.stripANSI(line));
  }

  #addLine(line: string): void {
    // The report ends with all failures once more, without their reasons.
    if (/^\d+ tests? failed:$/.test(line)) this.#isOver = true;
    if (this.#isOver) return;
    if (/^\S+\.(test|proof)\.ts:$/.test(line)) {
      this.#file = line;
      this.#lines = [];
    } else if (/^\((pass|skip|todo)\) /.test(line)) {
      this.#lines = [];
    } else {
      this.#lines.push(line);
      if (this.#lines.length > this.#linesEach) this.#lines.shift();
      if (!line.startsWith("(fail) ")) return;
      this.failures.push([this.#file, ...this.#lines].join("\n"));
      this.#lines = [];
    }
  }
}
