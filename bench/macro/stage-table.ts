import { stageNames } from "../../src/kernel/stage-times.ts";
import { spreadOf } from "../statistics.ts";
import { formatFigure, formatTable } from "../table.ts";
import type { Percentiles, Trial } from "./trial.ts";

const columns = ["p50", "p90", "p99", "p999", "max"] as const;

/** How long each stage took: medians over the trials, in ms. */
export function stageTable(trials: readonly Trial[]): string {
  const endToEnd = [
    ["glasses to speech service, end to end", ({ audioToSpeech }: Trial) => audioToSpeech],
    ["speech service to app, end to end", ({ transcriptToApp }: Trial) => transcriptToApp],
    ["glasses to app, end to end", ({ audioToApp }: Trial) => audioToApp],
  ] as const;
  const stages = stageNames.map(
    (name) => [name.replaceAll("_", " "), ({ stages }: Trial) => stages[name]] as const,
  );
  return formatTable(
    ["", "p50", "p90", "p99", "p99.9", "max"],
    [...stages, ...endToEnd].flatMap(([title, of]) => {
      const known = trials.map(of).filter((value): value is Percentiles => value !== undefined);
      if (known.length === 0) return [];
      return [
        [title, ...columns.map((column) => formatFigure(spreadOf(known.map((one) => one[column]))?.median))],
      ];
    }),
  );
}
