import { beforeAll, describe, expect, test } from "bun:test";
import { readWav } from "../../src/audio/wav.ts";
import { Flite } from "../../workers/voice/flite.ts";
import { spokenPieces } from "../../workers/voice/spoken-text.ts";

describe("the embedded synthesiser", () => {
  let flite: Flite;
  const most = 60 * 32_000;

  beforeAll(async () => {
    flite = await Flite.load();
  });

  test("always gives the same samples for the same text, whatever was spoken before", () => {
    const first = flite.speak("hello world", "slt", 1, most);
    flite.speak("something else", "rms", 2, most);
    expect(flite.speak("hello world", "slt", 1, most)).toEqual(first);
  });

  test("speaks accents, typographers' quotes and numbers, and leaves out what it has no sound for", () => {
    const plain = readWav(flite.speak("I don't know, cafe.", "slt", 1, most));
    expect(readWav(flite.speak("I don\u2019t know, caf\u00e9.", "slt", 1, most))).toEqual(plain);
    expect(readWav(flite.speak("I don't know, cafe. \u{1f600}", "slt", 1, most))).toEqual(plain);
    const four = readWav(flite.speak("four", "slt", 1, most)).length;
    expect(readWav(flite.speak("4444", "slt", 1, most)).length).toBeGreaterThan(2 * four);
  });

  test.each(["", "  \n", "...", "\u4f60\u597d", "%%%"])("refuses %j, which has no words", (text) => {
    expect(() => flite.speak(text, "slt", 1, most)).toThrow("no words");
  });

  test("refuses a text that would give more than it may make", () => {
    expect(() => flite.speak("999999999 ".repeat(20), "slt", 1, 10 * 32_000)).toThrow("too long");
  });
});

describe("a text on its way to the voice", () => {
  test("stays in one piece when it is short", () => {
    expect(spokenPieces("Hello world. How are you?")).toEqual(["Hello world. How are you?"]);
  });

  test("is cut between sentences when it is long, and nothing of it is lost", () => {
    const sentence = "The weather will be fine today, with some clouds in the evening.";
    const pieces = spokenPieces(`${sentence} `.repeat(10));
    expect(pieces.length).toBeGreaterThan(2);
    for (const piece of pieces) expect(piece.endsWith("evening.")).toBe(true);
    expect(pieces.join(" ")).toBe(`${sentence} `.repeat(10).trim());
  });

  test("is cut anywhere when it has no sentences, and into shorter pieces the more each sign takes to say", () => {
    const letters = spokenPieces("a".repeat(1_000)).map((piece) => piece.length);
    const digits = spokenPieces("9".repeat(1_000)).map((piece) => piece.length);
    expect(Math.max(...letters)).toBeLessThanOrEqual(250);
    expect(Math.max(...digits)).toBeLessThanOrEqual(40);
    expect(spokenPieces("9".repeat(1_000)).join("").replaceAll(" ", "").length).toBe(1_000);
  });
});
