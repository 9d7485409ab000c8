import type { SeededRandom } from "./seeded-random.ts";

const often = ["start", "subscribe", "show", "speak", "audio", "button", "ask", "report"] as const;
const sometimes = [
  "stop",
  "dropApp",
  "returnApp",
  "straggler",
  "handOver",
  "wrongKey",
  "subscribeNothing",
  "burst",
  "photo",
  "voiceOn",
  "voiceOff",
  "dropGlasses",
  "returnGlasses",
  "secondGlasses",
  "lateClose",
  "wear",
  "takeOff",
  "putBack",
  "server",
  "renew",
] as const;

/** What concerns all users of an app. */
const common: ReadonlySet<Step["action"]> = new Set(["server", "renew"]);

/** One thing that happens in the life of a user, or of the server of an app that all users share. */
export interface Step {
  readonly user: number;
  readonly app: number;
  readonly action: (typeof often)[number] | (typeof sometimes)[number];
  /** Settles what the action leaves open: an outcome, a latency, a duration. At least 0, below `picks`. */
  readonly pick: number;
  /** Time that passes afterwards, in milliseconds. */
  readonly waitMs: number;
}

/** What a `pick` is below of. */
const picks = 2_520;

/** A script of `steps` steps of 0 to 50 ms, now and then of up to 2 s, over `users` users with five apps each. */
export function randomScript(random: SeededRandom, users: number, steps: number): Step[] {
  let user = 0;
  let app = 0;
  return Array.from({ length: steps }, () => {
    // What happens tends to happen to the same: else nobody's life would come far.
    if (random.chance(0.3)) user = random.integer(0, users - 1);
    if (random.chance(0.3)) app = random.integer(0, 4);
    return step(random, user, app);
  });
}

function step(random: SeededRandom, user: number, app: number): Step {
  return {
    user,
    app,
    action: random.chance(0.6) ? random.pick(often) : random.pick(sometimes),
    pick: random.integer(0, picks - 1),
    waitMs: random.chance(0.05) ? random.integer(0, 2_000) : random.integer(0, 50),
  };
}

/**
 * Cuts a script that breaks a rule down to the steps that matter: pieces of it are left out, ever smaller ones, as long as
 * what is left still breaks it. The time of steps that are left out passes all the same where it matters.
 * @param fails whether a script breaks the rule.
 * @param budgetMs after that long, in real time, the best so far is taken.
 */
export async function shortened(
  script: readonly Step[],
  fails: (script: readonly Step[]) => Promise<boolean>,
  budgetMs: number,
): Promise<readonly Step[]> {
  const endMs = performance.now() + budgetMs;
  let best = script;
  const improves = async (candidate: readonly Step[]): Promise<boolean> => {
    if (performance.now() > endMs || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  // Most rules are broken by what one user does: nine in ten steps can go at once.
  for (const user of new Set(script.map((step) => step.user))) {
    if (await improves(without(script, (step) => step.user !== user && !common.has(step.action)))) break;
  }
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    let removed = true;
    while (removed) {
      removed = false;
      for (let from = 0; from < best.length && performance.now() < endMs; ) {
        const inPiece = (_: Step, i: number) => i >= from && i < from + size;
        const rest = best.filter((step, i) => !inPiece(step, i));
        if (rest.length > 0 && ((await improves(rest)) || (await improves(without(best, inPiece)))))
          removed = true;
        else from += size;
      }
      // Only single steps can have become removable by the removal of later ones.
      if (size > 1) break;
    }
  }
  for (let i = 0; i < best.length; i++) {
    await improves(best.map((step, j) => (j === i ? { ...step, waitMs: 0 } : step)));
  }
  return best;
}

/** The steps that are left, each with the time of those after it that are gone. */
function without(script: readonly Step[], isGone: (step: Step, i: number) => boolean): Step[] {
  const left: Step[] = [];
  for (const [i, step] of script.entries()) {
    const last = left.at(-1);
    if (!isGone(step, i)) left.push(step);
    else if (last !== undefined) left[left.length - 1] = { ...last, waitMs: last.waitMs + step.waitMs };
  }
  return left;
}
