import type { Registry } from "prom-client";
import type { Durations } from "./latency-histogram.ts";

/** Upper bounds of the buckets that are shown, in us. */
const boundsUs = [
  50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
];

export interface DurationSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** All that was counted since the start. */
  read(): Durations;
}

/**
 * Shows durations that were counted elsewhere as a Prometheus histogram in seconds. Only a reader pays for it: the metrics
 * library's own histogram looks its labels up with every observation, which is too dear for every frame.
 */
export function registerDurations(
  registry: Registry,
  name: string,
  help: string,
  series: () => readonly DurationSeries[],
): void {
  const get = async () => ({
    name,
    help,
    type: "histogram",
    aggregator: "sum",
    values: series().flatMap(({ labels, read }) => {
      const durations = read();
      const bucket = (le: string, value: number) => ({
        labels: { ...labels, le },
        metricName: `${name}_bucket`,
        value,
      });
      return [
        ...boundsUs.map((us) => bucket(String(us / 1e6), durations.countUpTo(us))),
        bucket("+Inf", durations.count),
        { labels, metricName: `${name}_sum`, value: durations.sumUs / 1e6 },
        { labels, metricName: `${name}_count`, value: durations.count },
      ];
    }),
  });
  // The registry only ever asks a metric for its name and its values; its types name the library's own classes.
  registry.registerMetric({ name, help, get } as unknown as Parameters<Registry["registerMetric"]>[0]);
}
