import { expect, test } from "bun:test";
import { SpeechSynthesiser } from "../../src/simulator/speech-synthesiser.ts";

test("the synthesiser speaks texts in a thread of its own, always alike, and refuses an empty one", async () => {
  const synthesiser = new SpeechSynthesiser();
  const [first, second, again] = await Promise.all([
    synthesiser.synthesise("hello world"),
    synthesiser.synthesise("turn on the lights"),
    synthesiser.synthesise("hello world"),
  ]);
  expect(first.length).toBeGreaterThan(8_000);
  expect(Math.max(...first)).toBeGreaterThan(2_000);
  expect(second).not.toEqual(first);
  expect(again).toEqual(first);
  expect(await problem(synthesiser.synthesise("  "))).toContain("no words");
  const unfinished = synthesiser.synthesise("the weather is nice today");
  synthesiser.close();
  synthesiser.close();
  expect(await problem(unfinished)).toContain("closed");
});

/** Bun's own `rejects` waits without letting messages of workers in. */
function problem(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: Error) => error.message,
  );
}
