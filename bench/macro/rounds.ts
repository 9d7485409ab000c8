import type { Figure, Plot } from "../outcome.ts";
import type { BenchContext } from "../scenario.ts";
import { type Spread, spreadOf } from "../statistics.ts";
import { formatFigure, formatTable } from "../table.ts";
import { seriesStepMs } from "./load-probe.ts";
import { type Percentiles, runTrial, type Trial } from "./trial.ts";
import type { TrialPlan } from "./trial-plan.ts";

/** How long to wait for a noisy neighbour before the first round and before each further one. */
const firstQuietMs = 5_000;
const nextQuietMs = 10_000;

type Reading = (trial: Trial) => number | undefined;

/** Trials of several variants, taken in turn so that what else the machine does hits all of them. */
export class Rounds {
  readonly #rounds: readonly (readonly Trial[])[];
  readonly names: readonly string[];

  constructor(rounds: readonly (readonly Trial[])[]) {
    this.#rounds = rounds;
    this.names = (rounds[0] ?? []).map(({ name }) => name);
  }

  /**
   * Runs `count` rounds of one trial of every plan. For each round with a void trial one more is run, up to `spare`, while
   * there is time.
   */
  static async run(
    plans: readonly TrialPlan[],
    { count, spare }: { readonly count: number; readonly spare: number },
    { surroundings, patience, addRoundsUntilMs, say }: BenchContext,
  ): Promise<Rounds> {
    const rounds: Trial[][] = [];
    for (let wanted = count; rounds.length < wanted; ) {
      const round: Trial[] = [];
      await patience.untilQuiet(rounds.length === 0 ? firstQuietMs : nextQuietMs);
      for (const plan of plans) {
        const trial = await runTrial(plan, surroundings);
        round.push(trial);
        say(`  round ${rounds.length + 1}: ${describe(trial)}`);
      }
      rounds.push(round);
      const mayAdd = wanted < count + spare && performance.now() < addRoundsUntilMs;
      if (mayAdd && round.some((trial) => trial.void !== undefined)) wanted++;
    }
    return new Rounds(rounds);
  }

  /** All trials of a variant, void ones included. */
  all(name: string): readonly Trial[] {
    return this.#rounds.flatMap((round) => round.filter((trial) => trial.name === name));
  }

  counting(name: string): readonly Trial[] {
    return this.all(name).filter((trial) => trial.void === undefined);
  }

  /** A figure over the trials that count; undefined when there is none. */
  over(name: string, reading: Reading): Spread | undefined {
    return spreadOf(
      this.counting(name)
        .map(reading)
        .filter((value) => value !== undefined),
    );
  }

