import { test } from "bun:test";
import fc from "fast-check";
import { runScript, scripts } from "../support/order-rules.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Enough steps of 0 to 50 ms, and now and then of up to 2 s, for ten simulated minutes. */
const steps = 17_000;

test("the rules between the managers hold for fifty users with five apps each, ten minutes five times over", async () => {
  const { seed } = seededRandom("order rules, long");
  let minutes = 0;
  await fc.assert(
    fc.asyncProperty(scripts(50, steps), async (script) => {
      minutes += script.reduce((sum, { waitMs }) => sum + waitMs, 0) / 60_000;
      await runScript(50, script);
    }),
    { seed, numRuns: 5, interruptAfterTimeLimit: 500_000, markInterruptAsFailure: true },
  );
  process.stdout.write(`${minutes.toFixed(1)} simulated minutes, every rule checked after every event\n`);
}, 600_000);
