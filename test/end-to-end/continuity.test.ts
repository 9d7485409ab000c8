import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ContinuityApps, listeners, sdkRuntimes } from "../support/continuity-apps.ts";
import { loseNetwork } from "../support/network-loss.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** What the README guarantees, clause by clause, with unmodified SDK apps on Bun and Node and one that keeps count. */
describe("nothing is lost", () => {
  let apps: ContinuityApps;

  beforeAll(async () => {
    apps = await ContinuityApps.start();
  }, 60_000);
  afterAll(() => apps?.stop());

  describe("when connections of apps are cut", () => {
    test("every press arrives, in order; twice only what was not confirmed, and not even that with a count", async () => {
      const random = seededRandom("network loss");
      const report = await loseNetwork(apps, random, { cuts: 3, aliveMs: 800 });
      process.stdout.write(`${JSON.stringify(report)}\n`);
      for (const listener of listeners) {
        const { lost, disordered } = report.verdicts[listener];
        expect({ listener, lost, disordered }).toEqual({ listener, lost: [], disordered: [] });
        expect(report.needless[listener]).toEqual([]);
      }
      expect(report.verdicts.counting.duplicates).toEqual([]);
      // Exactly so with a clock of the test's own, in app-receipts.test.ts; here the machine may be slow.
      expect(report.windowMs).toBeLessThan(250 + report.roundTripMs + 1_000);
    });

    test("without replay the same presses are lost", async () => {
      const random = seededRandom("network loss without replay");
      const fault = "./faults/forgets-at-loss.ts";
      const { verdicts } = await loseNetwork(apps, random, { cuts: 1, aliveMs: 500, fault });
      for (const runtime of sdkRuntimes) expect(verdicts[runtime].lost.length).toBeGreaterThan(0);
    });
  });
});