  /** A figure of one variant against that of another in the same round, where both count. */
  ratio(name: string, base: string, reading: Reading): Spread | undefined {
    return spreadOf(
      this.#rounds.flatMap((round) => {
        const [own, other] = [name, base].map((one) => round.find((trial) => trial.name === one));
        const [a, b] = [own, other].map((trial) =>
          trial === undefined || trial.void !== undefined ? undefined : reading(trial),
        );
        return a === undefined || b === undefined || b === 0 ? [] : [a / b];
      }),
    );
  }

  /** Frames that were lost over the trials that count; undefined when none does. A gap is a loss seen from its other end. */
  lost(name: string): number | undefined {
    const trials = this.counting(name);
    return trials.length === 0
      ? undefined
      : trials.reduce((sum, { missing, gaps }) => sum + Math.max(missing, gaps), 0);
  }

  table(): string {
    const row = (title: string, cell: (name: string) => string) => [title, ...this.names.map(cell)];
    const figure = (title: string, reading: Reading) =>
      row(title, (name) => formatSpread(this.over(name, reading)));
    const latency = (title: string, of: (trial: Trial) => Percentiles | undefined) =>
      this.names.some((name) => this.counting(name).some((trial) => of(trial) !== undefined))
        ? [
            figure(`${title} p50, ms`, (trial) => of(trial)?.p50),
            figure(`${title} p99, ms`, (trial) => of(trial)?.p99),
          ]
        : [];
    const base = this.names[0] ?? "";
    return formatTable(
      ["", ...this.names],
      [
        figure("CPU a frame, all threads, us", (trial) => trial.cpuUsPerFrame),
        row(`the same x ${base}`, (name) =>
          formatSpread(this.ratio(name, base, (trial) => trial.cpuUsPerFrame)),
        ),
        figure("CPU a frame, main thread, us", (trial) => trial.mainUsPerFrame),
        figure("cores taken by the server", (trial) => trial.cores["server"]),
        figure("cores taken by the generator", (trial) => trial.cores["generator"]),
        figure("cores taken by the apps", (trial) => trial.cores["apps"]),
        figure("cores taken by others", (trial) => trial.cores["others"]),
        ...latency("main loop lag", ({ lag }) => lag),
        figure("main loop lag max, ms", ({ lag }) => lag?.max),
        ...latency("ring to worker", ({ stages }) => stages.ring_to_worker),
        ...latency("glasses to app", ({ audioToApp }) => audioToApp),
        ...latency("glasses to speech service", ({ audioToSpeech }) => audioToSpeech),
        ...latency("speech service to app", ({ transcriptToApp }) => transcriptToApp),
        ...latency("display pacing error", ({ pacingError }) => pacingError),
        row("frames sent, void trials too", (name) => String(sum(this.all(name).map(({ sent }) => sent)))),
        row("frames missing, void trials too", (name) =>
          String(sum(this.all(name).map(({ missing, gaps }) => Math.max(missing, gaps)))),
        ),
        row("lost by cause, void trials too", (name) => byCause(this.all(name).map(({ lost }) => lost))),
        row(
          "trials, void ones",
          (name) => `${this.all(name).length}, ${this.all(name).length - this.counting(name).length}`,
        ),
      ],
    );
  }

  /** What is kept for comparison. */
  figures(scenario: string): Figure[] {
    return this.names.flatMap((name) => {
      const figure = (what: string, reading: Reading): Figure[] => {
        const spread = this.over(name, reading);
        return spread === undefined
          ? []
          : [{ name: `${scenario} / ${name} / ${what}`, spread, better: "less" }];
      };
      const base = this.names[0] ?? "";
      const ratio = this.ratio(name, base, (trial) => trial.cpuUsPerFrame);
      return [
        ...figure("CPU us a frame", (trial) => trial.cpuUsPerFrame),
        ...figure("main CPU us a frame", (trial) => trial.mainUsPerFrame),
        ...(ratio === undefined || name === base
          ? []
          : [{ name: `${scenario} / ${name} / CPU x ${base}`, spread: ratio, better: "less" } as const]),
        ...figure("main loop lag p99 ms", ({ lag }) => lag?.p99),
        ...figure("ring to worker p99 ms", ({ stages }) => stages.ring_to_worker?.p99),
        ...figure("glasses to app p99 ms", ({ audioToApp }) => audioToApp?.p99),
        ...figure("glasses to speech service p99 ms", ({ audioToSpeech }) => audioToSpeech?.p99),
        ...figure("speech service to app p99 ms", ({ transcriptToApp }) => transcriptToApp?.p99),
      ];
    });
  }

  /** The main loop's lag over the time of one trial of each variant. */
  lagPlot(title: string): Plot {
    return {
      title,
      x: "s",
      y: "longest lag of the main loop, ms",
      logY: true,
      series: this.names.flatMap((name) => {
        const trial = this.counting(name)[0] ?? this.all(name)[0];
        if (trial === undefined) return [];
        const points = trial.lagSeries.map(
          (ms, i) => [(i * seriesStepMs) / 1000, Math.max(0.01, ms)] as const,
        );
        return [{ name, points }];
      }),
    };
  }

  /** Why trials do not count, a line each. */
  voidNotes(): string[] {
    return this.names.flatMap((name) => {
      const voids = this.all(name).filter((trial) => trial.void !== undefined);
      return voids.length === 0
        ? []
        : [`VOID: ${voids.length} of ${this.all(name).length} trials of "${name}": ${voids[0]?.void}`];
    });
  }
}

function describe(trial: Trial): string {
  const parts = [
    `${trial.name}: ${formatFigure(trial.cpuUsPerFrame)} us a frame`,
    `lag p99 ${formatFigure(trial.lag?.p99)} ms`,
    `missing ${trial.missing + trial.gaps}`,
    `generator late p99 ${formatFigure(trial.lateness?.p99)} ms`,
  ];
  return parts.join(", ") + (trial.void === undefined ? "" : `  VOID: ${trial.void}`);
}

/** The median, and in brackets how far the rounds lay apart. */
export function formatSpread(value: Spread | undefined): string {
  if (value === undefined) return "-";
  const { median, min, max } = value;
  return `${formatFigure(median)} (${formatFigure(min)} to ${formatFigure(max)})`;
}

function byCause(losses: readonly Readonly<Record<string, number>>[]): string {
  const total = new Map<string, number>();
  for (const lost of losses) {
    for (const [cause, count] of Object.entries(lost)) total.set(cause, (total.get(cause) ?? 0) + count);
  }
  return [...total].map(([cause, count]) => `${cause} ${count}`).join(", ") || "none";
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
