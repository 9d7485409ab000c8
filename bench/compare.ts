import type { Figure } from "./outcome.ts";
import type { Results } from "./results.ts";
import type { Spread } from "./statistics.ts";
import { formatFigure, formatTable } from "./table.ts";

/** Differences smaller than this share are noise whatever the rounds say: two runs differ by more than three rounds of one. */
const leastShare = 0.1;

export interface Difference {
  readonly name: string;
  readonly before: Spread;
  readonly now: Spread;
  /** How the medians compare: 1.2 is a fifth more. */
  readonly ratio: number;
  readonly verdict: "worse" | "better" | "same";
}

/**
 * Compares what both runs have measured. Worse or better is only what lies outside of everything that the other run's
 * rounds have seen, and by a tenth at least.
 */
export function compareRuns(before: Results, now: Results): Difference[] {
  const earlier = new Map(figuresOf(before).map((figure) => [figure.name, figure]));
  return figuresOf(now).flatMap((figure) => {
    const other = earlier.get(figure.name);
    return other === undefined ? [] : [compareFigures(other, figure)];
  });
}

function compareFigures(before: Figure, now: Figure): Difference {
  const ratio = now.spread.median / before.spread.median;
  const more = now.spread.min > before.spread.max && ratio > 1 + leastShare;
  const less = now.spread.max < before.spread.min && ratio < 1 - leastShare;
  const verdict = !more && !less ? "same" : more === (now.better === "less") ? "worse" : "better";
  return { name: now.name, before: before.spread, now: now.spread, ratio, verdict };
}

export function comparisonTable(differences: readonly Difference[]): string {
  const shown = differences.filter(({ verdict }) => verdict !== "same");
  if (shown.length === 0) return `None of ${differences.length} figures differs beyond the noise.`;
  const spread = ({ median, min, max }: Spread) =>
    `${formatFigure(median)} (${formatFigure(min)} to ${formatFigure(max)})`;
  return formatTable(
    ["", "before", "now", "x", ""],
    shown.map(({ name, before, now, ratio, verdict }) => [
      name,
      spread(before),
      spread(now),
      formatFigure(ratio),
      verdict === "worse" ? "WORSE" : "better",
    ]),
  );
}

function figuresOf({ scenarios }: Results): Figure[] {
  return scenarios.flatMap(({ outcome }) => outcome.figures);
}
