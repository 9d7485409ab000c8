import { expect, test } from "bun:test";
import { type Heard, heardAfter } from "../../../workers/stt/cloud/heard-words.ts";

const heard: Heard = {
  kind: "final",
  text: "One, two three.",
  startSample: 0,
  endSample: 4_800,
  words: [
    { text: "one", startMs: 0, endMs: 100 },
    { text: "two", startMs: 100, endMs: 200 },
    { text: "three", startMs: 200, endMs: 300 },
  ],
};

test("what was heard again is left out by the middle of its words, and the punctuation of the rest is kept", () => {
  expect(heardAfter(heard, 0)).toBe(heard);
  expect(heardAfter(heard, 1_700)).toMatchObject({ text: "two three.", startSample: 1_700 });
  expect(heardAfter(heard, 2_500)).toMatchObject({ text: "three.", startSample: 3_200 });
  expect(heardAfter(heard, 4_800)).toBeUndefined();
});

test("the words themselves are the text where the two do not match", () => {
  expect(heardAfter({ ...heard, text: "1 2 3 4" }, 1_700)?.text).toBe("two three");
});

test("without words, all of it counts until its end", () => {
  const { words, ...wordless } = heard;
  expect(words).toHaveLength(3);
  expect(heardAfter(wordless, 4_000)).toBe(wordless);
  expect(heardAfter(wordless, 4_800)).toBeUndefined();
});
