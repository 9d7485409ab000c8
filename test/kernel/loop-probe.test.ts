import { expect, test } from "bun:test";
import { LoopProbe, type Stall } from "../../src/kernel/loop-probe.ts";

test("a stall is noted with the moment at which it began, not that at which it was noticed", async () => {
  const noted = Promise.withResolvers<Stall>();
  const probe = new LoopProbe(noted.resolve);
  const stop = probe.start();
  const startMs = performance.timeOrigin + performance.now();
  for (const until = performance.now() + 300; performance.now() < until; );
  const stall = await noted.promise;
  stop();
  const noticedMs = performance.timeOrigin + performance.now();
  expect(stall.beganMs).toBeGreaterThanOrEqual(startMs);
  expect(stall.beganMs).toBeLessThan(startMs + 150);
  expect(stall.lastedMs).toBeGreaterThan(150);
  expect(stall.beganMs + stall.lastedMs).toBeLessThanOrEqual(noticedMs);
  expect(probe.stalls).toEqual([stall]);
  expect(probe.lag.read().percentileUs(1)).toBeGreaterThan(150_000);
});
