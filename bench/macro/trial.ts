import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bucketPercentile, type TimeSummary } from "../statistics.ts";
import type { AppHostCommands, AppReport } from "./app-host.ts";
import { BenchProcess } from "./control.ts";
import type { GeneratorCommands, GeneratorReport } from "./generator.ts";
import type { FrameTotals, ServerCommands, ServerReport } from "./server-under-test.ts";

/** Bytes of one frame of the generator. */
const frameBytes = 640;
/** A generator that is later than this at the 99th percentile was short of processor itself, and proves nothing. */
export const mostLateMs = 5;
const listeningMs = 30_000;
/** How long frames may be on their way after the last was sent. */
const settlingMs = 3_000;

/** One way of serving the same load. */
export interface Variant {
  readonly name: string;
  readonly server: URL;
  /** Whether an app listens to the audio of every session. */
  readonly listening: boolean;
}

export interface TrialPlan {
  readonly sessions: number;
  readonly warmupMs: number;
  readonly measuredMs: number;
}

/** One variant under load, once. */
export interface Trial {
  readonly variant: string;
  /** Why the figures count for nothing; undefined: they count. */
  readonly void: string | undefined;
  readonly framesPerSecond: number;
  /** Processor time of the server for each frame: all threads, and the main thread alone. */
  readonly cpuUsPerFrame: number;
  readonly mainUsPerFrame: number;
  readonly lag: TimeSummary;
  /** Wait between socket and worker: upper bounds, since waits are counted in buckets. */
  readonly ring: { readonly p50: number; readonly p99: number } | undefined;
  /** From the glasses' sending to the app's receiving, ms. */
  readonly toApp: TimeSummary | undefined;
  readonly sent: number;
  /** Frames sent that did not arrive where they should. */
  readonly missing: number;
  /** What the server says it has lost, by cause. */
  readonly lost: Readonly<Record<string, number>>;
  readonly lateness: TimeSummary | undefined;
  /** How much of a core each process took. */
  readonly cores: { readonly server: number; readonly generator: number; readonly app: number };
}

/** The processes that all trials share. */
export interface Surroundings {
  readonly generator: BenchProcess<GeneratorCommands>;
  readonly appHost: BenchProcess<AppHostCommands>;
}

/** Starts the variant's server, loads it, measures, and takes everything down again. */
export async function runTrial(
  variant: Variant,
  plan: TrialPlan,
  { generator, appHost }: Surroundings,
): Promise<Trial> {
  const dataDir = mkdtempSync(join(tmpdir(), "browline-bench-"));
  const removeDataDir = () => rmSync(dataDir, { recursive: true, force: true });
  // An interrupted bench gets no further than this.
  process.once("exit", removeDataDir);
  const server = new BenchProcess<ServerCommands>(variant.server);
  try {
    const app = variant.listening ? await appHost.call("app") : undefined;
    const { port, tokens } = await server.call("start", { sessions: plan.sessions, dataDir, app });
    await generator.call("connect", port, tokens);
    if (app !== undefined) {
      await generator.call("say", { type: "start_app", packageName: app.packageName });
      await waitUntil("an app to listen to every session", listeningMs, async () => {
        return (await server.call("listeners")) === plan.sessions;
      });
    }
    await generator.call("startPacing");
    await Bun.sleep(plan.warmupMs);
    await Promise.all([server.call("begin"), generator.call("begin"), appHost.call("begin")]);
    await Bun.sleep(plan.measuredMs);
    const [serverReport, generatorReport] = await Promise.all([
      server.call("end"),
      generator.call("end"),
      appHost.call("end"),
    ]);
    const sent = await generator.call("stopPacing");
    const totals = await settle(server, appHost, variant.listening, sent);
    const appReport = await appHost.call("report");
    return judge(variant, sent, totals, appReport, serverReport, generatorReport);
  } finally {
    await generator.call("disconnect").catch(ignore);
    await server.call("stop").catch(ignore);
    await appHost.call("reset").catch(ignore);
    await server.close();
    removeDataDir();
    process.off("exit", removeDataDir);
  }
}

interface Arrived extends FrameTotals {
  /** Frames that came to the end of their way: to the apps, or else to the server. */
  readonly arrived: number;
}

/** Waits for what is still on its way. What has not come by then is missing. */
async function settle(
  server: BenchProcess<ServerCommands>,
  appHost: BenchProcess<AppHostCommands>,
  listening: boolean,
  sent: number,
): Promise<Arrived> {
  const look = async (): Promise<Arrived> => {
    const totals = await server.call("totals");
    const { audioBytes } = await appHost.call("report");
    return { ...totals, arrived: listening ? Math.floor(audioBytes / frameBytes) : totals.received };
  };
  const untilMs = performance.now() + settlingMs;
  let seen = await look();
  while ((seen.arrived < sent || seen.received < sent) && performance.now() < untilMs) {
    await Bun.sleep(50);
    seen = await look();
  }
  return seen;
}

function judge(
  variant: Variant,
  sent: number,
  totals: Arrived,
  app: AppReport,
  server: ServerReport,
  generator: GeneratorReport,
): Trial {
  const { load, ringLag } = server;
  const framesPerMs = generator.frames / generator.elapsedMs;
  const perFrame = (cpuMs: number) => (cpuMs * 1000) / load.elapsedMs / framesPerMs;
  const p50 = bucketPercentile(ringLag, 0.5);
  const p99 = bucketPercentile(ringLag, 0.99);
  return {
    variant: variant.name,
    void: whyVoid(generator),
    framesPerSecond: framesPerMs * 1000,
    cpuUsPerFrame: perFrame(load.cpuMs),
    mainUsPerFrame: perFrame(load.mainCpuMs),
    lag: load.lag,
    ring: p50 === undefined || p99 === undefined ? undefined : { p50, p99 },
    toApp: variant.listening ? app.latency : undefined,
    sent,
    missing: sent - totals.arrived,
    lost: Object.fromEntries(Object.entries(totals.lost).filter(([, count]) => count > 0)),
    lateness: generator.lateness,
    cores: {
      server: load.cpuMs / load.elapsedMs,
      generator: generator.cpuMs / generator.elapsedMs,
      app: app.cores,
    },
  };
}

/** Why a trial with such a generator proves nothing. */
export function whyVoid({
  lateness,
  closed,
}: Pick<GeneratorReport, "lateness" | "closed">): string | undefined {
  if (lateness === undefined) return "the generator sent nothing";
  if (lateness.p99 > mostLateMs) {
    return `the generator was ${lateness.p99.toFixed(1)} ms late at the 99th percentile (limit ${mostLateMs} ms)`;
  }
  return closed > 0 ? `the server closed ${closed} connections` : undefined;
}

async function waitUntil(what: string, limitMs: number, reached: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + limitMs;
  while (!(await reached())) {
    if (performance.now() > untilMs) throw new Error(`waited ${limitMs / 1000} s in vain for ${what}`);
    await Bun.sleep(20);
  }
}

function ignore(): void {}
