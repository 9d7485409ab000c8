import type { SeededRandom } from "../support/seeded-random.ts";
import type { OutageManner } from "./sdk-like-app.ts";
import { type WorkerKind, workerKinds } from "./server-messages.ts";

/** Whose lane: that of a user's glasses, or that of one of the user's apps. */
export type LaneName = { readonly user: number; readonly seat: number | "glasses" };

/** Something that goes wrong, or that a user or an app does. */
export type Fault =
  /** A connection ends: with a reset, which may cost what was under way, or in an orderly way. */
  | ({ readonly kind: "cut"; readonly how: "reset" | "end" } & LaneName)
  /** It carries nothing any more and neither side knows, until it is cut. */
  | ({ readonly kind: "halfOpen"; readonly lastsMs: number } & LaneName)
  | ({ readonly kind: "stall"; readonly lastsMs: number } & LaneName)
  | ({ readonly kind: "slow"; readonly lastsMs: number; readonly bytesPerSecond: number } & LaneName)
  /** The client cannot be reached and reaches nobody. */
  | ({ readonly kind: "vanish"; readonly lastsMs: number } & LaneName)
  /** The client changes its network: the server hears of the old socket's end after the new one's beginning. */
  | ({ readonly kind: "lateClose"; readonly lastsMs: number } & LaneName)
  | {
      readonly kind: "outage";
      readonly app: number;
      readonly manner: OutageManner;
      readonly lastsMs: number;
    }
  | { readonly kind: "stopApp"; readonly user: number; readonly seat: number; readonly lastsMs: number }
  | { readonly kind: "relist"; readonly user: number; readonly seat: number }
  | { readonly kind: "killWorker"; readonly worker: WorkerKind }
  | { readonly kind: "freeze"; readonly lastsMs: number }
  /** All connections of the apps on the real SDK end. */
  | { readonly kind: "cutSdk" }
  | { readonly kind: "kill" | "drain" };

/** A fault and when it comes, in milliseconds of real time from the start. */
export interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

export interface PlanOptions {
  readonly users: number;
  /** Apps of each user that have a lane of their own. */
  readonly seats: number;
  readonly apps: number;
  readonly lengthMs: number;
  readonly speed: number;
  readonly kills: boolean;
}

/** How long apps and their servers are away, in milliseconds of life. */
const absencesMs = [3_000, 8_000, 15_000, 25_000, 60_000, 200_000];
const minuteMs = 60_000;
/** From then on the server is left alive, so that its memory can be watched. */
const shareWithKills = 0.6;

/** How often in a minute of life each thing happens. */
const rates = {
  glasses: 0.7,
  app: 0.7,
  outage: 0.5,
  stopApp: 0.15,
  relist: 0.4,
  killWorker: 3,
  cutSdk: 3,
  freeze: 0.6,
  end: 0.8,
};

/** Everything that will happen in a run. The same for the same random numbers; bounded, and nothing lasts beyond the run. */
export function planFaults(random: SeededRandom, options: PlanOptions): PlannedFault[] {
  const { users, seats, apps, lengthMs, speed, kills } = options;
  const plan: PlannedFault[] = [];
  const lived = (ms: number) => Math.round(ms / speed);
  /** Calls `make` at random times so that it is `perMinute` times in a minute of life on average. */
  const sprinkle = (perMinute: number, untilMs: number, make: () => Fault) => {
    const meanMs = minuteMs / perMinute / speed;
    const wait = () => -Math.log(1 - random.next()) * meanMs;
    for (let atMs = wait(); atMs < untilMs; atMs += wait()) {
      const fault = make();
      const lastsMs = "lastsMs" in fault ? Math.min(fault.lastsMs, lengthMs - atMs) : 0;
      plan.push({ atMs, fault: "lastsMs" in fault ? { ...fault, lastsMs } : fault });
    }
  };
  const lane = (name: LaneName): Fault => {
    const ofGlasses = name.seat === "glasses";
    switch (random.integer(0, 5)) {
      case 0:
        return { kind: "halfOpen", lastsMs: lived(random.integer(5, ofGlasses ? 25 : 60) * 1000), ...name };
      case 1:
        return { kind: "stall", lastsMs: lived(random.integer(1, 12) * 1000), ...name };
      case 2:
        return {
          kind: "slow",
          lastsMs: lived(random.integer(5, 30) * 1000),
          bytesPerSecond: random.integer(500, 5_000) * speed,
          ...name,
        };
      case 3:
        return {
          kind: "vanish",
          lastsMs: lived(
            ofGlasses ? random.pick([2_000, 8_000, 15_000, 25_000, 45_000]) : random.pick(absencesMs),
          ),
          ...name,
        };
      case 4:
        return { kind: "lateClose", lastsMs: lived(random.integer(2, 15) * 1000), ...name };
      default:
        return { kind: "cut", how: random.chance(0.6) ? "reset" : "end", ...name };
    }
  };
  for (let user = 0; user < users; user++) {
    sprinkle(rates.glasses, lengthMs, () => lane({ user, seat: "glasses" }));
    for (let seat = 0; seat < seats; seat++) {
      sprinkle(rates.app, lengthMs, () => lane({ user, seat }));
      sprinkle(rates.relist, lengthMs, () => ({ kind: "relist", user, seat }));
      const lastsMs = lived(random.integer(5, 30) * 1000);
      sprinkle(rates.stopApp, lengthMs, () => ({ kind: "stopApp", user, seat, lastsMs }));
    }
  }
  for (let app = 0; app < apps; app++) {
    sprinkle(rates.outage, lengthMs, () => ({
      kind: "outage",
      app,
      manner: random.pick<OutageManner>(["gone", "gone", "silent", "unavailable"]),
      lastsMs: lived(random.pick(absencesMs)),
    }));
  }
  sprinkle(rates.cutSdk, lengthMs, () => ({ kind: "cutSdk" }));
  sprinkle(rates.freeze, lengthMs, () => ({ kind: "freeze", lastsMs: random.integer(300, 2_000) }));
  if (kills) {
    const untilMs = lengthMs * shareWithKills;
    sprinkle(rates.killWorker, lengthMs, () => ({ kind: "killWorker", worker: random.pick(workerKinds) }));
    sprinkle(rates.end, untilMs, () => ({ kind: random.chance(0.67) ? "kill" : "drain" }));
    // However short the run and whatever the numbers, it has been there.
    if (!plan.some(({ fault }) => fault.kind === "kill"))
      plan.push({ atMs: untilMs / 2, fault: { kind: "kill" } });
  }
  return plan.sort((a, b) => a.atMs - b.atMs);
}
