import { expect, test } from "bun:test";
import fc from "fast-check";
import { runScript, type Step, scripts } from "../support/order-rules.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** The short version; `bun run proof` runs fifty users for ten simulated minutes. */
test("the rules between the managers hold through random lives", async () => {
  const { seed } = seededRandom("order rules");
  await fc.assert(
    fc.asyncProperty(scripts(5, 400), (steps) => runScript(5, steps)),
    { seed, numRuns: 15, endOnFailure: false },
  );
});

test("the rules are checked: a text that is shown after its app was stopped is found", async () => {
  const steps: Step[] = [
    { user: 0, app: 2, action: "returnGlasses", waitMs: 100 },
    { user: 0, app: 2, action: "start", waitMs: 100 },
    { user: 0, app: 2, action: "stop", waitMs: 500 },
  ];
  await runScript(1, steps);
  const ghost = {
    type: "display_event",
    packageName: "com.a",
    view: "main",
    layout: { layoutType: "text_wall", text: "com.a 0" },
  } as const;
  const forged = runScript(
    1,
    [...steps, { user: 0, app: 0, action: "voiceOff", waitMs: 0 }],
    (glasses, step) => {
      if (step === 3) glasses.send(ghost);
    },
  );
  expect(await forged.then(() => "held", String)).toContain("com.a is not shown after it was stopped");
});
