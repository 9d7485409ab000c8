import { runControl } from "../macro/control-trial.ts";
import { Rounds } from "../macro/rounds.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound, type Plot } from "../outcome.ts";
import type { Scenario } from "../scenario.ts";
import { mustExceed, valueAtMost } from "../verdicts.ts";

const steps = [100, 200, 300, 400, 500, 700];
const brokenMs = 100;

/** How many sessions of Opus with a live transcript stream a loop carries before it is of no use to anybody. */
export const capacity: Scenario = {
  name: "capacity",
  inShortRun: false,
  run: async (context) => {
    const lag: Record<"single loop" | "Browline", [number, number][]> = { "single loop": [], Browline: [] };
    const plan = (name: "single loop" | "Browline", sessions: number): TrialPlan => ({
      name,
      server: name === "Browline" ? "browline" : "single loop",
      sessions,
      traffic: { codec: "opus", framesPerSecond: 50 },
      apps: { count: 1, hears: ["transcription:en-US"] },
      speech: true,
      warmupMs: 2_000,
      measuredMs: 3_000,
    });
    const notes: string[] = [];
    let broken: number | undefined;
    let isolated: number | undefined;
    for (const sessions of steps) {
      // Again where even Browline's generator was late: then something else had the processor.
      const rounds = await Rounds.run([plan("Browline", sessions)], { count: 1, spare: 2 }, context);
      const single = await runControl(plan("single loop", sessions), context);
      const own = rounds.over("Browline", ({ lag: one }) => one?.p99)?.median;
      // A loop that is far too late keeps its generator waiting, so its own trial may well be void.
      const other = single.lagMs;
      lag.Browline.push([sessions, own ?? Number.NaN]);
      lag["single loop"].push([sessions, other]);
      notes.push(...rounds.voidNotes());
      if (own === undefined || other <= brokenMs) continue;
      broken = sessions;
      isolated = own;
      break;
    }
    const plot: Plot = {
      title: "Opus with a live transcript stream: main loop lag p99 by sessions",
      x: "sessions",
      y: "ms",
      logY: true,
      series: Object.entries(lag).map(([name, points]) => ({ name, points })),
    };
    return {
      ...nothingFound,
      verdicts: [
        valueAtMost(
          "4",
          broken === undefined
            ? `the single loop never passes ${brokenMs} ms of lag up to ${steps.at(-1)} sessions of Opus`
            : `main loop lag p99 at ${broken} sessions of Opus, where the single loop passes ${brokenMs} ms`,
          " ms",
          10,
          isolated,
        ),
      ],
      controls: [
        mustExceed(
          "4",
          `main loop lag p99 of the single loop at ${broken ?? steps.at(-1)} sessions`,
          " ms",
          10,
          lag["single loop"].at(-1)?.[1],
        ),
      ],
      plots: [plot],
      notes,
    };
  },
};
