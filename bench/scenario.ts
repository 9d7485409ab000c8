import type { Patience } from "./busy-cores.ts";
import type { Surroundings } from "./macro/surroundings.ts";
import type { Outcome } from "./outcome.ts";

export interface BenchContext {
  /** Whether the figures are to be good enough to judge the targets by, at the sizes that these name. */
  readonly full: boolean;
  readonly surroundings: Surroundings;
  readonly patience: Patience;
  /** Until then (`performance.now()`) rounds may be added for void ones: a run has to end some time. */
  readonly addRoundsUntilMs: number;
  /** Tells whoever waits what is going on. */
  say(line: string): void;
}

/** One question that the bench answers. */
export interface Scenario {
  readonly name: string;
  /** Whether it belongs to a run that takes no more than three minutes. */
  readonly inShortRun: boolean;
  run(context: BenchContext): Promise<Outcome>;
}
