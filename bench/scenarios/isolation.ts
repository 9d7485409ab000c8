import { runControl } from "../macro/control-trial.ts";
import { Rounds } from "../macro/rounds.ts";
import type { InjectedFault } from "../macro/server-under-test.ts";
import type { TrialInProgress, TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound, type Verdict } from "../outcome.ts";
import type { BenchContext, Scenario } from "../scenario.ts";
import { formatFigure } from "../table.ts";
import { atMost, mustExceed, valueAtMost } from "../verdicts.ts";

const saturated = "saturated workers";
const singleLoop = "single loop, saturated";

/** What the main loop owes to everybody, whatever becomes of its workers. */
export const isolation: Scenario = {
  name: "isolation",
  inShortRun: false,
  run: async (context) => {
    const overloaded = (name: string, server: TrialPlan["server"], livez: number[]): TrialPlan => ({
      name,
      server,
      // About twice what one worker decodes with opusscript.
      sessions: 1_000,
      traffic: { codec: "opus", framesPerSecond: 50 },
      apps: { count: 1, hears: ["transcription:en-US"] },
      opus: "opusscript",
      apart: true,
      warmupMs: 5_000,
      measuredMs: 5_000,
      during: (trial) => probeLivez(trial, 5_000, livez),
    });
    const livez: number[] = [];
    const rounds = await Rounds.run(
      [overloaded(saturated, "browline", livez)],
      { count: 2, spare: 2 },
      context,
    );
    const control = await runControl(overloaded(singleLoop, "single loop", []), context);
    const spin = await faulty(context, "spin", livez);
    const crash = await faulty(context, "crash", livez);
    const worstLivez = livez.length === 0 ? undefined : Math.max(...livez);
    return {
      ...nothingFound,
      figures: rounds.figures("isolation"),
      verdicts: [
        atMost(
          "5",
          "main loop lag p99, workers saturated",
          " ms",
          10,
          rounds.over(saturated, ({ lag }) => lag?.p99),
        ),
        ...spin.verdicts,
        ...crash.verdicts,
        valueAtMost("5", "/livez, worst", " ms", 50, worstLivez),
      ],
      controls: [
        mustExceed("5", "main loop lag p99 of a single loop under the same load", " ms", 10, control.lagMs),
      ],
      plots: [rounds.lagPlot("Saturated workers: main loop lag over time"), spin.plot, crash.plot],
      tables: [
        { title: "Saturated workers: 1,000 sessions of Opus through opusscript", text: rounds.table() },
        ...spin.tables,
        ...crash.tables,
      ],
      notes: [...rounds.voidNotes(), ...spin.notes, ...crash.notes],
    };
  },
};

const faultySessions = 200;

/** One of two workers misbehaves in the middle of the measuring. */
async function faulty(context: BenchContext, fault: InjectedFault, livez: number[]) {
  const name = fault === "spin" ? "a spinning worker" : "a crashed worker";
  const plan: TrialPlan = {
    name,
    server: "browline",
    sessions: faultySessions,
    audioWorkers: 2,
    traffic: { codec: "pcm", framesPerSecond: 50, atOnce: true },
    apps: { count: 1, hears: ["audio_chunk", "transcription:en-US"] },
    warmupMs: 2_000,
    measuredMs: 8_000,
    during: async (trial) => {
      await Bun.sleep(1_000);
      await trial.server.call("inject", fault);
      await probeLivez(trial, 6_000, livez);
    },
  };
  const rounds = await Rounds.run([plan], { count: 1, spare: 2 }, context);
  const trial = rounds.counting(name)[0];
  const counted = Object.values(trial?.lost ?? {}).reduce((sum, count) => sum + count, 0);
  // Half of the sessions are the other worker's, and everybody has sent at least so many frames.
  const ofOthers = Math.floor((trial?.sent ?? 0) / faultySessions) * (faultySessions / 2);
  const othersMissing = Math.max(0, ofOthers - (trial?.decodedBy[1] ?? 0));
  const verdicts: Verdict[] = [
    atMost(
      "5",
      `main loop lag p99, ${name}`,
      " ms",
      10,
      rounds.over(name, ({ lag }) => lag?.p99),
    ),
    {
      target: "5",
      what: `losses, ${name}: all counted, of its own sessions only, and none at the apps that hear the sound`,
      limit: "no uncounted frame, none of the other worker's, none at an app",
      reached:
        trial === undefined
          ? "not known"
          : `${trial.missing} missing, ${counted} counted, ${othersMissing} of the other worker's, ${trial.missingAtApps} at apps`,
      pass: trial && trial.missing <= counted && othersMissing === 0 && trial.missingAtApps === 0,
    },
  ];
  return {
    verdicts,
    plot: rounds.lagPlot(`${name}: main loop lag over time`),
    tables: [{ title: `${name}, one of two, 200 sessions of PCM`, text: rounds.table() }],
    notes: [...rounds.voidNotes(), `${name}: ${formatFigure(trial?.lag?.max)} ms of lag at the most`],
  };
}

/** Asks for `/livez` again and again. `answerMs` gets the time of each answer. */
async function probeLivez(trial: TrialInProgress, ms: number, answerMs: number[]): Promise<void> {
  for (const until = performance.now() + ms; performance.now() < until; ) {
    const from = performance.now();
    await fetch(trial.livezUrl);
    answerMs.push(performance.now() - from);
    await Bun.sleep(25);
  }
}
