import { expect, test } from "bun:test";
import { TokenBucket } from "../../src/kernel/token-bucket.ts";

test("a token bucket gives its whole content at once, and then as much as flows in", () => {
  const bucket = new TokenBucket(3, 2);
  const take = (nowMs: number, times: number) => Array.from({ length: times }, () => bucket.take(nowMs));
  expect(take(0, 4)).toEqual([true, true, true, false]);
  expect(take(499, 1)).toEqual([false]);
  expect(take(1_000, 3)).toEqual([true, true, false]);
  expect(take(3_600_000, 4)).toEqual([true, true, true, false]);
});
