import { formatSpread } from "../macro/rounds.ts";
import { RunningTrial } from "../macro/running-trial.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound } from "../outcome.ts";
import type { BenchContext, Scenario } from "../scenario.ts";
import { spreadOf } from "../statistics.ts";
import { formatTable } from "../table.ts";

const frameBytes = 42;
const measuredMs = 1_500;

/** As many frames as are taken: the price of a frame without that of its system call. */
export const flood: Scenario = {
  name: "flood",
  inShortRun: false,
  run: async (context) => {
    const rates: Record<"bare" | "browline", number[]> = { bare: [], browline: [] };
    for (let round = 0; round < 3; round++) {
      for (const server of ["bare", "browline"] as const) {
        const rate = await framesPerSecond(server, context);
        rates[server].push(rate);
        context.say(`  round ${round + 1}: ${server}: ${(rate / 1e6).toFixed(2)} million frames a second`);
      }
    }
    const ratio = spreadOf(rates.browline.map((rate, i) => rate / (rates.bare[i] ?? Number.NaN)));
    const million = (values: number[]) => formatSpread(spreadOf(values.map((value) => value / 1e6)));
    return {
      ...nothingFound,
      figures:
        ratio === undefined
          ? []
          : [{ name: "flood / Browline / frames x bare", spread: ratio, better: "more" }],
      tables: [
        {
          title: `Flat out: frames of ${frameBytes} B over 50 connections, nobody listens`,
          text: formatTable(
            ["", "million frames a second", "x bare"],
            [
              ["bare Bun.serve", million(rates.bare), "1"],
              ["Browline", million(rates.browline), formatSpread(ratio)],
            ],
          ),
        },
      ],
    };
  },
};

async function framesPerSecond(server: "bare" | "browline", { surroundings }: BenchContext): Promise<number> {
  const plan: TrialPlan = {
    name: server,
    server,
    sessions: 50,
    traffic: { codec: "pcm", framesPerSecond: 0 },
    warmupMs: 0,
    measuredMs,
  };
  const trial = await RunningTrial.start(plan, surroundings);
  try {
    await surroundings.generator.call("startFlood", frameBytes);
    await Bun.sleep(500);
    const before = await trial.server.call("totals");
    const fromMs = performance.now();
    await Bun.sleep(measuredMs);
    const after = await trial.server.call("totals");
    return ((after.received - before.received) * 1000) / (performance.now() - fromMs);
  } finally {
    await trial.stop();
  }
}
