import { describe, expect, test } from "bun:test";
import { compareRuns, comparisonTable } from "../../bench/compare.ts";
import { type Figure, nothingFound } from "../../bench/outcome.ts";
import { type Results, readResults } from "../../bench/results.ts";

function results(...figures: Figure[]): Results {
  return {
    version: 1,
    date: "2026-01-01T00:00:00.000Z",
    command: "bun run bench",
    machine: { processor: "a", cores: 2, kernel: "b", bun: "c", loadBefore: 0 },
    seconds: 1,
    scenarios: [{ name: "one", seconds: 1, outcome: { ...nothingFound, figures } }],
  };
}

function figure(min: number, median: number, max: number, better: Figure["better"] = "less"): Figure {
  return { name: "x", spread: { min, median, max }, better };
}

describe("comparing with an earlier run", () => {
  test.each([
    ["what lies above all rounds of before is worse", figure(9, 10, 11), figure(12, 13, 14), "worse"],
    ["what lies below is better", figure(9, 10, 11), figure(6, 7, 8), "better"],
    ["what may be noise is the same", figure(9, 10, 13), figure(12, 13, 14), "same"],
    ["less than a tenth is noise, however steady", figure(10, 10, 10), figure(10.9, 10.9, 10.9), "same"],
    ["of some things more is better", figure(9, 10, 11, "more"), figure(12, 13, 14, "more"), "better"],
  ])("%s", (_, before, now, verdict) => {
    const [difference] = compareRuns(results(before), results(now));
    expect(difference?.verdict).toBe(verdict as "same");
  });

  test("says what has become worse, and leaves out what the other run does not know", () => {
    const differences = compareRuns(
      results(figure(9, 10, 11)),
      results(figure(20, 20, 20), { ...figure(1, 1, 1), name: "new" }),
    );
    expect(differences).toHaveLength(1);
    expect(comparisonTable(differences)).toContain("WORSE");
  });

  test("reads back what a run has written, and nothing else", () => {
    const written = results(figure(1, 2, 3));
    expect(readResults(JSON.stringify(written))).toEqual(written);
    for (const text of ["", "{}", "[]", '{"version":2,"scenarios":[]}'])
      expect(readResults(text)).toBeUndefined();
  });
});
