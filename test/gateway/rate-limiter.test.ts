import { describe, expect, test } from "bun:test";
import { RateLimiter } from "../../src/gateway/rate-limiter.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("the rate limiter", () => {
  test("lets a burst through, then one for every interval, and says how long to wait", () => {
    const clock = new FakeClock();
    const rates = new RateLimiter(clock, 10);
    for (let i = 0; i < 60; i++) expect(rates.take("a", 60)).toBe(0);
    expect(rates.take("a", 60)).toBe(1_000);
    clock.advance(999);
    expect(rates.take("a", 60)).toBeGreaterThan(0);
    clock.advance(1);
    expect(rates.take("a", 60)).toBe(0);
    expect(rates.take("a", 60)).toBe(1_000);
  });

  test("counts every key by itself", () => {
    const rates = new RateLimiter(new FakeClock(), 10);
    expect(rates.take("a", 1)).toBe(0);
    expect(rates.take("b", 1)).toBe(0);
    expect(rates.take("a", 1)).toBeGreaterThan(0);
  });

  test("never lets more through than a burst and what has grown since, whatever the order", () => {
    const random = seededRandom("rate limiter");
    const clock = new FakeClock();
    const rates = new RateLimiter(clock, 10);
    const startMs = clock.now();
    let served = 0;
    for (let i = 0; i < 5_000; i++) {
      clock.advance(random.integer(0, 300));
      if (rates.take("a", 100) === 0) served++;
      expect(served).toBeLessThanOrEqual(100 + ((clock.now() - startMs) * 100) / 60_000 + 1);
    }
  });

  test("remembers no key that has rested for a minute, and never more than its bound", () => {
    const clock = new FakeClock();
    const rates = new RateLimiter(clock, 3);
    for (const key of ["a", "b", "c", "d", "e"]) rates.take(key, 1);
    expect(rates.size).toBe(3);
    clock.advance(60_000);
    rates.take("f", 1);
    expect(rates.size).toBe(1);
  });
});
