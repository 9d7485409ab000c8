import { RunningTrial } from "../macro/running-trial.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound, type Outcome } from "../outcome.ts";
import type { BenchContext, Scenario } from "../scenario.ts";
import { leastSquares } from "../statistics.ts";
import { formatFigure } from "../table.ts";
import { valueAtMost } from "../verdicts.ts";

const sampleMs = 5_000;
/** Caches and compiled code grow at first. */
const settleMs = 20_000;
const judgedMinutes = 30;
const mib = 1024 * 1024;

/** Constant load for so many minutes: does the heap grow? */
export async function runSoak(minutes: number, context: BenchContext): Promise<Outcome> {
  const plan: TrialPlan = {
    name: "soak",
    server: "browline",
    sessions: 200,
    traffic: { codec: "pcm", framesPerSecond: 50 },
    apps: { count: 1, hears: ["transcription:en-US", "audio_chunk"], showing: 50, displayEveryMs: 500 },
    speech: true,
    warmupMs: 0,
    measuredMs: 0,
  };
  const trial = await RunningTrial.start(plan, context.surroundings);
  try {
    await trial.startTraffic();
    await Bun.sleep(settleMs);
    const heap: [number, number][] = [];
    const resident: [number, number][] = [];
    const startMs = performance.now();
    for (const untilMs = startMs + minutes * 60_000; performance.now() < untilMs; ) {
      const { heapBytes, rssBytes } = await trial.server.call("memory");
      const at = (performance.now() - startMs) / 60_000;
      heap.push([at, heapBytes / mib]);
      resident.push([at, rssBytes / mib]);
      if (heap.length % 12 === 0)
        context.say(`  ${at.toFixed(1)} min: heap ${(heapBytes / mib).toFixed(2)} MiB`);
      await Bun.sleep(sampleMs);
    }
    const { slope, deviation } = leastSquares(heap);
    const ofResident = leastSquares(resident);
    await context.surroundings.generator.call("disconnect");
    return {
      ...nothingFound,
      verdicts: [
        valueAtMost(
          "6",
          `growth of the heap after GC in ${judgedMinutes} min at 200 sessions, by the slope of ${minutes} min (+- ${formatFigure(deviation * judgedMinutes)})`,
          " MiB",
          2,
          slope * judgedMinutes,
        ),
      ],
      figures: [
        {
          name: "soak / heap MiB in 30 min",
          spread: {
            median: slope * judgedMinutes,
            min: (slope - deviation) * judgedMinutes,
            max: (slope + deviation) * judgedMinutes,
          },
          better: "less",
        },
      ],
      plots: [
        {
          title: "Soak: memory over time at 200 sessions",
          x: "min",
          y: "MiB",
          series: [
            { name: "heap after GC", points: heap },
            { name: "resident", points: resident },
          ],
        },
      ],
      notes: [
        `Resident memory grew by ${formatFigure(ofResident.slope * judgedMinutes)} MiB in 30 min by its slope.`,
      ],
    };
  } finally {
    await trial.stop();
  }
}

export const soak: Scenario = {
  name: "soak",
  inShortRun: false,
  run: (context) => runSoak(2.5, context),
};
