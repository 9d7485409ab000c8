import { describe, expect, test } from "bun:test";
import { bucketPercentile, percentile, spreadOf, TimeSeries } from "../../bench/statistics.ts";

describe("statistics of the bench", () => {
  test("the median of an odd number is the middle one, of an even number between the two", () => {
    expect(spreadOf([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 });
    expect(spreadOf([4, 1, 2, 9])).toEqual({ median: 3, min: 1, max: 9 });
  });

  test("nothing measured has no median and no percentile", () => {
    expect(spreadOf([])).toBeUndefined();
    expect(percentile([], 0.5)).toBeUndefined();
    expect(bucketPercentile([0, 0, 0], 0.99)).toBeUndefined();
    expect(new TimeSeries(10).summary()).toBeUndefined();
  });

  test("a percentile is a value that was measured, and the highest is the largest", () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(percentile(values, 0.5)).toBe(50);
    expect(percentile(values, 0.99)).toBe(99);
    expect(percentile(values, 1)).toBe(100);
    expect(percentile([7], 0.01)).toBe(7);
  });

  test("a percentile over buckets is the upper bound of its bucket, and the last one has none", () => {
    expect(bucketPercentile([50, 49, 1], 0.5)).toBe(1);
    expect(bucketPercentile([50, 49, 1], 0.99)).toBe(2);
    expect(bucketPercentile([50, 49, 1], 1)).toBe(Number.POSITIVE_INFINITY);
    expect(bucketPercentile([0, 0, 3, 0], 0.5)).toBe(4);
  });

  test("a series that is full goes on counting and summarises what it kept", () => {
    const series = new TimeSeries(3);
    for (const value of [3, 1, 2, 99]) series.add(value);
    expect(series.count).toBe(4);
    expect(series.summary()).toEqual({ p50: 2, p99: 3, max: 3 });
    series.clear();
    expect(series.summary()).toBeUndefined();
  });
});
