import { formatTable } from "./table.ts";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
}

const shown = 20;

/** The functions in which a thread was found most often, as a table: share of all samples, and where it is. */
export function hotFunctions(profile: string): string {
  const { nodes, samples } = JSON.parse(profile) as CpuProfile;
  const names = new Map(nodes.map(({ id, callFrame }) => [id, describe(callFrame)]));
  const counts = new Map<string, number>();
  for (const id of samples) {
    const name = names.get(id) ?? "unknown";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const rows = [...counts].sort(([, a], [, b]) => b - a).slice(0, shown);
  return formatTable(
    ["function", "% of samples"],
    rows.map(([name, count]) => [name, ((count / samples.length) * 100).toFixed(1)]),
  );
}

function describe({ functionName, url, lineNumber }: ProfileNode["callFrame"]): string {
  const file = url.split("/").slice(-2).join("/");
  return `${functionName || "(anonymous)"} ${file}${file === "" ? "" : `:${lineNumber + 1}`}`.trim();
}
