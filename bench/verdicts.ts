import type { Control, Verdict } from "./outcome.ts";
import type { Spread } from "./statistics.ts";
import { formatFigure } from "./table.ts";

/** Judges a figure by its median: at most `limit`. */
export function atMost(
  target: string,
  what: string,
  unit: string,
  limit: number,
  reached: Spread | undefined,
): Verdict {
  return {
    target,
    what,
    limit: `<= ${limit}${unit}`,
    reached:
      reached === undefined
        ? "not known"
        : `${formatFigure(reached.median)}${unit} (${formatFigure(reached.min)} to ${formatFigure(reached.max)})`,
    pass: reached === undefined ? undefined : reached.median <= limit,
  };
}

/** Judges a single reading: at most `limit`. */
export function valueAtMost(
  target: string,
  what: string,
  unit: string,
  limit: number,
  value: number | undefined,
): Verdict {
  return {
    target,
    what,
    limit: `<= ${limit}${unit}`,
    reached: value === undefined ? "not known" : `${formatFigure(value)}${unit}`,
    pass: value === undefined ? undefined : value <= limit,
  };
}

/** What must miss the same limit. */
export function mustExceed(
  target: string,
  what: string,
  unit: string,
  limit: number,
  value: number | undefined,
): Control {
  return {
    target,
    what: `${what} must be over ${limit}${unit}`,
    reached: value === undefined ? "not known" : `${formatFigure(value)}${unit}`,
    bites: value === undefined ? undefined : value > limit,
  };
}
