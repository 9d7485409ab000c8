import { describe, expect, test } from "bun:test";
import { macroTable, summarise } from "../../bench/macro/macro-table.ts";
import { mostLateMs, type Trial, whyVoid } from "../../bench/macro/trial.ts";

function trial(variant: string, cpuUsPerFrame: number, changes: Partial<Trial> = {}): Trial {
  return {
    variant,
    void: undefined,
    framesPerSecond: 10_000,
    cpuUsPerFrame,
    mainUsPerFrame: cpuUsPerFrame,
    lag: { p50: 0.1, p99: 1, max: 2 },
    ring: undefined,
    toApp: undefined,
    sent: 100,
    missing: 0,
    lost: {},
    lateness: { p50: 0.5, p99: 1, max: 2 },
    cores: { server: 0.1, generator: 0.1, app: 0 },
    ...changes,
  };
}

describe("the macro bench", () => {
  test("compares each variant with the baseline of the same round", () => {
    const [baseline, browline] = summarise([
      [trial("bare", 5), trial("ours", 6)],
      [trial("bare", 10), trial("ours", 15)],
      [trial("bare", 5), trial("ours", 10)],
    ]);
    expect(baseline?.cpuRatio).toEqual({ median: 1, min: 1, max: 1 });
    expect(browline?.cpuRatio).toEqual({ median: 1.5, min: 1.2, max: 2 });
    expect(browline?.cpuUsPerFrame).toEqual({ median: 10, min: 6, max: 15 });
  });

  test("leaves void trials out of the figures, but not their losses", () => {
    const late = { void: "late", missing: 3, lost: { refused: 3 } };
    const [baseline, browline] = summarise([
      [trial("bare", 5), trial("ours", 50, late)],
      [trial("bare", 100, { void: "late" }), trial("ours", 6)],
      [trial("bare", 5), trial("ours", 7)],
    ]);
    expect(baseline).toMatchObject({ trials: 3, voidTrials: 1, cpuUsPerFrame: { max: 5 } });
    expect(browline).toMatchObject({ voidTrials: 1, missing: 3, lost: { refused: 3 }, sent: 300 });
    expect(browline?.cpuUsPerFrame).toEqual({ median: 6.5, min: 6, max: 7 });
    expect(browline?.cpuRatio).toEqual({ median: 1.4, min: 1.4, max: 1.4 });
  });

  test("says nothing about a variant whose trials are all void", () => {
    const results = summarise([[trial("bare", 5, { void: "late" })]]);
    expect(results[0]?.cpuUsPerFrame).toBeUndefined();
    expect(macroTable(results)).toMatch(/CPU a frame, all threads, us +\| +- \|/);
  });

  test("declares a trial void whose generator was late, or whose connections were closed", () => {
    const lateness = { p50: 1, p99: mostLateMs, max: 50 };
    expect(whyVoid({ lateness, closed: 0 })).toBeUndefined();
    expect(whyVoid({ lateness: { ...lateness, p99: mostLateMs + 0.1 }, closed: 0 })).toContain("late");
    expect(whyVoid({ lateness, closed: 2 })).toContain("closed 2 connections");
    expect(whyVoid({ lateness: undefined, closed: 0 })).toContain("nothing");
  });
});
