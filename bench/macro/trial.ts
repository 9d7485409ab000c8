import { Durations } from "../../src/kernel/latency-histogram.ts";
import type { StageName } from "../../src/kernel/stage-times.ts";
import type { Traffic } from "./generator.ts";
import { RunningTrial } from "./running-trial.ts";
import type { Surroundings } from "./surroundings.ts";
import type { TrialPlan } from "./trial-plan.ts";

/** A generator that is later than this at the 99th percentile was short of processor itself, and proves nothing. */
const mostLateMs = 5;

/** Milliseconds at percentiles. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

function percentilesMs(durations: Durations): Percentiles | undefined {
  if (durations.count === 0) return undefined;
  const at = (p: number) => (durations.percentileUs(p) ?? 0) / 1000;
  return { count: durations.count, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) };
}

/** One server under one load, once. */
export interface Trial {
  readonly name: string;
  /** Why the figures count for nothing; undefined: they count. */
  readonly void: string | undefined;
  readonly framesPerSecond: number;
  /** Processor time of the server for each frame: all threads, and the main thread alone. */
  readonly cpuUsPerFrame: number;
  readonly mainUsPerFrame: number;
  readonly lag: Percentiles | undefined;
  readonly lagSeries: readonly number[];
  readonly stages: Partial<Record<StageName, Percentiles>>;
  /** From the glasses' sending to the app's receiving. */
  readonly audioToApp: Percentiles | undefined;
  /** From the sending of a chunk's last frame by the glasses to the speech service's receiving. */
  readonly audioToSpeech: Percentiles | undefined;
  /** From the speech service's sending to the app's receiving. */
  readonly transcriptToApp: Percentiles | undefined;
  readonly pacingError: Percentiles | undefined;
  readonly transcripts: number;
  readonly sent: number;
  /** Frames sent that did not arrive where they should. */
  readonly missing: number;
  /** Frames that an app did not see between two that it saw. */
  readonly gaps: number;
  readonly usersWithGaps: number;
  /** Frames of PCM that did not come to their app. */
  readonly missingAtApps: number;
  /** Frames that each audio worker has decoded since the start. */
  readonly decodedBy: readonly number[];
  /** What the server says it has lost, by cause. */
  readonly lost: Readonly<Record<string, number>>;
  readonly lateness: Percentiles | undefined;
  readonly mostQueuedBytes: number;
  /** How much of a core each process took, and each thread of the server; `others` is what else ran on the machine. */
  readonly cores: Readonly<Record<string, number>>;
}

/** Starts the server, loads it, measures, and takes everything down again. */
export async function runTrial(plan: TrialPlan, surroundings: Surroundings): Promise<Trial> {
  const trial = await RunningTrial.start(plan, surroundings);
  try {
    await trial.startTraffic();
    await Bun.sleep(plan.warmupMs);
    const { server, generator, app, speech, busyCores } = await trial.measure(plan.measuredMs);
    const sent = await surroundings.generator.call("stopPacing");
    const settled = await trial.settle(sent);
    const { load } = server;
    const framesPerMs = generator.frames / generator.elapsedMs;
    const perFrame = (cpuMs: number) => (cpuMs * 1000) / load.elapsedMs / framesPerMs;
    const lateness = percentilesMs(Durations.from(generator.lateness));
    const core = (ms: number) => ms / load.elapsedMs;
    const own = {
      server: core(load.cpuMs),
      generator: generator.cpuMs / generator.elapsedMs,
      apps: app.cores,
      speech: speech.cores,
    };
    return {
      name: plan.name,
      void: whyVoid(lateness, generator.closed, plan),
      framesPerSecond: framesPerMs * 1000,
      cpuUsPerFrame: perFrame(load.cpuMs),
      mainUsPerFrame: perFrame(load.mainCpuMs),
      lag: percentilesMs(Durations.from(load.lag)),
      lagSeries: load.lagSeries,
      stages: Object.fromEntries(
        Object.entries(server.stages).flatMap(([name, pairs]) => {
          const found = percentilesMs(Durations.from(pairs));
          return found === undefined ? [] : [[name, found]];
        }),
      ),
      audioToApp: percentilesMs(Durations.from(app.audioLatency)),
      audioToSpeech: percentilesMs(Durations.from(speech.arrival)),
      transcriptToApp: percentilesMs(Durations.from(app.transcriptLatency)),
      pacingError: percentilesMs(Durations.from(generator.pacingError)),
      transcripts: app.transcripts,
      sent,
      missing: Math.max(0, sent - settled.arrived),
      gaps: settled.gaps,
      usersWithGaps: settled.usersWithGaps,
      missingAtApps: Math.max(0, sent - settled.atApps),
      decodedBy: settled.decodedBy,
      lost: Object.fromEntries(Object.entries(settled.lost).filter(([, count]) => count > 0)),
      lateness,
      mostQueuedBytes: server.mostQueuedBytes,
      cores: {
        ...own,
        others: Math.max(0, busyCores - own.server - own.generator - own.apps - own.speech),
        ...Object.fromEntries(
          Object.entries(server.threads).map(([name, ms]) => [`server ${name}`, core(ms)]),
        ),
      },
    };
  } finally {
    await trial.stop();
  }
}

/** Why a trial with such a generator proves nothing. */
export function whyVoid(
  lateness: Pick<Percentiles, "p99"> | undefined,
  closed: number,
  plan: { readonly deaf?: number; readonly traffic: Pick<Traffic, "framesPerSecond"> },
): string | undefined {
  if (plan.traffic.framesPerSecond === 0) return undefined;
  if (lateness === undefined) return "the generator sent nothing";
  if (lateness.p99 > mostLateMs) {
    return `the generator was ${lateness.p99.toFixed(1)} ms late at the 99th percentile (limit ${mostLateMs} ms)`;
  }
  return closed > (plan.deaf ?? 0) ? `the server closed ${closed} connections` : undefined;
}
