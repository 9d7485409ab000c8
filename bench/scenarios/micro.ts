import { codecGroups } from "../micro/codecs.bench.ts";
import { continuityGroups } from "../micro/continuity.bench.ts";
import type { MicroGroup } from "../micro/micro-bench.ts";
import { ringGroups } from "../micro/ring.bench.ts";
import { routingGroups } from "../micro/routing.bench.ts";
import { type MicroResult, microTable, runMicroGroup } from "../micro/run-micro.ts";
import { type Control, nothingFound, type Verdict } from "../outcome.ts";
import type { Scenario } from "../scenario.ts";
import { atMost, mustExceed } from "../verdicts.ts";

/** Single operations, each group a scenario of its own. */
export const microScenarios: readonly Scenario[] = [
  ...ringGroups,
  ...codecGroups,
  ...routingGroups,
  ...continuityGroups,
].map((group) => ({
  name: `micro ${group.name}`,
  inShortRun: true,
  run: async () => {
    const results = await runMicroGroup(group);
    return {
      ...nothingFound,
      figures: results.flatMap(({ name, costNs, ratio }) => [
        ...(costNs === undefined
          ? []
          : [{ name: `micro ${group.name} / ${name} / ns`, spread: costNs, better: "less" as const }]),
        ...(ratio === undefined || name === group.baseline
          ? []
          : [
              {
                name: `micro ${group.name} / ${name} / x ${group.baseline}`,
                spread: ratio,
                better: "less" as const,
              },
            ]),
      ]),
      ...judge(group, results),
      tables: [{ title: `micro ${group.name}`, text: microTable(results, group.baseline) }],
    };
  },
}));

/** Target 2 is one of these groups. */
function judge(
  group: MicroGroup,
  results: readonly MicroResult[],
): { verdicts: Verdict[]; controls: Control[] } {
  if (group.name !== "ring: a frame of 42 B to a busy worker") return { verdicts: [], controls: [] };
  const of = (name: string) => results.find((result) => result.name === name);
  const ring = of("ring write + doorbell");
  const copy = of("postMessage, copy");
  const us = ring?.costNs && {
    median: ring.costNs.median / 1e3,
    min: ring.costNs.min / 1e3,
    max: ring.costNs.max / 1e3,
  };
  return {
    verdicts: [
      atMost("2", "ring write and doorbell on the main thread, 42 B", " us", 1, us),
      atMost("2", "the same", " x postMessage with transfer", 0.15, ring?.ratio),
    ],
    controls: [
      mustExceed("2", "postMessage of a copy", " x postMessage with transfer", 0.15, copy?.ratio?.median),
    ],
  };
}
