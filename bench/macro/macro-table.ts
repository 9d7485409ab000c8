import { type Spread, spreadOf } from "../statistics.ts";
import { formatFigure, formatTable } from "../table.ts";
import type { Round } from "./rounds.ts";
import type { Trial } from "./trial.ts";

/** One variant over all rounds in which it counts. */
export interface MacroResult {
  readonly variant: string;
  readonly trials: number;
  readonly voidTrials: number;
  readonly cpuUsPerFrame: Spread | undefined;
  readonly mainUsPerFrame: Spread | undefined;
  /** Against the baseline of the same round, so only over rounds in which both count. */
  readonly cpuRatio: Spread | undefined;
  readonly coresServer: Spread | undefined;
  readonly coresGenerator: Spread | undefined;
  readonly coresApp: Spread | undefined;
  readonly lagP50Ms: Spread | undefined;
  readonly lagP99Ms: Spread | undefined;
  readonly lagMaxMs: Spread | undefined;
  readonly ringP50Ms: Spread | undefined;
  readonly ringP99Ms: Spread | undefined;
  readonly toAppP50Ms: Spread | undefined;
  readonly toAppP99Ms: Spread | undefined;
  /** Over all trials, void ones included: what is lost is lost. */
  readonly sent: number;
  readonly missing: number;
  readonly lost: Readonly<Record<string, number>>;
}

/** Brings the rounds together, a result each variant. The first trial of a round is its baseline. */
export function summarise(rounds: readonly Round[]): MacroResult[] {
  return (rounds[0] ?? []).map(({ variant }, index) => {
    const all = rounds.flatMap((round) => round[index] ?? []);
    const counting = all.filter((trial) => trial.void === undefined);
    const over = (figure: (trial: Trial) => number | undefined) =>
      spreadOf(counting.map(figure).filter((value) => value !== undefined));
    const ratios = rounds.flatMap((round) => {
      const [base, own] = [round[0], round[index]];
      return base && own && !base.void && !own.void ? own.cpuUsPerFrame / base.cpuUsPerFrame : [];
    });
    return {
      variant,
      trials: all.length,
      voidTrials: all.length - counting.length,
      cpuUsPerFrame: over((trial) => trial.cpuUsPerFrame),
      mainUsPerFrame: over((trial) => trial.mainUsPerFrame),
      cpuRatio: spreadOf(ratios),
      coresServer: over((trial) => trial.cores.server),
      coresGenerator: over((trial) => trial.cores.generator),
      coresApp: over((trial) => trial.cores.app),
      lagP50Ms: over((trial) => trial.lag.p50),
      lagP99Ms: over((trial) => trial.lag.p99),
      lagMaxMs: over((trial) => trial.lag.max),
      ringP50Ms: over((trial) => trial.ring?.p50),
      ringP99Ms: over((trial) => trial.ring?.p99),
      toAppP50Ms: over((trial) => trial.toApp?.p50),
      toAppP99Ms: over((trial) => trial.toApp?.p99),
      sent: sum(all.map((trial) => trial.sent)),
      missing: sum(all.map((trial) => trial.missing)),
      lost: sumByName(all.map((trial) => trial.lost)),
    };
  });
}

export function macroTable(results: readonly MacroResult[]): string {
  return formatTable(
    ["", ...results.map(({ variant }) => variant)],
    [
      row("CPU a frame, all threads, us", results, (result) => spread(result.cpuUsPerFrame)),
      row("the same x baseline", results, (result) => spread(result.cpuRatio)),
      row("CPU a frame, main thread, us", results, (result) => spread(result.mainUsPerFrame)),
      row("cores taken by the server", results, (result) => spread(result.coresServer)),
      row("cores taken by the generator", results, (result) => spread(result.coresGenerator)),
      row("cores taken by the apps", results, (result) => spread(result.coresApp)),
      row("main loop lag p50, ms", results, (result) => spread(result.lagP50Ms)),
      row("main loop lag p99, ms", results, (result) => spread(result.lagP99Ms)),
      row("main loop lag max, ms", results, (result) => spread(result.lagMaxMs)),
      row("socket to worker p50, ms, under", results, (result) => spread(result.ringP50Ms)),
      row("socket to worker p99, ms, under", results, (result) => spread(result.ringP99Ms)),
      row("glasses to app p50, ms", results, (result) => spread(result.toAppP50Ms)),
      row("glasses to app p99, ms", results, (result) => spread(result.toAppP99Ms)),
      row("frames sent, void trials too", results, (result) => String(result.sent)),
      row("frames missing, void trials too", results, (result) => String(result.missing)),
      row("lost by cause, void trials too", results, (result) => byCause(result.lost)),
      row("trials, void ones", results, (result) => `${result.trials}, ${result.voidTrials}`),
    ],
  );
}

function row(
  title: string,
  results: readonly MacroResult[],
  cell: (result: MacroResult) => string,
): string[] {
  return [title, ...results.map(cell)];
}

/** The median, and in brackets how far the rounds lay apart. */
function spread(value: Spread | undefined): string {
  if (value === undefined) return "-";
  const { median, min, max } = value;
  return `${formatFigure(median)} (${formatFigure(min)} to ${formatFigure(max)})`;
}

function byCause(lost: Readonly<Record<string, number>>): string {
  return (
    Object.entries(lost)
      .map(([cause, count]) => `${cause} ${count}`)
      .join(", ") || "none"
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function sumByName(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const count of counts) {
    for (const [name, value] of Object.entries(count)) total[name] = (total[name] ?? 0) + value;
  }
  return total;
}
