import { runControl } from "../macro/control-trial.ts";
import { Rounds } from "../macro/rounds.ts";
import type { Trial } from "../macro/trial.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound } from "../outcome.ts";
import type { BenchContext, Scenario } from "../scenario.ts";
import { formatFigure } from "../table.ts";
import { atMost, mustExceed, valueAtMost } from "../verdicts.ts";

const bare = "bare relay";
const browline = "Browline, an app each";
const single = "the same sound as Opus, single loop";

const mostLagMs = 5;
const mostToAppMs = 40;
const mostPacingErrorMs = 10;

function planOf(context: BenchContext, sessions: number): TrialPlan {
  return {
    name: browline,
    server: "browline",
    sessions,
    traffic: { codec: "pcm", framesPerSecond: 50, displayMs: 250 },
    apps: { count: 1, hears: ["audio_chunk"], showing: 50, displayEveryMs: 100 },
    apart: true,
    warmupMs: context.full ? 4_000 : 2_000,
    measuredMs: context.full ? 6_000 : 3_000,
  };
}

/** Audio that an app of every user hears, while some of the apps show texts. */
export const relay: Scenario = {
  name: "relay",
  inShortRun: true,
  run: async (context) => {
    const sessions = context.full ? 1_000 : 200;
    const plan = planOf(context, sessions);
    const rounds = await Rounds.run(
      [{ ...plan, name: bare, server: "bare relay" }, plan],
      { count: context.full ? 3 : 2, spare: context.full ? 2 : 1 },
      context,
    );
    // PCM is nobody's work but the main loop's; what must not be is shown by what has to be decoded.
    const control = context.full
      ? await runControl(
          {
            ...plan,
            name: single,
            server: "single loop",
            traffic: { codec: "opus", framesPerSecond: 50 },
          },
          context,
        )
      : undefined;
    const p99 = (reading: Parameters<Rounds["over"]>[1]) => rounds.over(browline, reading);
    const carried = context.full ? await sessionsCarried(context) : [];
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
          mostLagMs,
          p99(({ lag }) => lag?.p99),
        ),
        atMost(
          "3",
          "glasses to app p99",
          " ms",
          mostToAppMs,
          p99(({ audioToApp }) => audioToApp?.p99),
        ),
        atMost(
          "3",
          "display pacing error p99",
          " ms",
          mostPacingErrorMs,
          p99(({ pacingError }) => pacingError?.p99),
        ),
      ],
      controls:
        control === undefined
          ? []
          : [mustExceed("3", "main loop lag p99 of the single loop", " ms", mostLagMs, control.lagMs)],
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
      notes: [...rounds.voidNotes(), ...(control?.rounds?.voidNotes() ?? []), ...carried],
    };
  },
};

/** With fewer sessions, down to those with which every limit holds: a line each. */
async function sessionsCarried(context: BenchContext): Promise<string[]> {
  const lines: string[] = [];
  for (const sessions of [800, 600, 400, 300]) {
    const rounds = await Rounds.run([planOf(context, sessions)], { count: 1, spare: 2 }, context);
    const trial = rounds.counting(browline)[0];
    lines.push(
      trial === undefined
        ? `With ${sessions} sessions: every round void.`
        : `With ${sessions} sessions: lag p99 ${formatFigure(trial.lag?.p99)} ms, glasses to app p99 ${formatFigure(trial.audioToApp?.p99)} ms, pacing error p99 ${formatFigure(trial.pacingError?.p99)} ms, ${trial.missing + trial.gaps} lost.`,
    );
    if (trial !== undefined && holds(trial)) break;
  }
  return lines;
}

function holds({ missing, gaps, lag, audioToApp, pacingError }: Trial): boolean {
  return (
    missing + gaps === 0 &&
    (lag?.p99 ?? Number.NaN) <= mostLagMs &&
    (audioToApp?.p99 ?? Number.NaN) <= mostToAppMs &&
    (pacingError?.p99 ?? Number.NaN) <= mostPacingErrorMs
  );
}
