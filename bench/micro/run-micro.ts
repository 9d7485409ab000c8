import { type Spread, spreadOf } from "../statistics.ts";
import { formatFigure, formatTable } from "../table.ts";
import type { MicroGroup } from "./micro-bench.ts";

export interface MicroResult {
  readonly group: string;
  readonly name: string;
  /** Nanoseconds an operation, over all turns; undefined where this machine lacks what it takes. */
  readonly costNs: Spread | undefined;
  /** Against the baseline of the same turn. */
  readonly ratio: Spread | undefined;
}

/** Every case is measured this often, in turn with the others, so that what else the machine does hits all of them. */
const turns = 3;

/** Measures the cases of a group. */
export async function runMicroGroup(group: MicroGroup): Promise<MicroResult[]> {
  const { cases, close } = await group.open();
  try {
    const costs = new Map<string, (number | undefined)[]>(cases.map(({ name }) => [name, []]));
    for (let turn = 0; turn < turns; turn++) {
      for (const { name, measure } of cases) costs.get(name)?.push(await measure());
    }
    return compare(group, costs);
  } finally {
    close();
  }
}

/** Puts together what was measured. `costs`: case -> nanoseconds of each turn. */
export function compare(
  group: Pick<MicroGroup, "name" | "baseline">,
  costs: ReadonlyMap<string, readonly (number | undefined)[]>,
): MicroResult[] {
  const baseline = costs.get(group.baseline) ?? [];
  return Array.from(costs, ([name, ofTurns]) => {
    const ratios = ofTurns.map((cost, turn) => {
      const base = baseline[turn];
      return cost === undefined || base === undefined ? undefined : cost / base;
    });
    return { group: group.name, name, costNs: spreadOf(known(ofTurns)), ratio: spreadOf(known(ratios)) };
  });
}

export function microTable(results: readonly MicroResult[], baseline: string): string {
  return formatTable(
    ["", "us", "least to most", `x ${baseline}`, "least to most"],
    results.map(({ name, costNs, ratio }) => [
      name,
      costNs === undefined ? "not installed" : formatFigure(costNs.median / 1000),
      range(costNs, 1000),
      formatFigure(ratio?.median),
      range(ratio, 1),
    ]),
  );
}

function range(spread: Spread | undefined, unit: number): string {
  return spread === undefined
    ? "-"
    : `${formatFigure(spread.min / unit)} to ${formatFigure(spread.max / unit)}`;
}

function known(values: readonly (number | undefined)[]): number[] {
  return values.filter((value) => value !== undefined);
}
