import { type Limits, limits } from "../../src/kernel/limits.ts";

/** Times that are not those of the network and of the apps' lives, but of this machine, and so keep their pace. */
const unhurried: ReadonlySet<string> = new Set([
  "interimMs",
  "utteranceMs",
  "prerollMs",
  "recentAudioMs",
  "cloudRecentAudioMs",
  "pcmBatchMs",
  "audioLagMs",
  "workerSilenceMs",
  "bodyMs",
  "anonymousBodyMs",
  "stallMs",
  "drainMs",
  "drainGroupMs",
  "commitGroupMs",
  "commitPatienceMs",
  "commitRetryMs",
  "snapshotEveryMs",
  "aliveMs",
  "finalWordsMs",
]);

/**
 * The server's limits with time running `speed` times as fast: what takes minutes happens in seconds, and the proportions
 * of the timers to each other stay.
 */
export function hurriedLimits(speed: number): Limits {
  const entries = Object.entries(limits).map(([name, value]) => [
    name,
    name.endsWith("Ms") && !unhurried.has(name) ? Math.max(1, Math.round(value / speed)) : value,
  ]);
  return Object.fromEntries(entries);
}
