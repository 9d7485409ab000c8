import { expect, test } from "bun:test";
import { randomScript } from "../support/life-script.ts";
import { holdRules } from "../support/order-rules.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Enough steps of 0 to 50 ms, and now and then of up to 2 s, for ten simulated minutes. */
const steps = 8_500;

test("the rules between the managers hold for fifty users with five apps each, ten minutes five times over", async () => {
  const random = seededRandom("order rules, long");
  let minutes = 0;
  for (let run = 0; run < 5; run++) {
    const script = randomScript(random, 50, steps);
    await holdRules(50, script, 300_000);
    minutes += script.reduce((sum, { waitMs }) => sum + waitMs, 0) / 60_000;
  }
  process.stdout.write(`${minutes.toFixed(1)} simulated minutes, every rule checked after every event\n`);
}, 600_000);

test("a script of ten minutes that breaks a rule is cut down to fewer than ten steps", async () => {
  const random = seededRandom("order rules, long, cut down");
  const script = randomScript(random, 50, steps);
  const broken = holdRules(50, script, 120_000, (glasses, { action, pick }) => {
    const ghost = { type: "display_event", packageName: "com.a", view: "main" } as const;
    if (action === "voiceOff" && pick % 4 === 0)
      glasses.send({ ...ghost, layout: { layoutType: "clear_view" } });
  });
  const found = await broken.then(() => "held", String);
  process.stdout.write(`${found}\n`);
  const [, count = "100"] = /shortest script, of (\d+) steps/.exec(found) ?? [];
  expect(Number(count)).toBeLessThan(10);
}, 600_000);
