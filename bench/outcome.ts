import type { Spread } from "./statistics.ts";

/** One thing that was measured, to be compared with an earlier run. */
export interface Figure {
  /** Unique in a run: scenario, variant and what it is, such as `ingest / Browline / CPU us a frame`. */
  readonly name: string;
  readonly spread: Spread;
  readonly better: "less" | "more";
}

/** Whether a target is met. */
export interface Verdict {
  /** Its number in the list of targets, such as `3`. */
  readonly target: string;
  readonly what: string;
  readonly limit: string;
  readonly reached: string;
  /** Undefined: it could not be judged, since every round was void or the machine lacks something. */
  readonly pass: boolean | undefined;
}

/** A variant that must miss a limit: a limit that nothing can miss says nothing. */
export interface Control {
  readonly target: string;
  readonly what: string;
  readonly reached: string;
  /** Whether it missed its limit, as it must. */
  readonly bites: boolean | undefined;
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly logY?: boolean;
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
}

/** What a scenario has found. */
export interface Outcome {
  readonly figures: readonly Figure[];
  readonly verdicts: readonly Verdict[];
  readonly controls: readonly Control[];
  readonly plots: readonly Plot[];
  /** Markdown. */
  readonly tables: readonly { readonly title: string; readonly text: string }[];
  readonly notes: readonly string[];
}

export const nothingFound: Outcome = {
  figures: [],
  verdicts: [],
  controls: [],
  plots: [],
  tables: [],
  notes: [],
};
