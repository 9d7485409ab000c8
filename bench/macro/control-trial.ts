import type { BenchContext } from "../scenario.ts";
import { Rounds } from "./rounds.ts";
import type { TrialPlan } from "./trial-plan.ts";

/** A variant that is expected to miss its limit, once. */
export interface ControlTrial {
  /** Main loop lag p99, ms. Infinity: the server was so late that it answered nothing any more. */
  readonly lagMs: number;
  /** Undefined where there is nothing to show. */
  readonly rounds: Rounds | undefined;
}

export async function runControl(plan: TrialPlan, context: BenchContext): Promise<ControlTrial> {
  try {
    const rounds = await Rounds.run([plan], { count: 1, spare: 0 }, context);
    // A loop that never came to its timer, in all the time of measuring, has no lag to tell of.
    return { lagMs: rounds.all(plan.name)[0]?.lag?.p99 ?? Number.POSITIVE_INFINITY, rounds };
  } catch (error) {
    context.say(`  ${plan.name}: ${error instanceof Error ? error.message : error}`);
    return { lagMs: Number.POSITIVE_INFINITY, rounds: undefined };
  }
}
