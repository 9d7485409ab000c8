import { expect, test } from "bun:test";
import { seededRandom } from "../support/seeded-random.ts";
import { runSpeechLoad } from "../support/speech-load.ts";
import { describeTrusting } from "../support/trusting-process.ts";

describeTrusting(import.meta.path, "a crowd over both services", () => {
  test("is heard word for word, while every fourth connection fails", async () => {
    const random = seededRandom("speech load");
    const result = await runSpeechLoad({ sessions: 24, seconds: 5, faultEvery: 4, random });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    expect(result.problems).toEqual([]);
    expect(result).toMatchObject({ lostFrames: 0, refusedFrames: 0 });
    expect(result.failed).toBeGreaterThan(0);
    expect(result.deepgram.opened).toBeGreaterThan(10);
    expect(result.assemblyai.opened).toBeGreaterThan(10);
  }, 120_000);
});
