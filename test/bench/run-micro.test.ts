import { describe, expect, test } from "bun:test";
import { compare, microTable, runMicroGroup } from "../../bench/micro/run-micro.ts";

const group = { name: "ways", baseline: "slow" };

describe("a micro bench", () => {
  test("compares each case with the baseline of the same turn", () => {
    const [slow, fast] = compare(
      group,
      new Map([
        ["slow", [100, 200, 100]],
        ["fast", [50, 20, 10]],
      ]),
    );
    expect(slow?.ratio).toEqual({ median: 1, min: 1, max: 1 });
    expect(fast?.costNs).toEqual({ median: 20, min: 10, max: 50 });
    expect(fast?.ratio).toEqual({ median: 0.1, min: 0.1, max: 0.5 });
  });

  test("says what is not installed, and compares nothing with what is not", () => {
    const results = compare(
      group,
      new Map([
        ["slow", [undefined, undefined]],
        ["fast", [5000, 5000]],
      ]),
    );
    expect(results.map(({ ratio }) => ratio)).toEqual([undefined, undefined]);
    const rows = microTable(results, "slow").split("\n");
    expect(rows[2]).toMatch(/slow +\| not installed \| +- \| +- \| +- \|/);
    expect(rows[3]).toMatch(/fast +\| +5.00 \| +5.00 to 5.00 \| +- \| +- \|/);
  });

  test("measures its cases in turn, and closes what it opened even when one fails", async () => {
    const log: string[] = [];
    const measured = (name: string) => ({ name, measure: async () => log.push(name) });
    const close = () => void log.push("closed");
    await runMicroGroup({ ...group, open: () => ({ cases: [measured("slow"), measured("fast")], close }) });
    expect(log).toEqual(["slow", "fast", "slow", "fast", "slow", "fast", "closed"]);
    const failing = { name: "slow", measure: () => Promise.reject(new Error("broken")) };
    await expect(runMicroGroup({ ...group, open: () => ({ cases: [failing], close }) })).rejects.toThrow(
      "broken",
    );
    expect(log.at(-1)).toBe("closed");
  });
});
