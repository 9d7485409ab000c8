import { Rounds } from "../macro/rounds.ts";
import { stageTable } from "../macro/stage-table.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound } from "../outcome.ts";
import type { Scenario } from "../scenario.ts";
import { atMost } from "../verdicts.ts";

const single = "single loop";
const browline = "Browline";

/** Speech that a service recognises: what threads save the main loop, and how long every stage takes. */
export const speech: Scenario = {
  name: "speech",
  inShortRun: true,
  run: async (context) => {
    const outcomes = [];
    for (const codec of ["opus", "pcm"] as const) {
      if (codec === "pcm" && !context.full) continue;
      const sessions = context.full ? 150 : 100;
      const plan = (name: string, server: TrialPlan["server"]): TrialPlan => ({
        name,
        server,
        sessions,
        traffic: { codec, framesPerSecond: 50 },
        apps: { count: 1, hears: ["transcription:en-US"] },
        speech: true,
        warmupMs: 1_500,
        measuredMs: context.full ? 4_000 : 2_500,
      });
      const rounds = await Rounds.run(
        [plan(single, "single loop"), plan(browline, "browline")],
        { count: 3, spare: context.full ? 2 : 1 },
        context,
      );
      const title = `Speech: ${sessions} sessions of ${codec === "pcm" ? "PCM" : "Opus"} with a live transcript stream each`;
      outcomes.push({
        figures: rounds.figures(`speech ${codec}`),
        verdict: atMost(
          "4",
          `main thread's CPU a frame of ${codec === "pcm" ? "PCM" : "Opus"}`,
          " x single loop",
          codec === "pcm" ? 0.65 : 0.4,
          rounds.ratio(browline, single, ({ mainUsPerFrame }) => mainUsPerFrame),
        ),
        tables: [
          { title, text: rounds.table() },
          { title: `${title}: stages, ms`, text: stageTable(rounds.counting(browline)) },
        ],
        notes: rounds.voidNotes(),
      });
    }
    return {
      ...nothingFound,
      figures: outcomes.flatMap(({ figures }) => figures),
      verdicts: outcomes.map(({ verdict }) => verdict),
      tables: outcomes.flatMap(({ tables }) => tables),
      notes: outcomes.flatMap(({ notes }) => notes),
    };
  },
};
