import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import { ArgumentError, type BenchArguments, matches, parseArguments, usage } from "./arguments.ts";
import { Patience } from "./busy-cores.ts";
import { compareRuns, comparisonTable } from "./compare.ts";
import { maySchedule } from "./macro/scheduling.ts";
import { Surroundings } from "./macro/surroundings.ts";
import { nothingFound, type Outcome } from "./outcome.ts";
import { profileLoad } from "./profile.ts";
import { controlTable, renderReport, verdictTable } from "./report.ts";
import type { Machine, NamedOutcome, Results } from "./results.ts";
import type { BenchContext } from "./scenario.ts";
import { runSoak } from "./scenarios/soak.ts";
import { scenarios } from "./scenarios.ts";
import { formatFigure } from "./table.ts";

/** `bun run bench`: where time goes, as ratios against a baseline that is measured in the same run. */
const resultsDir = join(import.meta.dir, "results");

function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    kernel: release(),
    bun: Bun.version,
    loadBefore: loadavg()[0] ?? Number.NaN,
    generatorFirst: maySchedule(),
  };
}

const sharesAlike =
  "Without root on Linux, or with one core, the generator shares the processor like everybody else: more rounds are void, and figures are not to be compared with those of a run in which it comes first.";

function say(line: string): void {
  console.log(line);
}

/** Runs what was asked for. What fails is said, and does not keep the rest from running. */
async function runScenarios({ only, full }: BenchArguments & { command: "bench" }): Promise<NamedOutcome[]> {
  const chosen = scenarios.filter(({ name, inShortRun }) =>
    only === undefined ? full || inShortRun : matches(name, only),
  );
  const patience = new Patience(full ? 120_000 : 10_000);
  const addRoundsUntilMs = performance.now() + (full ? 15 * 60_000 : 100_000);
  let context: BenchContext = {
    full,
    surroundings: new Surroundings(),
    patience,
    addRoundsUntilMs,
    say,
  };
  const found: NamedOutcome[] = [];
  try {
    for (const { name, run } of chosen) {
      const startMs = performance.now();
      say(`\n${name}`);
      let outcome: Outcome = nothingFound;
      let problem: string | undefined;
      try {
        outcome = await run(context);
        for (const { title, text } of outcome.tables) say(`\n${title}\n\n${text}`);
        for (const note of outcome.notes) say(note);
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
        say(`FAILED: ${problem}`);
        // Whatever state they are in, the next scenario is to start with fresh ones.
        await context.surroundings.close();
        context = { ...context, surroundings: new Surroundings() };
      }
      const seconds = Math.round((performance.now() - startMs) / 1000);
      found.push({ name, seconds, outcome, ...(problem !== undefined && { problem }) });
    }
  } finally {
    await context.surroundings.close();
  }
  return found;
}

async function bench(args: BenchArguments & { command: "bench" }): Promise<void> {
  const machine = describeMachine();
  const date = new Date().toISOString();
  say(
    `${date.slice(0, 10)}, ${machine.cores} cores (${machine.processor}), Bun ${machine.bun}, load before ${formatFigure(machine.loadBefore)}`,
  );
  if (!machine.generatorFirst) say(sharesAlike);
  const startMs = performance.now();
  const outcomes = await runScenarios(args);
  const results: Results = {
    version: 1,
    date,
    command: ["bun run bench", ...process.argv.slice(2)].join(" "),
    machine,
    seconds: Math.round((performance.now() - startMs) / 1000),
    scenarios: outcomes,
  };
  summarise(results, args);
}

function summarise(results: Results, { compare, json }: BenchArguments & { command: "bench" }): void {
  const verdicts = results.scenarios.flatMap(({ outcome }) => outcome.verdicts);
  const controls = results.scenarios.flatMap(({ outcome }) => outcome.controls);
  const differences = compare && compareRuns(compare, results);
  if (verdicts.length > 0) say(`\nTargets\n\n${verdictTable(verdicts)}`);
  if (controls.length > 0) say(`\nNegative controls\n\n${controlTable(controls)}`);
  if (differences !== undefined) {
    say(`\nCompared with the run of ${compare?.date.slice(0, 10)}\n\n${comparisonTable(differences)}`);
  }
  mkdirSync(resultsDir, { recursive: true });
  const file = json ?? join(resultsDir, `${results.date.slice(0, 16).replaceAll(":", "-")}.json`);
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  const report = file.replace(/(\.json)?$/, ".html");
  writeFileSync(report, renderReport(results, differences));
  const failed = results.scenarios.filter(({ problem }) => problem !== undefined);
  say(`\n${results.seconds} s, figures in ${file}, report in ${report}`);
  if (failed.length > 0) {
    say(`${failed.map(({ name }) => name).join(", ")} failed`);
    process.exitCode = 1;
  }
}

async function soak(minutes: number): Promise<void> {
  const surroundings = new Surroundings();
  try {
    const { verdicts, notes } = await runSoak(minutes, {
      full: true,
      surroundings,
      patience: new Patience(0),
      addRoundsUntilMs: 0,
      say,
    });
    say(`\n${verdictTable(verdicts)}\n\n${notes.join("\n")}`);
  } finally {
    await surroundings.close();
  }
}

// Children end when this process does.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

try {
  const args = parseArguments(
    process.argv.slice(2),
    scenarios.map(({ name }) => name),
  );
  if (args === undefined) say(usage);
  else if (args.command === "soak") await soak(args.minutes);
  else if (args.command === "profile") await profileLoad(args, join(resultsDir, "profiles"), say);
  else await bench(args);
  // Some library may hold the loop open; everything is closed and written.
  process.exit();
} catch (error) {
  if (error instanceof ArgumentError) console.error(`${error.message}\n${usage}`);
  else console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
