import { expect, test } from "bun:test";
import { seededRandom } from "../support/seeded-random.ts";
import { playSpeechScript } from "../support/speech-script.ts";

test("1,000 fault scripts settle every spoken number exactly once and in order, or count the gap", async () => {
  const random = seededRandom("speech scripts");
  const sums: Record<string, number> = {};
  const add = (what: string, by: number) => {
    sums[what] = (sums[what] ?? 0) + by;
  };
  for (let script = 0; script < 1_000; script++) {
    const { spoken, languages, crashes, lostSamples, counts, problems } = await playSpeechScript(random);
    expect({ script, problems }).toEqual({ script, problems: [] });
    add("numbers", spoken);
    add("crashes", crashes);
    add("scripts in two languages", languages - 1);
    add("scripts with a counted gap", lostSamples > 0 ? 1 : 0);
    for (const [what, by] of Object.entries(counts)) add(what, by);
  }
  process.stdout.write(`${JSON.stringify(sums)}\n`);
  // All of it has happened, and not by accident only once.
  for (const what of ["scripts in two languages", "crashes", "failed", "failed_over", "rotated"])
    expect(sums[what]).toBeGreaterThan(50);
}, 1_800_000);

test.each([
  ["without replay the same scripts lose numbers that nobody counts", { replay: false }, 50],
  [
    "without word of what a dead worker has told they repeat numbers and leave utterances open",
    { hands: false },
    10,
  ],
] as const)(
  "%s",
  async (_, options, least) => {
    const random = seededRandom("speech scripts that must fail");
    let failed = 0;
    for (let script = 0; script < 100; script++) {
      const { problems } = await playSpeechScript(random, options);
      if (problems.length > 0) failed++;
    }
    process.stdout.write(`${failed} of 100 scripts fail\n`);
    expect(failed).toBeGreaterThan(least);
  },
  600_000,
);
