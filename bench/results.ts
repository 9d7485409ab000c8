import type { Outcome } from "./outcome.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly kernel: string;
  readonly bun: string;
  readonly loadBefore: number;
  /** Whether the generator could be given the processor before others, and a core of its own where a trial wants that. */
  readonly generatorFirst?: boolean;
}

/** What one scenario has found, or how it failed. */
export interface NamedOutcome {
  readonly name: string;
  readonly seconds: number;
  readonly outcome: Outcome;
  readonly problem?: string;
}

/** One run of the bench, as its JSON file holds it. */
export interface Results {
  /** Raised when files of before cannot be compared any more. */
  readonly version: 1;
  /** ISO 8601. */
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly seconds: number;
  readonly scenarios: readonly NamedOutcome[];
}

/** Reads a file that `bench` has written; undefined: it is something else. */
export function readResults(text: string): Results | undefined {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== "object" || found === null) return undefined;
    const { version, scenarios } = found as Partial<Results>;
    return version === 1 && Array.isArray(scenarios) ? (found as Results) : undefined;
  } catch {
    return undefined;
  }
}
