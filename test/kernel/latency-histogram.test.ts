import { describe, expect, test } from "bun:test";
import { Registry } from "prom-client";
import { registerDurations } from "../../src/kernel/duration-metric.ts";
import { Durations, histogramWords, LatencyHistogram } from "../../src/kernel/latency-histogram.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("a latency histogram", () => {
  test("knows every percentile to within a thirty-second of the true one", () => {
    const random = seededRandom("latencies");
    const histogram = new LatencyHistogram();
    const values = Array.from({ length: 5_000 }, () => Math.floor(2 ** (random.integer(0, 300) / 10)));
    for (const value of values) histogram.record(value);
    values.sort((a, b) => a - b);
    const durations = histogram.read();
    for (const p of [0, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = values[Math.max(0, Math.ceil(p * values.length) - 1)] ?? 0;
      const known = durations.percentileUs(p) ?? -1;
      expect(known).toBeGreaterThanOrEqual(exact);
      expect(known).toBeLessThanOrEqual(exact * (1 + 1 / 32));
    }
  });

  test("counts what is out of range at its ends", () => {
    const histogram = new LatencyHistogram();
    for (const us of [-5, 0.9, 1e12]) histogram.record(us);
    expect(histogram.read().toPairs()).toEqual([0, 2, histogramWords - 1, 1]);
  });

  test("is read by another thread's view of the same memory, and goes on where another has left off", () => {
    const words = new Uint32Array(new SharedArrayBuffer(histogramWords * 4));
    new LatencyHistogram(words).record(7);
    const successor = new LatencyHistogram(words);
    successor.record(9);
    expect(successor.read().toPairs()).toEqual([7, 1, 9, 1]);
  });

  test("tells what has come since an earlier reading, also when a count has wrapped", () => {
    const words = new Uint32Array(histogramWords);
    words[3] = 0xffff_ffff;
    const histogram = new LatencyHistogram(words);
    const earlier = histogram.read();
    for (let i = 0; i < 3; i++) histogram.record(3);
    expect(histogram.read().since(earlier).toPairs()).toEqual([3, 3]);
  });

  test("keeps its durations on the way to another process, and joins them", () => {
    const histogram = new LatencyHistogram();
    for (const us of [1, 1, 500, 70_000]) histogram.record(us);
    const durations = histogram.read();
    const arrived = Durations.from(JSON.parse(JSON.stringify(durations.toPairs())));
    expect(arrived.plus(durations).count).toBe(8);
    expect(arrived.percentileUs(1)).toBe(durations.percentileUs(1));
    expect(Durations.none.percentileUs(0.5)).toBeUndefined();
  });

  test("is shown to Prometheus as a histogram in seconds", async () => {
    const histogram = new LatencyHistogram();
    for (const us of [40, 40, 900, 6_000_000]) histogram.record(us);
    const registry = new Registry();
    registerDurations(registry, "x_seconds", "Help.", () => [
      { labels: { stage: "decode" }, read: () => histogram.read() },
    ]);
    const text = await registry.metrics();
    expect(text).toContain("# TYPE x_seconds histogram");
    expect(text).toContain('x_seconds_bucket{stage="decode",le="0.00005"} 2');
    expect(text).toContain('x_seconds_bucket{stage="decode",le="0.001"} 3');
    expect(text).toContain('x_seconds_bucket{stage="decode",le="+Inf"} 4');
    expect(text).toContain('x_seconds_count{stage="decode"} 4');
  });
});
