import { afterEach, describe, expect, test } from "bun:test";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { restartDelayMs, SupervisedWorker } from "../../src/kernel/supervised-worker.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { until } from "../support/until.ts";

const open: SupervisedWorker[] = [];

afterEach(() => {
  for (const worker of open.splice(0)) worker.close();
});

function supervised(lives: boolean) {
  const clock = new FakeClock();
  const life = { beat: 0, busy: false };
  const seen = { starts: 0, deaths: [] as string[] };
  const worker = new SupervisedWorker({
    kind: "audio",
    url: new URL("../support/failing-worker.ts", import.meta.url),
    clock,
    log: createLog({ level: "silent", format: "json" }),
    metrics: new Metrics(),
    pulse: { read: () => life, silenceMs: 2_000 },
    onStart: (thread) => {
      seen.starts++;
      if (!lives) thread.postMessage("die");
    },
    onMessage: () => {},
    onDeath: (cause) => void seen.deaths.push(cause),
  });
  open.push(worker);
  /** Lets time pass; the worker's heart beats all the while if it is to. */
  const pass = (ms: number, beats: boolean) => {
    for (let passed = 0; passed < ms; passed += 250) {
      if (beats) life.beat++;
      clock.advance(250);
    }
  };
  return { clock, life, seen, worker, pass };
}

describe("a supervised worker", () => {
  test("is left alone as long as its heart beats, or while it says that it is busy", () => {
    const { life, seen, pass } = supervised(true);
    pass(60_000, true);
    life.busy = true;
    pass(60_000, false);
    expect(seen).toEqual({ starts: 1, deaths: [] });
  });

  test("is replaced two seconds after its last beat, once its thread has ended", async () => {
    const { seen, pass, clock } = supervised(true);
    pass(1_000, true);
    pass(1_750, false);
    expect(seen.deaths).toEqual([]);
    pass(500, false);
    expect(seen).toEqual({ starts: 1, deaths: [] });
    await until("the end of the thread", () => seen.deaths.length === 1);
    clock.advance(0);
    expect(seen).toEqual({ starts: 2, deaths: ["silent"] });
  });

  test("has longer to show its first sign of life", async () => {
    const { seen, pass } = supervised(true);
    pass(9_500, false);
    pass(250, true);
    pass(1_000, false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.deaths).toEqual([]);
  });

  test("is started ever more slowly when it dies again and again", async () => {
    const { seen, clock } = supervised(false);
    for (const [i, delayMs] of [0, 100, 400, 1_600].entries()) {
      await until("another death", () => seen.deaths.length === i + 1);
      if (delayMs > 0) clock.advance(delayMs - 1);
      expect(seen.starts).toBe(i + 1);
      clock.advance(1);
      expect(seen.starts).toBe(i + 2);
    }
    expect(new Set(seen.deaths)).toEqual(new Set(["error"]));
  });

  test("waits at most ten seconds between two starts", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 100].map(restartDelayMs)).toEqual([
      0, 0, 100, 400, 1_600, 6_400, 10_000, 10_000,
    ]);
  });

  test("is not started again once closed, and leaves no timer", () => {
    const { worker, clock, seen } = supervised(true);
    worker.close();
    worker.close();
    clock.advance(60_000);
    expect(seen).toEqual({ starts: 1, deaths: [] });
    expect(clock.pending).toBe(0);
    expect(worker.post("anything")).toBeFalse();
  });
});
