import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { HeardLane } from "../support/running-pool.ts";
import { startPool } from "../support/running-pool.ts";
import { goForward } from "../support/speech-fixtures.ts";
import { until } from "../support/until.ts";

let running: Awaited<ReturnType<typeof startPool>>;

beforeAll(async () => {
  running = await startPool({ recogniser: "auto" });
  await recogniser();
});

afterAll(() => running.pool.close());

function recogniser(): Promise<unknown> {
  return until("the recogniser", () => running.pool.recogniserStatus().available, 40_000);
}

/** The recording as bytes, with silence before and behind it, in frames of 100 ms. */
function frames(): Uint8Array[] {
  const { pcm } = goForward();
  const samples = new Int16Array(8_000 + pcm.length + 24_000);
  samples.set(pcm, 8_000);
  const bytes = new Uint8Array(samples.buffer);
  return Array.from({ length: Math.floor(bytes.length / 3_200) }, (_, i) =>
    bytes.subarray(i * 3_200, (i + 1) * 3_200),
  );
}

function words(heard: HeardLane): string {
  return heard.transcripts
    .filter(({ isFinal }) => isFinal)
    .map(({ text }) => text)
    .join(" ");
}

/** Writes frames as fast as the ring takes them. */
async function say(lane: { write(frame: Uint8Array): boolean }, said: readonly Uint8Array[]): Promise<void> {
  for (const frame of said) await until("room in the ring", () => lane.write(frame));
}

const listen = { languages: ["en-US"], pcm: false };

describe("speech through the audio workers", () => {
  test("comes back as words, and as the beginning and end of a voice", async () => {
    const { lane, heard } = running.open();
    lane.setDemand(listen);
    await say(lane, frames());
    await until("the final words", () => words(heard) !== "", 30_000);
    expect(words(heard)).toBe("go forward ten meters");
    expect(heard.voices[0]).toBeTrue();
    await lane.close(2_000);
  });

  test("comes back before a lane is closed that was closed in the middle of it", async () => {
    const { lane, heard } = running.open();
    lane.setDemand(listen);
    // Up to the last word; no silence that would end it.
    await say(lane, frames().slice(0, 30));
    await lane.close(10_000);
    expect(words(heard)).toBe("go forward ten meters");
  });

  test("D-29: shows in the metrics how far its words are behind", async () => {
    const { lane } = running.open();
    lane.setDemand(listen);
    const seen = async () =>
      (await running.metrics.speechLag.get()).values.find(({ metricName }) => metricName?.endsWith("_count"))
        ?.value ?? 0;
    const before = await seen();
    // Speech that goes on: something is owed whenever one looks.
    await until("a lag", async () => {
      lane.markVoice(true);
      lane.write(new Uint8Array(640));
      return (await seen()) > before;
    });
    await lane.close(2_000);
  });

  test("is not lost when the audio worker dies in the middle of it", async () => {
    const { lane, heard } = running.open();
    lane.setDemand(listen);
    const said = frames();
    await say(lane, said.slice(0, 18));
    await until("the voice", () => heard.voices.length > 0, 20_000);
    const before = running.pool.stats().workers[0]?.restarts ?? 0;
    running.pool.injectFault(0, { fault: "exit" });
    await until("the new worker", () => (running.pool.stats().workers[0]?.restarts ?? 0) > before, 20_000);
    await say(lane, said.slice(18));
    await until("the last word", () => words(heard).endsWith("meters"), 30_000);
    expect(words(heard)).toMatch(/go.*meters/);
    await lane.close(2_000);
  });

  test("is not lost when the recogniser dies in the middle of it", async () => {
    const { lane, heard } = running.open();
    lane.setDemand(listen);
    const said = frames();
    await say(lane, said.slice(0, 18));
    await until("the voice", () => heard.voices.length > 0, 20_000);
    running.pool.injectRecogniserDeath(0);
    await until("the death", () => !running.pool.recogniserStatus().available, 20_000);
    await say(lane, said.slice(18));
    await recogniser();
    await until("the last word", () => words(heard).endsWith("meters"), 30_000);
    expect(words(heard)).toBe("go forward ten meters");
    await lane.close(2_000);
  });
});
