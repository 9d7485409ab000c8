import { expect, test } from "bun:test";
import { randomScript, type Step } from "../support/life-script.ts";
import { holdRules, type Meddle, runScript } from "../support/order-rules.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** The short version; `bun run proof` runs fifty users for ten simulated minutes. */
test("the rules between the managers hold through random lives", async () => {
  const random = seededRandom("order rules");
  for (let run = 0; run < 20; run++) await holdRules(5, randomScript(random, 5, 500), 20_000);
}, 60_000);

const ghost = {
  type: "display_event",
  packageName: "com.a",
  view: "main",
  layout: { layoutType: "clear_view" },
} as const;

/** Whoever presses a button has his screen cleared by an app, whether it runs or not. */
const haunt: Meddle = (glasses, { action }) => {
  if (action === "button") glasses.send(ghost);
};

test("the rules are checked: a text that is shown after its app was stopped is found", async () => {
  const step = { user: 0, app: 2, pick: 1, waitMs: 500 };
  const steps: Step[] = [
    { ...step, action: "returnGlasses" },
    { ...step, action: "start" },
    { ...step, action: "stop" },
    { ...step, action: "button" },
  ];
  await runScript(1, steps);
  const forged = runScript(1, steps, haunt);
  expect(await forged.then(() => "held", String)).toContain("com.a is not shown after it was stopped");
});

test("a script that breaks a rule is cut down to the few steps that do it", async () => {
  const random = seededRandom("order rules, cut down");
  const haunted = await holdRules(5, randomScript(random, 5, 500), 20_000, haunt).then(() => "held", String);
  const [, steps = "[]"] = /shortest script, of \d+ steps: (.*)$/.exec(haunted) ?? [];
  const script: Step[] = JSON.parse(steps);
  expect(script.length).toBeGreaterThan(0);
  expect(script.length).toBeLessThan(10);
  expect(await runScript(5, script, haunt).then(() => "held", String)).toContain("broken rule");
  await runScript(5, script);
}, 60_000);

test("D-11: an app that another one has replaced and that is started again outlives the late close of its first socket", async () => {
  const step = { user: 0, pick: 1, waitMs: 100 };
  await runScript(1, [
    { ...step, app: 0, action: "returnGlasses" },
    { ...step, app: 0, action: "start" },
    { ...step, app: 1, action: "start" },
    { ...step, app: 0, action: "start" },
    { ...step, app: 0, action: "lateClose", waitMs: 5_000 },
  ]);
});
