import { describe, expect, test } from "bun:test";
import { isRight, resultSummary, resultTable, type SentenceResult } from "../../tools/demo-report.ts";

const right: SentenceResult = {
  codec: "pcm",
  said: "hello world",
  heard: ["Hello, world."],
  shown: "hello world",
  interims: 2,
  finalMs: 300,
  shownMs: 350,
};

describe("the demo's report", () => {
  test("counts a sentence as right whatever its capitals and punctuation", () => {
    expect(isRight(right)).toBe(true);
  });

  test.each([
    ["a wrong word", { heard: ["hello word"] }],
    ["a missing word", { heard: ["hello"] }],
    ["no final", { heard: [] }],
    ["two finals", { heard: ["hello", "world"] }],
    ["the same final twice", { heard: ["hello world", "hello world"] }],
    ["another text on the glasses", { shown: "hello" }],
  ])("counts a sentence with %s as wrong", (_, change) => {
    expect(isRight({ ...right, ...change })).toBe(false);
  });

  test("sums up", () => {
    const lost: SentenceResult = { ...right, heard: [], finalMs: undefined, shownMs: undefined };
    expect(resultSummary([right, lost, { ...right, finalMs: 500 }])).toBe(
      "2 of 3 sentences word for word; final 500 ms (median), 500 ms (worst) after the last sound",
    );
    expect(resultTable([right, lost])).toHaveLength(3);
    expect(resultTable([right, lost])[2]).toStartWith("✗ pcm");
  });
});
