import { afterAll, beforeAll, expect, test } from "bun:test";
import type { AppHostCommands } from "../../bench/macro/app-host.ts";
import { BenchProcess } from "../../bench/macro/control.ts";
import { Surroundings } from "../../bench/macro/surroundings.ts";
import { runTrial, whyVoid } from "../../bench/macro/trial.ts";
import type { TrialPlan } from "../../bench/macro/trial-plan.ts";

let surroundings: Surroundings;

beforeAll(() => {
  surroundings = new Surroundings();
});

afterAll(() => surroundings.close());

const pcm = { codec: "pcm", framesPerSecond: 50 } as const;
const common = { server: "browline", sessions: 3, traffic: pcm, warmupMs: 100, measuredMs: 400 } as const;
const heard = { count: 1, hears: ["transcription:en-US"] };
const plans: readonly TrialPlan[] = [
  { ...common, name: "bare", server: "bare" },
  { ...common, name: "posting", server: "posting" },
  { ...common, name: "bare relay", server: "bare relay", apps: { count: 1, hears: ["audio_chunk"] } },
  { ...common, name: "nobody listens" },
  { ...common, name: "relay", apps: { count: 1, hears: ["audio_chunk"], showing: 3, displayEveryMs: 100 } },
  { ...common, name: "opus", traffic: { ...pcm, codec: "opus" }, apps: heard },
  { ...common, name: "single loop", server: "single loop", traffic: { ...pcm, codec: "opus" }, apps: heard },
];

test.each(plans)("every frame arrives: $name", async (plan) => {
  const trial = await runTrial(plan, surroundings);
  expect(trial.sent).toBeGreaterThan(0);
  expect(trial).toMatchObject({ missing: 0, gaps: 0, lost: {} });
  expect(trial.cpuUsPerFrame).toBeGreaterThan(0);
  expect(trial.audioToApp !== undefined).toBe(plan.apps?.hears.includes("audio_chunk") ?? false);
  expect(trial.missingAtApps === 0).toBe(trial.audioToApp !== undefined);
  // PCM needs no worker on its way to an app that hears the sound.
  expect(trial.stages.ring_to_worker !== undefined).toBe(plan.apps === heard);
});

test("what the speech service hears and says is timed from end to end", async () => {
  const trial = await runTrial(
    { ...common, name: "speech", apps: heard, speech: true, warmupMs: 1_000, measuredMs: 1_500 },
    surroundings,
  );
  expect(trial.missing).toBe(0);
  expect(trial.transcripts).toBeGreaterThan(0);
  for (const seen of [
    trial.audioToSpeech,
    trial.transcriptToApp,
    trial.stages.to_provider,
    trial.stages.main_to_app,
  ]) {
    expect(seen?.count).toBeGreaterThan(0);
  }
});

test("a trial counts for nothing when its generator was late, sent nothing or was thrown out", () => {
  const plan = { traffic: pcm };
  expect(whyVoid({ p99: 1 }, 0, plan)).toBeUndefined();
  expect(whyVoid({ p99: 5.1 }, 0, plan)).toContain("5.1 ms late");
  expect(whyVoid(undefined, 0, plan)).toContain("sent nothing");
  expect(whyVoid({ p99: 1 }, 2, plan)).toContain("closed 2");
  expect(whyVoid({ p99: 1 }, 2, { ...plan, deaf: 2 })).toBeUndefined();
});

test("a process that ends is noticed by whoever waits for it", async () => {
  const lonely = new BenchProcess<AppHostCommands>(new URL("../../bench/macro/app-host.ts", import.meta.url));
  await lonely.call("acks");
  await lonely.close();
  await expect(lonely.call("acks")).rejects.toThrow("app-host.ts has ended");
});
