import { RunningTrial } from "../macro/running-trial.ts";
import type { Memory } from "../macro/server-under-test.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { type Control, type Figure, nothingFound, type Plot, type Verdict } from "../outcome.ts";
import type { BenchContext, Scenario } from "../scenario.ts";
import { formatTable } from "../table.ts";
import { mustExceed, valueAtMost } from "../verdicts.ts";

const mib = 1024 * 1024;
const kib = 1024;

/** What the process takes from the system: empty, for sessions that are silent, and for those in which somebody speaks. */
export const memory: Scenario = {
  name: "memory",
  inShortRun: false,
  run: async (context) => {
    const empty = await emptyProcess(context);
    const idle = await idleSessions(context);
    const speaking = await speakingSessions(context);
    const aboveIdle = speaking.perSession - idle.perSession;
    const figure = (name: string, value: number): Figure => ({
      name: `memory / ${name}`,
      spread: { median: value, min: value, max: value },
      better: "less",
    });
    const verdicts: Verdict[] = [
      valueAtMost("6", "empty process without a recogniser", " MiB", 120, empty / mib),
      valueAtMost("6", "each idle session with two apps", " KiB", 60, idle.perSession / kib),
      valueAtMost("6", "each speaking session with a live stream, above idle", " KiB", 450, aboveIdle / kib),
    ];
    const controls: Control[] = [
      mustExceed(
        "6",
        "a speaking session by the limit of an idle one",
        " KiB",
        60,
        speaking.perSession / kib,
      ),
    ];
    const plot: Plot = {
      title: "Memory against sessions with two apps",
      x: "sessions",
      y: "resident, MiB",
      series: [
        { name: "idle", points: idle.points.map(([n, bytes]) => [n, bytes / mib]) },
        { name: "with a live stream", points: speaking.points.map(([n, bytes]) => [n, bytes / mib]) },
      ],
    };
    const rows = [
      ...idle.points.map((p) => ["idle", ...p] as const),
      ...speaking.points.map((p) => ["speaking", ...p] as const),
    ];
    return {
      ...nothingFound,
      figures: [
        figure("empty MiB", empty / mib),
        figure("idle session KiB", idle.perSession / kib),
        figure("speaking session above idle KiB", aboveIdle / kib),
      ],
      verdicts,
      controls,
      plots: [plot],
      tables: [
        {
          title: "Resident memory",
          text: formatTable(
            ["", "sessions", "MiB"],
            rows.map(([kind, sessions, bytes]) => [kind, String(sessions), (bytes / mib).toFixed(1)]),
          ),
        },
      ],
    };
  },
};

const silent: Pick<TrialPlan, "server" | "traffic" | "warmupMs" | "measuredMs"> = {
  server: "browline",
  traffic: { codec: "pcm", framesPerSecond: 0 },
  warmupMs: 0,
  measuredMs: 0,
};

/** Read again and again: what the allocator gives back, it gives back late. */
async function settledMemory(trial: RunningTrial): Promise<Memory> {
  let least = await trial.server.call("memory");
  for (let i = 0; i < 5; i++) {
    await Bun.sleep(500);
    const now = await trial.server.call("memory");
    if (now.rssBytes < least.rssBytes) least = now;
  }
  return least;
}

async function emptyProcess({ surroundings, say }: BenchContext): Promise<number> {
  const trial = await RunningTrial.start({ ...silent, name: "empty", sessions: 0 }, surroundings);
  try {
    const { rssBytes } = await settledMemory(trial);
    say(`  empty: ${(rssBytes / mib).toFixed(1)} MiB`);
    return rssBytes;
  } finally {
    await trial.stop();
  }
}

interface Slope {
  readonly perSession: number;
  readonly points: readonly (readonly [number, number])[];
}

/** Each count in a process of its own; what a further session takes is the slope between the least and the most. */
async function idleSessions({ surroundings, say }: BenchContext): Promise<Slope> {
  const points: [number, number][] = [];
  for (const sessions of [200, 1_000]) {
    const plan = { ...silent, name: "idle", sessions, apps: { count: 2, hears: ["button_press"] } };
    const trial = await RunningTrial.start(plan, surroundings);
    try {
      const { rssBytes } = await settledMemory(trial);
      points.push([sessions, rssBytes]);
      say(`  ${sessions} idle sessions: ${(rssBytes / mib).toFixed(1)} MiB`);
    } finally {
      await trial.stop();
    }
  }
  return { perSession: slopeOf(points), points };
}

/** The same with everybody speaking, and with recent audio that has filled up. */
async function speakingSessions({ surroundings, say }: BenchContext): Promise<Slope> {
  const points: [number, number][] = [];
  for (const sessions of [50, 250]) {
    const plan: TrialPlan = {
      ...silent,
      name: "speaking",
      sessions,
      traffic: { codec: "pcm", framesPerSecond: 50 },
      apps: { count: 2, hears: ["transcription:en-US"] },
      speech: true,
    };
    const trial = await RunningTrial.start(plan, surroundings);
    try {
      await trial.startTraffic();
      // Longer than the recent audio that is kept in any case, so that its memory has been written to.
      await Bun.sleep(14_000);
      const { rssBytes } = await settledMemory(trial);
      points.push([sessions, rssBytes]);
      say(`  ${sessions} speaking sessions: ${(rssBytes / mib).toFixed(1)} MiB`);
    } finally {
      await trial.stop();
    }
  }
  return { perSession: slopeOf(points), points };
}

function slopeOf(points: readonly (readonly [number, number])[]): number {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return Number.NaN;
  return (last[1] - first[1]) / (last[0] - first[0]);
}
