import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AssemblyAiSimulator } from "../support/assemblyai-simulator.ts";
import { countersIn } from "../support/counted-audio.ts";
import { spokenNumber } from "../support/counting-ear.ts";
import { DeepgramSimulator } from "../support/deepgram-simulator.ts";
import { type HeardLane, startPool } from "../support/running-pool.ts";
import { describeTrusting } from "../support/trusting-process.ts";
import { until } from "../support/until.ts";

const spoken = Array.from({ length: 60 }, (_, i) => i + 1);

function countersOf(heard: HeardLane): number[] {
  return heard.transcripts.filter(({ isFinal }) => isFinal).flatMap(({ text }) => countersIn(text));
}

describeTrusting(import.meta.path, "speech through two services and real threads", () => {
  describe("when the service that listens is gone in the middle of an utterance", () => {
    let deepgram: DeepgramSimulator;
    let assemblyai: AssemblyAiSimulator;
    let running: Awaited<ReturnType<typeof startPool>>;

    beforeAll(async () => {
      deepgram = new DeepgramSimulator({ apiKeys: ["a-key"] });
      assemblyai = new AssemblyAiSimulator({ apiKeys: ["b-key"], maxSpeed: 1.25 });
      running = await startPool({
        env: {
          BROWLINE_SPEECH: "deepgram,assemblyai",
          BROWLINE_DEEPGRAM_KEY: "a-key",
          BROWLINE_DEEPGRAM_URL: deepgram.url,
          BROWLINE_ASSEMBLYAI_KEY: "b-key",
          BROWLINE_ASSEMBLYAI_URL: assemblyai.url,
        },
      });
    });

    afterAll(async () => {
      await running.pool.close();
      await assemblyai.close();
    });

    test("D-37: the other one goes on within 2 s, under the same id, with no hole and no second final", async () => {
      const { lane, heard } = running.open();
      lane.setDemand({ languages: ["en-US"], pcm: false });
      // The detector in the worker hears no voice in such sounds: the phone says that there is one.
      for (const number of spoken) {
        lane.markVoice(true);
        await until("room in the ring", () => lane.write(new Uint8Array(spokenNumber(number).buffer)));
      }
      lane.write(new Uint8Array(32_000));
      lane.markVoice(false);
      lane.write(new Uint8Array(32_000));
      await until("words by the first service", () => heard.transcripts.length >= 3);
      const goneAt = performance.now();
      await deepgram.close();
      const first = await until("words by the other", () =>
        heard.transcripts.find(({ provider }) => provider === "assemblyai"),
      );
      expect(performance.now() - goneAt).toBeLessThan(2_000);
      await until("the last number", () => countersOf(heard).at(-1) === spoken.length, 20_000);
      expect(countersOf(heard)).toEqual(spoken);
      const [begun] = heard.transcripts;
      expect(begun).toMatchObject({ provider: "deepgram", isFinal: false });
      expect(first.utteranceId).toBe(begun?.utteranceId ?? "");
      const finals = heard.transcripts.filter(({ isFinal }) => isFinal);
      expect(finals[0]?.utteranceId).toBe(begun?.utteranceId ?? "");
      expect(new Set(finals.map(({ utteranceId }) => utteranceId)).size).toBe(finals.length);
      // How far the words were behind while the other one caught up.
      const { values } = await running.metrics.speechLag.get();
      const sum = values.find(({ metricName }) => metricName?.endsWith("_sum"))?.value ?? 0;
      expect(sum).toBeGreaterThan(1);
      await lane.close(2_000);
    }, 60_000);
  });
});
