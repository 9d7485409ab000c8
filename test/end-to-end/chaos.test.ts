import { expect, test } from "bun:test";
import type { ChaosOptions } from "../chaos/chaos-options.ts";
import { runChaos } from "../chaos/chaos-run.ts";
import { seededRandom } from "../support/seeded-random.ts";

const short: Omit<ChaosOptions, "seed"> = {
  minutes: 0.15,
  users: 24,
  speed: 8,
  sdkUsers: 1,
  kills: true,
  forgets: false,
  stopsEarly: true,
  log: false,
};

test("a short bad time, with the server killed in it, breaks no promise", async () => {
  const { seed } = seededRandom("the chaos run");
  const { judge, figures } = await runChaos({ ...short, seed }, () => {});
  // Together, so that a failure shows what had happened to those concerned.
  const found = judge.violations
    .slice(0, 3)
    .map(({ what, userId, events }) => [userId, what, ...events].join("\n"));
  if (found.length > 0) throw new Error(`seed ${seed}, ${JSON.stringify(figures)}\n${found.join("\n\n")}`);
  expect(judge.count).toBe(0);
  expect(Number(figures["of those confirmed"])).toBeGreaterThan(200);
  expect(Number(figures["faults: kill"])).toBeGreaterThan(0);
}, 120_000);

test("negative control: a server that forgets its sessions when it is killed is found out", async () => {
  const { judge } = await runChaos(
    { ...short, users: 10, speed: 2, sdkUsers: 0, forgets: true, seed: 1 },
    () => {},
  );
  expect(judge.count).toBeGreaterThan(0);
}, 120_000);
