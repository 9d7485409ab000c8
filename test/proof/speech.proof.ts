import { expect, test } from "bun:test";
import { seededRandom } from "../support/seeded-random.ts";
import { playSpeechScript } from "../support/speech-script.ts";

test("1,000 fault scripts settle every spoken number exactly once and in order, or count the gap", async () => {
  const random = seededRandom("speech scripts");
  const sums: Record<string, number> = { numbers: 0, crashes: 0, "scripts with a counted gap": 0 };
  const add = (what: string, by: number) => {
    sums[what] = (sums[what] ?? 0) + by;
  };
  for (let script = 0; script < 1_000; script++) {
    const { spoken, crashes, lostSamples, counts, problems } = await playSpeechScript(random);
    expect({ script, problems }).toEqual({ script, problems: [] });
    add("numbers", spoken);
    add("crashes", crashes);
    add("scripts with a counted gap", lostSamples > 0 ? 1 : 0);
    for (const [what, by] of Object.entries(counts)) add(what, by);
  }
  process.stdout.write(`${JSON.stringify(sums)}\n`);
  // All of it has happened, and not by accident only once.
  for (const what of ["crashes", "failed", "failed_over", "rotated"]) expect(sums[what]).toBeGreaterThan(50);
}, 1_800_000);

test("without replay the same scripts lose numbers that nobody counts", async () => {
  const random = seededRandom("speech scripts without replay");
  let failed = 0;
  for (let script = 0; script < 100; script++) {
    const { problems } = await playSpeechScript(random, { replay: false });
    if (problems.length > 0) failed++;
  }
  process.stdout.write(`${failed} of 100 scripts fail\n`);
  expect(failed).toBeGreaterThan(50);
}, 600_000);
