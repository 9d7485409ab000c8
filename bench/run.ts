import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { ArgumentError, type BenchArguments, matches, parseArguments, usage } from "./arguments.ts";
import { type MacroResult, macroTable, summarise } from "./macro/macro-table.ts";
import { type MacroPlan, type Round, runRounds, usualPlan, variants } from "./macro/rounds.ts";
import type { Trial } from "./macro/trial.ts";
import { codecGroups } from "./micro/codecs.bench.ts";
import { ringGroups } from "./micro/ring.bench.ts";
import { type MicroResult, microTable, runMicroGroup } from "./micro/run-micro.ts";
import { formatFigure } from "./table.ts";

/** `bun run bench`: where time goes, as ratios against a baseline that is measured in the same run. */
const microGroups = [...ringGroups, ...codecGroups];
const microName = (name: string) => `micro ${name}`;
const macroName = (name: string) => `macro ${name}`;

interface Figures {
  readonly date: string;
  readonly machine: ReturnType<typeof describeMachine>;
  readonly micro: readonly MicroResult[];
  readonly macro: {
    readonly plan: MacroPlan;
    readonly results: readonly MacroResult[];
    readonly rounds: readonly Round[];
  };
}

function describeMachine() {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    kernel: release(),
    bun: Bun.version,
    loadBefore: loadavg()[0],
  };
}

async function runMicro(only: string | undefined): Promise<MicroResult[]> {
  const results: MicroResult[] = [];
  for (const group of microGroups.filter(({ name }) => matches(microName(name), only))) {
    const measured = await runMicroGroup(group);
    results.push(...measured);
    console.log(`\n${microName(group.name)}\n\n${microTable(measured, group.baseline)}`);
  }
  return results;
}

async function runMacro({ only, sessions }: BenchArguments): Promise<Figures["macro"]> {
  const plan = { ...usualPlan, sessions };
  const chosen = variants.filter(({ bench }) => matches(macroName(bench), only));
  if (chosen.length === 0) return { plan, results: [], rounds: [] };
  const { rounds: count, measuredMs } = plan;
  console.log(
    `\nmacro: ${sessions} sessions of PCM, 50 frames of 640 B a second each; ${count} rounds in turn, ${measuredMs / 1000} s each\n`,
  );
  const rounds = await runRounds(chosen, plan, (round, trial) => console.log(describeTrial(round, trial)));
  const results = summarise(rounds);
  console.log(
    `\n${macroTable(results)}\n\nMedian of the rounds that count, and in brackets the least and the most.`,
  );
  for (const { variant, trials, voidTrials } of results) {
    if (voidTrials > 0)
      console.log(`VOID: ${voidTrials} of ${trials} trials of "${variant}", which are left out.`);
  }
  return { plan, results, rounds };
}

function describeTrial(round: number, trial: Trial): string {
  const late = `generator late p99 ${formatFigure(trial.lateness?.p99)} ms`;
  const verdict = trial.void === undefined ? "" : `  VOID: ${trial.void}`;
  return `round ${round}  ${trial.variant}: ${formatFigure(trial.cpuUsPerFrame)} us a frame, missing ${trial.missing}, ${late}${verdict}`;
}

async function run(args: BenchArguments): Promise<void> {
  const { only, json } = args;
  const machine = describeMachine();
  const date = new Date().toISOString();
  console.log(
    `${date.slice(0, 10)}, ${machine.cores} cores (${machine.processor}), Bun ${machine.bun}, load before ${formatFigure(machine.loadBefore)}`,
  );
  const started = performance.now();
  const figures: Figures = { date, machine, micro: await runMicro(only), macro: await runMacro(args) };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(figures, undefined, 2)}\n`);
  console.log(`\n${Math.round((performance.now() - started) / 1000)} s${json ? `, figures in ${json}` : ""}`);
}

// Children end when this process does.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

try {
  const names = [
    ...microGroups.map(({ name }) => microName(name)),
    ...variants.map(({ bench }) => macroName(bench)),
  ];
  const args = parseArguments(process.argv.slice(2), names);
  if (args === undefined) console.log(usage);
  else await run(args);
  // Some library may hold the loop open; everything is closed and written.
  process.exit(0);
} catch (error) {
  if (error instanceof ArgumentError) console.error(`${error.message}\n${usage}`);
  else console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
