import { type Limits, limits } from "../../src/kernel/limits.ts";

/** Times that are not those of the network's and of the apps' lives, and so keep their pace. */
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
