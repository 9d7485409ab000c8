import { expect, test } from "bun:test";
import { randomOf } from "../support/seeded-random.ts";
import { type PlanOptions, planFaults } from "./fault-plan.ts";

const options: PlanOptions = { users: 20, seats: 2, apps: 6, lengthMs: 60_000, speed: 4, kills: true };

test("is the same for the same seed, and another for another", () => {
  expect(planFaults(randomOf(7), options)).toEqual(planFaults(randomOf(7), options));
  expect(planFaults(randomOf(7), options)).not.toEqual(planFaults(randomOf(8), options));
});

test("holds every kind of fault, in order of time, and nothing that outlasts the run", () => {
  const plan = planFaults(randomOf(1), { ...options, lengthMs: 600_000 });
  const kinds = new Set<string>(plan.map(({ fault }) => fault.kind));
  const all =
    "cut halfOpen stall slow vanish lateClose outage stopApp relist killWorker freeze cutSdk kill drain";
  expect([...kinds].sort()).toEqual(all.split(" ").sort());
  for (const [index, { atMs, fault }] of plan.entries()) {
    expect(atMs).toBeGreaterThanOrEqual(plan[index - 1]?.atMs ?? 0);
    expect(atMs + ("lastsMs" in fault ? fault.lastsMs : 0)).toBeLessThanOrEqual(600_001);
  }
});

test("kills the server at least once if it may, in the first part of the run, and else never", () => {
  for (let seed = 0; seed < 50; seed++) {
    const short = { ...options, users: 1, apps: 0, lengthMs: 15_000 };
    const kills = planFaults(randomOf(seed), short).filter(({ fault }) => fault.kind === "kill");
    expect(kills.length).toBeGreaterThan(0);
    for (const { atMs } of kills) expect(atMs).toBeLessThan(9_000);
    const kinds = planFaults(randomOf(seed), { ...short, kills: false }).map(({ fault }) => fault.kind);
    expect(kinds).not.toContain("kill");
    expect(kinds).not.toContain("killWorker");
    expect(kinds).not.toContain("drain");
  }
});
