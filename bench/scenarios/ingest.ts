import { Rounds } from "../macro/rounds.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound } from "../outcome.ts";
import type { Scenario } from "../scenario.ts";
import { atMost, mustExceed } from "../verdicts.ts";

const bare = "bare Bun.serve";
const browline = "Browline, nobody listens";
const posting = "bare, a message to a thread for each";

/** What it costs to take in audio that nobody wants. */
export const ingest: Scenario = {
  name: "ingest",
  inShortRun: true,
  run: async (context) => {
    const sessions = context.full ? 1_000 : 200;
    const plan = (name: string, server: TrialPlan["server"]): TrialPlan => ({
      name,
      server,
      sessions,
      traffic: { codec: "pcm", framesPerSecond: 50 },
      apart: true,
      warmupMs: context.full ? 3_000 : 2_000,
      measuredMs: context.full ? 4_000 : 3_000,
    });
    const plans = [plan(bare, "bare"), plan(browline, "browline")];
    // The control takes a third of the time, and is always the same.
    if (context.full) plans.push(plan(posting, "posting"));
    const rounds = await Rounds.run(plans, { count: 3, spare: context.full ? 3 : 1 }, context);
    const cpu = (name: string) => rounds.ratio(name, bare, ({ cpuUsPerFrame }) => cpuUsPerFrame);
    return {
      ...nothingFound,
      figures: rounds.figures("ingest"),
      verdicts: [
        atMost(
          "1",
          `CPU a frame with nothing subscribed, ${sessions} sessions`,
          " x bare Bun.serve",
          1.2,
          cpu(browline),
        ),
      ],
      controls: !context.full
        ? []
        : [
            mustExceed(
              "1",
              "CPU a frame with a message to a thread for each",
              " x bare Bun.serve",
              1.2,
              cpu(posting)?.median,
            ),
          ],
      plots: [rounds.lagPlot("Audio that nobody wants: main loop lag over time")],
      tables: [
        {
          title: `Audio that nobody wants: ${sessions} sessions of PCM, 50 frames a second each`,
          text: rounds.table(),
        },
      ],
      notes: rounds.voidNotes(),
    };
  },
};
