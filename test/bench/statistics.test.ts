import { describe, expect, test } from "bun:test";
import { leastSquares, spreadOf } from "../../bench/statistics.ts";

describe("statistics of the bench", () => {
  test("the median of an odd number is the middle one, of an even number between the two", () => {
    expect(spreadOf([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 });
    expect(spreadOf([4, 1, 2, 9])).toEqual({ median: 3, min: 1, max: 9 });
    expect(spreadOf([])).toBeUndefined();
  });

  test("the slope is that of the line on which the points lie, and what it may be off by is told", () => {
    expect(leastSquares([0, 1, 2, 3].map((x) => [x, 5 + 2 * x] as const))).toEqual({
      slope: 2,
      deviation: 0,
    });
    const { slope, deviation } = leastSquares(
      [0, 1, 2, 3, 4, 5].map((x) => [x, x + (x % 2 === 0 ? 1 : -1)] as const),
    );
    expect(Math.abs(slope - 1)).toBeLessThan(2 * deviation);
    expect(deviation).toBeGreaterThan(0.1);
  });
});
