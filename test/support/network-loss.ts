import { type ContinuityApps, type Listener, listeners, packageOf } from "./continuity-apps.ts";
import { ContinuityStage, patienceMs, pause } from "./continuity-stage.ts";
import { judgePresses, type PressVerdict } from "./press-verdict.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { PassedFrame } from "./socket-cutter.ts";
import { until } from "./until.ts";

export interface NetworkLossOptions {
  /** How often each app's connection is cut. */
  readonly cuts: number;
  /** How long each connection lives at most, from its return to the next cut. */
  readonly aliveMs: number;
  readonly fault?: string;
}

export interface NetworkLossReport {
  readonly pressed: number;
  readonly verdicts: Readonly<Record<Listener, PressVerdict>>;
  /** Duplicates of what had been confirmed before the loss: no app may have any. */
  readonly needless: Readonly<Record<Listener, readonly number[]>>;
  /** From the first passing of the oldest event that came twice to the loss, in milliseconds. */
  readonly windowMs: number;
  /** The longest that a numbered ping has waited for its pong, in milliseconds. */
  readonly roundTripMs: number;
}

/** Clause 1: connections of apps are cut at random while buttons are pressed. */
export async function loseNetwork(
  apps: ContinuityApps,
  random: SeededRandom,
  { cuts, aliveMs, fault }: NetworkLossOptions,
): Promise<NetworkLossReport> {
  const stage = await ContinuityStage.open(apps, { ...(fault !== undefined && { fault }) });
  try {
    await stage.begin();
    stage.startPressing();
    await Promise.all(
      listeners.map(async (listener) => {
        for (let i = 0; i < cuts; i++) {
          const packageName = packageOf(listener);
          await until(`${listener} to be back`, () => stage.cutter.isConnected(packageName), patienceMs);
          await pause(random.integer(0, aliveMs));
          stage.cutter.cut(packageName, random.integer(20, 150), random.chance(0.5) ? 1012 : undefined);
        }
      }),
    );
    await stage.everybodyListens();
    stage.stopPressing();
    await stage.settle();
    return report(stage);
  } finally {
    await stage.close();
  }
}

function report(stage: ContinuityStage): NetworkLossReport {
  const of = <Value>(tell: (listener: Listener) => Value) =>
    Object.fromEntries(listeners.map((listener) => [listener, tell(listener)])) as Record<Listener, Value>;
  const verdicts = of((listener) => judgePresses(stage.allPresses, stage.presses(listener)));
  const traces = of((listener) => trace(stage.cutter.passed, packageOf(listener)));
  return {
    pressed: stage.pressed,
    verdicts,
    needless: of((listener) =>
      verdicts[listener].duplicates.filter((press) => !traces[listener].open.has(press)),
    ),
    windowMs: Math.max(
      0,
      ...listeners.flatMap((listener) =>
        verdicts[listener].duplicates.map((press) => traces[listener].open.get(press) ?? 0),
      ),
    ),
    roundTripMs: Math.max(...listeners.map((listener) => traces[listener].roundTripMs)),
  };
}

interface Trace {
  /** Presses that were not confirmed at a loss, with their age at that moment. */
  readonly open: ReadonlyMap<number, number>;
  readonly roundTripMs: number;
}

function trace(passed: readonly PassedFrame[], packageName: string): Trace {
  const open = new Map<number, number>();
  let unconfirmed: { seq: number; press: number; atMs: number }[] = [];
  const asked = new Map<number, number>();
  let roundTripMs = 0;
  for (const frame of passed) {
    if (frame.packageName !== packageName) continue;
    if (frame.kind === "message") {
      const { type, streamType, seq, data } = frame.message;
      if (type !== "data_stream" || streamType !== "button_press" || seq === undefined) continue;
      unconfirmed.push({ seq, press: Number((data as { buttonId: string }).buttonId), atMs: frame.atMs });
    } else if (frame.kind === "ping") {
      asked.set(frame.seq, frame.atMs);
    } else if (frame.kind === "pong") {
      unconfirmed = unconfirmed.filter(({ seq }) => seq > frame.seq);
      roundTripMs = Math.max(roundTripMs, frame.atMs - (asked.get(frame.seq) ?? frame.atMs));
    } else {
      for (const { press, atMs } of unconfirmed) open.set(press, frame.atMs - atMs);
      asked.clear();
      unconfirmed = [];
    }
  }
  return { open, roundTripMs };
}
