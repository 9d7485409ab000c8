import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spokenNumber } from "../support/counting-ear.ts";
import { DeepgramSimulator } from "../support/deepgram-simulator.ts";
import type { HeardLane } from "../support/running-pool.ts";
import { startPool } from "../support/running-pool.ts";
import { until } from "../support/until.ts";

let running: Awaited<ReturnType<typeof startPool>>;
let deepgram: DeepgramSimulator;

beforeAll(async () => {
  deepgram = new DeepgramSimulator({
    apiKeys: ["a-key"],
    // The first connection breaks in the middle of the words.
    faults: (number) => (number === 0 ? { cutAfterBytes: 40_000 } : {}),
  });
  running = await startPool({
    env: { BROWLINE_DEEPGRAM_KEY: "a-key", BROWLINE_DEEPGRAM_URL: deepgram.url },
  });
});

afterAll(async () => {
  await running.pool.close();
  await deepgram.close();
});

function numbers(heard: HeardLane): string {
  return heard.transcripts
    .filter(({ isFinal }) => isFinal)
    .map(({ text }) => text)
    .join(" ");
}

describe("speech in the cloud through the audio workers", () => {
  test("survives the end of a connection in mid-utterance, and is counted", async () => {
    const { lane, heard } = running.open();
    lane.setDemand({ languages: ["en-US"], pcm: false });
    for (let number = 1; number <= 40; number++) {
      // The detector in the worker hears no voice in such sounds: the phone says that there is one.
      lane.markVoice(true);
      lane.write(new Uint8Array(spokenNumber(number).buffer));
    }
    const spoken = Array.from({ length: 40 }, (_, i) => `w${i + 1}`).join(" ");
    lane.write(new Uint8Array(32_000));
    lane.markVoice(false);
    lane.write(new Uint8Array(32_000));
    await until("the last number", () => numbers(heard).endsWith("w40"), 20_000);
    expect(numbers(heard)).toBe(spoken);
    expect(new Set(heard.transcripts.map(({ provider }) => provider))).toEqual(new Set(["deepgram"]));
    const { speechEvents } = running.metrics;
    await until("the count", () => running.pool.speechStatus().providers.length > 0, 5_000);
    await until(
      "the opened connections",
      async () => (await running.counted(speechEvents, { what: "opened" })) >= 2,
      5_000,
    );
    expect(await running.counted(speechEvents, { what: "failed", reason: "transient" })).toBe(1);
    expect(running.pool.speechStatus()).toMatchObject({ available: true, unserved: 0 });
    await lane.close(2_000);
  }, 40_000);

  test("goes on in another worker when its own dies in mid-utterance: nothing twice, nothing lost, one id", async () => {
    const { lane, heard } = running.open();
    lane.setDemand({ languages: ["en-US"], pcm: false });
    for (let number = 1; number <= 40; number++) {
      lane.markVoice(true);
      lane.write(new Uint8Array(spokenNumber(number).buffer));
    }
    await until("the first words", () => heard.transcripts.length >= 3, 20_000);
    const shown = heard.transcripts.at(-1);
    running.pool.injectFault(0, { fault: "exit" });
    await until("the new worker", () => (running.pool.stats().workers[0]?.restarts ?? 0) > 0, 20_000);
    lane.write(new Uint8Array(32_000));
    lane.markVoice(false);
    lane.write(new Uint8Array(32_000));
    await until("the last number", () => numbers(heard).endsWith("w40"), 20_000);
    expect(numbers(heard)).toBe(Array.from({ length: 40 }, (_, i) => `w${i + 1}`).join(" "));
    expect(shown?.isFinal).toBeFalse();
    const finals = heard.transcripts.filter(({ isFinal }) => isFinal);
    expect(finals.map(({ utteranceId }) => utteranceId)).toEqual([shown?.utteranceId ?? ""]);
    await lane.close(2_000);
  }, 40_000);
});

describe("the audio workers", () => {
  test("tell each other that a provider refuses the key: it is asked once, not once a worker", async () => {
    const refusing = new DeepgramSimulator({ apiKeys: ["another-key"] });
    const several = await startPool({
      workers: 2,
      env: { BROWLINE_DEEPGRAM_KEY: "a-key", BROWLINE_DEEPGRAM_URL: refusing.url },
    });
    try {
      const say = async ({ lane, heard }: ReturnType<typeof several.open>) => {
        lane.setDemand({ languages: ["en-US"], pcm: false });
        lane.markVoice(true);
        lane.write(new Uint8Array(32_000));
        await until("word that nobody serves", () => heard.states.some(({ state }) => state === "off"));
      };
      await say(several.open());
      await until(
        "word in the other worker",
        () => several.pool.speechStatus().providers[0]?.circuit === "open",
      );
      await say(several.open());
      expect(refusing.visits).toHaveLength(1);
    } finally {
      await several.pool.close();
      await refusing.close();
    }
  }, 40_000);
});
