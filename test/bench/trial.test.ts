import { afterAll, beforeAll, expect, test } from "bun:test";
import type { AppHostCommands } from "../../bench/macro/app-host.ts";
import { BenchProcess } from "../../bench/macro/control.ts";
import type { GeneratorCommands } from "../../bench/macro/generator.ts";
import { baseline, variants } from "../../bench/macro/rounds.ts";
import { runTrial } from "../../bench/macro/trial.ts";

const plan = { sessions: 3, warmupMs: 100, measuredMs: 400 };
let generator: BenchProcess<GeneratorCommands>;
let appHost: BenchProcess<AppHostCommands>;

beforeAll(() => {
  generator = new BenchProcess(new URL("../../bench/macro/generator.ts", import.meta.url));
  appHost = new BenchProcess(new URL("../../bench/macro/app-host.ts", import.meta.url));
});

afterAll(async () => {
  await Promise.all([generator.close(), appHost.close()]);
});

test.each([baseline, ...variants])("every frame arrives: $name", async (variant) => {
  const trial = await runTrial(variant, plan, { generator, appHost });
  expect(trial.sent).toBeGreaterThan(0);
  expect(trial).toMatchObject({ missing: 0, lost: {} });
  expect(trial.cpuUsPerFrame).toBeGreaterThan(0);
  expect(trial.ring === undefined).toBe(!variant.listening);
  expect(trial.toApp === undefined).toBe(!variant.listening);
});

test("a process that ends is noticed by whoever waits for it", async () => {
  const lonely = new BenchProcess<AppHostCommands>(new URL("../../bench/macro/app-host.ts", import.meta.url));
  await lonely.call("app");
  await lonely.close();
  await expect(lonely.call("app")).rejects.toThrow("app-host.ts has ended");
});
