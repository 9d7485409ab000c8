import { expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { runSpeechLoad } from "../support/speech-load.ts";
import { describeTrusting } from "../support/trusting-process.ts";

describeTrusting(
  import.meta.path,
  "500 sessions over both services",
  () => {
    test.each([0, 20])(
      "lose nothing in 60 s, with one of %d connections failing (0: none)",
      async (faultEvery) => {
        const random = seededRandom("speech load");
        const result = await runSpeechLoad({ sessions: 500, seconds: 60, faultEvery, random });
        process.stdout.write(`${JSON.stringify(result)}\n`);
        expect(result.problems).toEqual([]);
        expect(result).toMatchObject({ lostFrames: 0, refusedFrames: 0 });
        expect(result.deepgram.mostOpen).toBeGreaterThan(200);
        expect(result.assemblyai.mostOpen).toBeGreaterThan(200);
        // A sign of life is due every 100 ms. The generator, both services and whoever else runs here share the cores.
        expect(result.worstBeatMs).toBeLessThan(limits.workerSilenceMs);
        if (faultEvery > 0) expect(result.failed).toBeGreaterThan(10);
      },
      240_000,
    );
  },
  600_000,
);
