import { expect, test } from "bun:test";
import { randomOf } from "../support/seeded-random.ts";
import { trendOf } from "./least-squares.ts";
import { MemoryTrend } from "./memory-trend.ts";

const mib = 1024 * 1024;

test("finds the slope of a straight line, and none where there is no line", () => {
  expect(trendOf([1, 2, 3, 4].map((x) => ({ x, y: 3 * x + 1 })))).toEqual({ slope: 3, error: 0 });
  expect(trendOf([{ x: 1, y: 1 }])).toBeUndefined();
  expect(trendOf([1, 2, 3].map((y) => ({ x: 1, y })))).toBeUndefined();
});

test("is certain of growth under noise, not of noise, and forgets a former process", () => {
  const random = randomOf(3);
  const grown = (perMinute: number) => {
    const memory = new MemoryTrend();
    for (let second = 0; second < 20; second++) memory.add(second * 1_000, 900 * mib);
    memory.restart();
    for (let second = 0; second <= 300; second++) {
      const warmUp = Math.min(second, 60);
      memory.add(second * 1_000, (100 + warmUp + (perMinute * second) / 60 + random.integer(-8, 8)) * mib);
    }
    return memory.grownAfter(60_000)?.certain ?? Number.NaN;
  };
  expect(grown(10)).toBeGreaterThan(8);
  expect(grown(0)).toBeLessThan(0.5);
});
