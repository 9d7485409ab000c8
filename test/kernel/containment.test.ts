import { beforeEach, describe, expect, test } from "bun:test";
import pino from "pino";
import { Containment } from "../../src/kernel/containment.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";

describe("what goes wrong in one session", () => {
  const broken = () => {
    throw new Error("broken for a test");
  };
  let lines: Record<string, unknown>[];
  let clock: FakeClock;
  let metrics: Metrics;
  let containment: Containment;

  beforeEach(() => {
    lines = [];
    clock = new FakeClock();
    metrics = new Metrics();
    const log = pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line)) });
    containment = new Containment(clock, metrics, log.child({ user: "hash" }));
  });

  const counted = async (where: string) =>
    (await metrics.errors.get()).values.find(({ labels }) => labels.where === where)?.value ?? 0;

  test("goes no further, is counted by where it was, and logged as that session's", async () => {
    expect(containment.run("here", () => {})).toBe(true);
    expect(containment.run("here", broken)).toBe(false);
    containment.watch("there", Promise.reject(new Error("rejected for a test")));
    containment.watch("there", Promise.resolve());
    await settle();
    expect([await counted("here"), await counted("there")]).toEqual([1, 1]);
    expect(lines).toMatchObject([
      { user: "hash", where: "here", err: { message: "broken for a test" } },
      { user: "hash", where: "there", err: { message: "rejected for a test" } },
    ]);
  });

  test("is told once in ten seconds, with how often it has happened, however often it does", async () => {
    for (let n = 0; n < 500; n++) {
      containment.run("audio", broken);
      clock.advance(50);
    }
    containment.run("elsewhere", broken);
    expect(await counted("audio")).toBe(500);
    expect(lines.map(({ where, leftOut }) => [where, leftOut])).toEqual([
      ["audio", 0],
      ["audio", 199],
      ["audio", 199],
      ["elsewhere", 0],
    ]);
  });
});
