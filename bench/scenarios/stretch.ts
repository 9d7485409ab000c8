import { runControl } from "../macro/control-trial.ts";
import { Rounds } from "../macro/rounds.ts";
import { stageTable } from "../macro/stage-table.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound, type Outcome } from "../outcome.ts";
import type { BenchContext, Scenario } from "../scenario.ts";
import { atMost, mustExceed, valueAtMost } from "../verdicts.ts";

const heard = { count: 1, hears: ["transcription:en-US"] };
const counts = { count: 2, spare: 2 };

async function withControl(
  context: BenchContext,
  plan: TrialPlan,
): Promise<{ rounds: Rounds; controlLag: number | undefined }> {
  const rounds = await Rounds.run([plan], counts, context);
  const name = `${plan.name}, single loop`;
  const control = await runControl({ ...plan, name, server: "single loop" }, context);
  return { rounds, controlLag: control.lagMs };
}

/** Stretch target 8. */
export const manyStreams: Scenario = {
  name: "thousand streams",
  inShortRun: false,
  run: async (context): Promise<Outcome> => {
    const name = "1,000 PCM streams";
    const { rounds, controlLag } = await withControl(context, {
      name,
      server: "browline",
      sessions: 1_000,
      traffic: { codec: "pcm", framesPerSecond: 50 },
      apps: heard,
      speech: true,
      warmupMs: 12_000,
      measuredMs: 6_000,
    });
    return {
      ...nothingFound,
      figures: rounds.figures("thousand streams"),
      verdicts: [
        valueAtMost(
          "8",
          "frames lost, 1,000 sessions of PCM with a live transcript stream each",
          "",
          0,
          rounds.lost(name),
        ),
        atMost(
          "8",
          "main loop lag p99",
          " ms",
          10,
          rounds.over(name, ({ lag }) => lag?.p99),
        ),
      ],
      controls: [mustExceed("8", "main loop lag p99 of the single loop", " ms", 10, controlLag)],
      plots: [rounds.lagPlot("1,000 transcript streams: main loop lag over time")],
      tables: [
        { title: "1,000 sessions of PCM with a live transcript stream each", text: rounds.table() },
        { title: "The same: stages, ms", text: stageTable(rounds.counting(name)) },
      ],
      notes: rounds.voidNotes(),
    };
  },
};

/** Stretch target 9. */
export const manyDecoders: Scenario = {
  name: "thousand decoders",
  inShortRun: false,
  run: async (context): Promise<Outcome> => {
    const outcomes: Outcome[] = [];
    for (const [opus, sessions] of [
      ["libopus", 1_000],
      ["opusscript", 500],
    ] as const) {
      const name = `${sessions} sessions, ${opus}`;
      const { rounds, controlLag } = await withControl(context, {
        name,
        server: "browline",
        sessions,
        traffic: { codec: "opus", framesPerSecond: 50 },
        apps: heard,
        opus,
        warmupMs: 10_000,
        measuredMs: 6_000,
      });
      outcomes.push({
        ...nothingFound,
        figures: rounds.figures("thousand decoders"),
        verdicts: [
          valueAtMost("9", `frames lost or not decoded, ${name}`, "", 0, rounds.lost(name)),
          atMost(
            "9",
            `ring to decode p99, ${name}`,
            " ms",
            40,
            rounds.over(name, ({ stages }) => stages.ring_to_worker?.p99),
          ),
        ],
        controls: [mustExceed("9", `main loop lag p99 of the single loop, ${name}`, " ms", 40, controlLag)],
        tables: [
          { title: `Opus decoded for speech: ${name}`, text: rounds.table() },
          { title: "The same: stages, ms", text: stageTable(rounds.counting(name)) },
        ],
        notes: rounds.voidNotes(),
      });
    }
    return {
      figures: outcomes.flatMap(({ figures }) => figures),
      verdicts: outcomes.flatMap(({ verdicts }) => verdicts),
      controls: outcomes.flatMap(({ controls }) => controls),
      plots: [],
      tables: outcomes.flatMap(({ tables }) => tables),
      notes: outcomes.flatMap(({ notes }) => notes),
    };
  },
};

/** Stretch target 10. */
export const halfLoad: Scenario = {
  name: "half load",
  inShortRun: false,
  run: async (context): Promise<Outcome> => {
    const name = "400 PCM streams";
    const { rounds, controlLag } = await withControl(context, {
      name,
      server: "browline",
      sessions: 400,
      traffic: { codec: "pcm", framesPerSecond: 50 },
      apps: heard,
      speech: true,
      warmupMs: 5_000,
      measuredMs: 6_000,
    });
    const over = (reading: Parameters<Rounds["over"]>[1]) => rounds.over(name, reading);
    return {
      ...nothingFound,
      figures: rounds.figures("half load"),
      verdicts: [
        atMost(
          "10",
          "last audio byte out of the glasses to first byte at the speech service p50",
          " ms",
          5,
          over(({ audioToSpeech }) => audioToSpeech?.p50),
        ),
        atMost(
          "10",
          "the same p99",
          " ms",
          25,
          over(({ audioToSpeech }) => audioToSpeech?.p99),
        ),
        atMost(
          "10",
          "speech service to app socket p99",
          " ms",
          10,
          over(({ transcriptToApp }) => transcriptToApp?.p99),
        ),
      ],
      controls: [
        mustExceed("10", "main loop lag p99 of the single loop at the same load", " ms", 10, controlLag),
      ],
      plots: [rounds.lagPlot("400 transcript streams: main loop lag over time")],
      tables: [
        { title: "Half load: 400 sessions of PCM with a live transcript stream each", text: rounds.table() },
        { title: "Half load: stages, ms", text: stageTable(rounds.counting(name)) },
      ],
      notes: rounds.voidNotes(),
    };
  },
};
