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
