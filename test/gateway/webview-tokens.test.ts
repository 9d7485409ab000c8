import { expect, test } from "bun:test";
import { WebviewTokens } from "../../src/gateway/webview-tokens.ts";
import { FakeClock } from "../support/fake-clock.ts";

test("tokens that are never redeemed are forgotten, by time and by number", () => {
  const clock = new FakeClock();
  const tokens = new WebviewTokens(clock, 60_000, 3);
  const issued = [1, 2, 3, 4].map((i) => tokens.issue(`u${i}@example.com`, "com.example.a"));
  expect(new Set(issued).size).toBe(4);
  expect(tokens.redeem(issued[0] ?? "", "com.example.a")).toBeUndefined();
  expect(tokens.redeem(issued[1] ?? "", "com.example.a")).toBe("u2@example.com");
  clock.advance(60_000);
  expect(tokens.redeem(issued[3] ?? "", "com.example.a")).toBeUndefined();
});
