import { type ContinuityApps, type Listener, listeners, ofEach, packageOf } from "./continuity-apps.ts";
import { ContinuityStage, patienceMs, pause } from "./continuity-stage.ts";
import { passedPresses } from "./passed-presses.ts";
import { judgePresses, type PressVerdict } from "./press-verdict.ts";
import type { SeededRandom } from "./seeded-random.ts";
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
  /** How many events the counting app was told that it had missed. */
  readonly toldLost: number;
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
          stage.cutter.cut(packageName, random.integer(20, 200), random.chance(0.5) ? 1012 : undefined);
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
  const verdicts = ofEach((listener) => judgePresses(stage.allPresses, stage.presses(listener)));
  const traces = ofEach((listener) => passedPresses(stage.cutter.passed, packageOf(listener)));
  return {
    pressed: stage.pressed,
    verdicts,
    needless: ofEach((listener) =>
      verdicts[listener].duplicates.filter((press) => !traces[listener].open.has(press)),
    ),
    windowMs: Math.max(
      0,
      ...listeners.flatMap((listener) =>
        verdicts[listener].duplicates.map((press) => traces[listener].open.get(press) ?? 0),
      ),
    ),
    toldLost: stage.toldLost,
    roundTripMs: Math.max(...listeners.map((listener) => traces[listener].roundTripMs)),
  };
}
