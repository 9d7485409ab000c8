import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ContinuityApps, type Listener, listeners, ofEach, packageOf } from "../support/continuity-apps.ts";
import { ContinuityStage, pause } from "../support/continuity-stage.ts";
import { caption, crash } from "../support/crash.ts";
import { drain } from "../support/drain.ts";
import { loseNetwork } from "../support/network-loss.ts";
import type { PressVerdict } from "../support/press-verdict.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { libriVox } from "../support/speech-fixtures.ts";

type Verdicts = Readonly<Record<Listener, PressVerdict>>;

/** Prints what was measured. */
function say({ verdicts, ...report }: { readonly verdicts: Verdicts }): void {
  const counts = ofEach((listener) => {
    const { lost, disordered, duplicates } = verdicts[listener];
    return { lost: lost.length, disordered: disordered.length, duplicates: duplicates.length };
  });
  process.stdout.write(`${JSON.stringify({ ...counts, ...report })}\n`);
}

function mostLost(verdicts: Verdicts): number {
  return Math.max(...listeners.map((listener) => verdicts[listener].lost.length));
}

/** What the README guarantees, clause by clause, with unmodified SDK apps on Bun and Node and one that keeps count. */
describe("nothing is lost", () => {
  let apps: ContinuityApps;
  const speech = libriVox()[0]?.pcm ?? new Int16Array();

  beforeAll(async () => {
    apps = await ContinuityApps.start();
  }, 60_000);
  afterAll(() => apps?.stop());

  describe("when connections of apps are cut", () => {
    test("every press arrives, in order; twice only what was not confirmed, and not even that with a count", async () => {
      const random = seededRandom("network loss");
      const report = await loseNetwork(apps, random, { cuts: 3, aliveMs: 800 });
      say(report);
      for (const listener of listeners) {
        const { lost, disordered } = report.verdicts[listener];
        expect({ listener, lost, disordered }).toEqual({ listener, lost: [], disordered: [] });
        expect(report.needless[listener]).toEqual([]);
      }
      expect([report.verdicts.counting.duplicates, report.toldLost]).toEqual([[], 0]);
      // Exactly so with a clock of the test's own, in app-receipts.test.ts; here the machine may be slow.
      expect(report.windowMs).toBeLessThan(250 + report.roundTripMs + 1_000);
    });

    test("without replay the same presses are lost", async () => {
      const random = seededRandom("network loss without replay");
      const fault = "./faults/forgets-at-loss.ts";
      const { verdicts } = await loseNetwork(apps, random, { cuts: 2, aliveMs: 300, fault });
      expect(mostLost(verdicts)).toBeGreaterThan(0);
    });
  });

  describe("when the server is told to end while somebody speaks", () => {
    test("the utterance is finished, everything arrives, in order, and everybody is asked to dial again", async () => {
      const random = seededRandom("drain");
      const report = await drain(apps, random, { speech });
      say(report);
      for (const listener of listeners) {
        const { lost, disordered } = report.verdicts[listener];
        expect({ listener, lost, disordered }).toEqual({ listener, lost: [], disordered: [] });
        expect(report.finals[listener].length).toBeGreaterThan(0);
      }
      const [final, ...more] = report.finals.counting;
      expect(final?.endTime).toBeGreaterThanOrEqual(report.interim?.endTime ?? Number.NaN);
      expect(more).toEqual([]);
      expect(report.gaps).toBe(0);
      expect([report.verdicts.counting.duplicates, report.toldLost]).toEqual([[], 0]);
      expect(report.refused).toEqual([]);
      expect(report.closeCodes).toEqual({ glasses: 1012, app: 1012 });
      // What was asked before the signal was heard is answered as ever.
      expect(report.health.slice(report.health.indexOf(503))).toContain(503);
      expect(report.health.slice(report.health.indexOf(503))).not.toContain(200);
      expect(report.exitCode).toBe(0);
      expect(report.endMs).toBeLessThan(5_000);
    }, 120_000);

    test("without that, the utterance and presses are lost", async () => {
      const random = seededRandom("drain without waiting");
      const report = await drain(apps, random, { speech, fault: "./faults/ends-in-mid-word.ts" });
      say(report);
      expect(report.finals.counting).toEqual([]);
      expect(mostLost(report.verdicts)).toBeGreaterThan(0);
    }, 120_000);

    test("a second signal ends a server at once that does not come to its end", async () => {
      const stage = await ContinuityStage.open(apps, { fault: "./faults/never-ends.ts" });
      try {
        const startedMs = performance.now();
        while (stage.server.running) {
          stage.server.signal("SIGTERM");
          await pause(50);
        }
        expect(await stage.server.exited).toBe(1);
        expect(await stage.server.errors).toContain("second signal");
        expect(performance.now() - startedMs).toBeLessThan(5_000);
      } finally {
        await stage.close();
      }
    }, 60_000);
  });

  describe("when the server is killed and started again", () => {
    test("everything committed arrives, in order, and apps, display and photo are as they were", async () => {
      const random = seededRandom("crash");
      const report = await crash(apps, random, {
        kills: 3,
        aliveMs: 600,
        lastAwayMs: 6_000,
        speech,
      });
      say(report);
      for (const listener of listeners) {
        const { lost, disordered } = report.verdicts[listener];
        expect({ listener, lost, disordered }).toEqual({ listener, lost: [], disordered: [] });
      }
      expect([report.verdicts.counting.duplicates, report.toldLost]).toEqual([[], 0]);
      expect(report.uncommitted).toEqual([]);
      for (const { apps: running, text } of report.returns) {
        expect([...running].sort()).toEqual(listeners.map(packageOf).sort());
        expect(text).toBe(caption);
      }
      expect(report.photoCame).toBe(true);
      // Long enough away for the SDK to give up: a webhook has brought both apps back.
      expect(report.begunAnew).toEqual([1, 1]);
      // Said to have begun before the kill, and to have ended with it, as far as the process had noted that it lived.
      expect(report.gap?.fromMs).toBeLessThan(0);
      expect(report.gap?.toMs).toBeLessThan(500);
      // The figures are printed above; a machine that is busy with other tests is several times slower than that.
      for (const ms of report.atRiskMs) expect(ms).toBeLessThan(1_000);
      for (const ms of report.bootMs) expect(ms).toBeLessThan(10_000);
    }, 120_000);

    test("without commits presses are lost that had reached another app already", async () => {
      const random = seededRandom("crash without commits");
      const fault = "./faults/commits-no-events.ts";
      const report = await crash(apps, random, { kills: 1, aliveMs: 300, lastAwayMs: 0, fault });
      say(report);
      expect(mostLost(report.verdicts)).toBeGreaterThan(0);
      expect(report.uncommitted.length).toBeGreaterThan(0);
    });
  });
});
