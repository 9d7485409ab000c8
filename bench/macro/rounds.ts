import type { AppHostCommands } from "./app-host.ts";
import { BenchProcess } from "./control.ts";
import type { GeneratorCommands } from "./generator.ts";
import { runTrial, type Trial, type TrialPlan, type Variant } from "./trial.ts";

export const baseline: Variant = {
  name: "bare Bun.serve",
  server: new URL("./baseline-server.ts", import.meta.url),
  listening: false,
};

const browline = new URL("./browline-server.ts", import.meta.url);

/** What is compared with the baseline. */
export const variants: readonly (Variant & { readonly bench: string })[] = [
  { bench: "ingest: nobody listens", name: "Browline, nobody listens", server: browline, listening: false },
  {
    bench: "relay: an app hears each session",
    name: "Browline, an app each",
    server: browline,
    listening: true,
  },
];

export interface MacroPlan extends TrialPlan {
  /** Each with one trial of every variant, in turn, so that what else the machine does hits all of them. */
  readonly rounds: number;
  /** Rounds that may be added for those with a void trial. */
  readonly spareRounds: number;
}

export const usualPlan: Omit<MacroPlan, "sessions"> = {
  warmupMs: 1_500,
  measuredMs: 4_000,
  rounds: 3,
  spareRounds: 2,
};

/** One trial of every variant, the baseline first. */
export type Round = readonly Trial[];

/** Runs the rounds. `onTrial` hears of every trial when it is over. */
export async function runRounds(
  chosen: readonly Variant[],
  plan: MacroPlan,
  onTrial: (round: number, trial: Trial) => void,
): Promise<Round[]> {
  const surroundings = {
    generator: new BenchProcess<GeneratorCommands>(new URL("./generator.ts", import.meta.url)),
    appHost: new BenchProcess<AppHostCommands>(new URL("./app-host.ts", import.meta.url)),
  };
  const rounds: Round[] = [];
  try {
    let wanted = plan.rounds;
    while (rounds.length < wanted) {
      const round: Trial[] = [];
      for (const variant of [baseline, ...chosen]) {
        const trial = await runTrial(variant, plan, surroundings);
        round.push(trial);
        onTrial(rounds.length + 1, trial);
      }
      rounds.push(round);
      if (round.some((trial) => trial.void) && wanted < plan.rounds + plan.spareRounds) wanted++;
    }
  } finally {
    await Promise.all([surroundings.generator.close(), surroundings.appHost.close()]);
  }
  return rounds;
}
