import { runControl } from "../macro/control-trial.ts";
import { Rounds } from "../macro/rounds.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound } from "../outcome.ts";
import type { Scenario } from "../scenario.ts";
import { atMost, mustExceed, valueAtMost } from "../verdicts.ts";

const browline = "Browline, an app each";
const single = "the same sound as Opus, single loop";

/** Audio that an app of every user hears, while some of the apps show texts. */
export const relay: Scenario = {
  name: "relay",
  inShortRun: true,
  run: async (context) => {
    const sessions = context.full ? 1_000 : 200;
    const plan = (name: string, server: TrialPlan["server"]): TrialPlan => ({
      name,
      server,
      sessions,
      traffic: { codec: "pcm", framesPerSecond: 50, displayMs: 250 },
      apps: { count: 1, hears: ["audio_chunk"], showing: 50, displayEveryMs: 100 },
      warmupMs: context.full ? 3_000 : 1_500,
      measuredMs: context.full ? 6_000 : 3_000,
    });
    const rounds = await Rounds.run(
      [plan(browline, "browline")],
      { count: 3, spare: context.full ? 3 : 1 },
      context,
    );
    // PCM is nobody's work but the main loop's; what must not be is shown by what has to be decoded.
    const control = context.full
      ? await runControl(
          { ...plan(single, "single loop"), traffic: { codec: "opus", framesPerSecond: 50 } },
          context,
        )
      : undefined;
    const p99 = (reading: Parameters<Rounds["over"]>[1]) => rounds.over(browline, reading);
    return {
      ...nothingFound,
      figures: rounds.figures("relay"),
      verdicts: [
        valueAtMost(
          "3",
          `frames lost, ${sessions} sessions of PCM with an app each`,
          "",
          0,
          rounds.lost(browline),
        ),
        atMost(
          "3",
          "main loop lag p99",
          " ms",
          5,
          p99(({ lag }) => lag?.p99),
        ),
        atMost(
          "3",
          "glasses to app p99",
          " ms",
          40,
          p99(({ audioToApp }) => audioToApp?.p99),
        ),
        atMost(
          "3",
          "display pacing error p99",
          " ms",
          10,
          p99(({ pacingError }) => pacingError?.p99),
        ),
      ],
      controls:
        control === undefined
          ? []
          : [mustExceed("3", "main loop lag p99 of the single loop", " ms", 5, control.lagMs)],
      plots: [rounds.lagPlot("Audio to an app each: main loop lag over time")],
      tables: [
        {
          title: `Audio to apps: ${sessions} sessions of PCM, an app each, 50 of them showing texts`,
          text: rounds.table(),
        },
        ...(control?.rounds === undefined
          ? []
          : [{ title: "The same with a single loop", text: control.rounds.table() }]),
      ],
      notes: [...rounds.voidNotes(), ...(control?.rounds?.voidNotes() ?? [])],
    };
  },
};
