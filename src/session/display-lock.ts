import type { Limits } from "../kernel/limits.ts";

/** The one background app that may cover the foreground app, until then. */
export interface BackgroundLock {
  readonly packageName: string;
  readonly untilMs: number;
  /** However often its app asks again, it ends by then. */
  readonly hardEndMs: number;
}

/**
 * Who may cover the foreground app in one view. The lock goes to who asks for it while it is free, ends `backgroundLockMs`
 * after it was taken, or `backgroundIdleMs` after the display it was taken for, and then goes to the next who has asked.
 * A holder that has used up its time is followed by a rest, so that apps that take turns cannot hide the foreground
 * for good.
 */
export interface DisplayLock {
  readonly holder: BackgroundLock | undefined;
  /** Apps that asked while another one held it, in the order in which they asked. */
  readonly waiting: readonly string[];
  /** Until then the foreground app has the screen to itself, if it has something to show. */
  readonly restUntilMs: number;
}

export const freeLock: DisplayLock = {
  holder: undefined,
  waiting: [],
  restUntilMs: Number.NEGATIVE_INFINITY,
};

/** What the lock must know of the view. */
export interface LockView {
  /** When the app's present wish ends; undefined: it wants nothing shown. */
  readonly wishEndMs: (packageName: string) => number | undefined;
  /** Whether the foreground app has something to show. */
  readonly foregroundShows: boolean;
}

/** The lock as time has left it. */
export function settleLock(lock: DisplayLock, view: LockView, nowMs: number, limits: Limits): DisplayLock {
  let { holder, restUntilMs } = lock;
  if (holder !== undefined && holder.untilMs <= nowMs) {
    if (holder.untilMs >= holder.hardEndMs) restUntilMs = holder.untilMs + limits.backgroundIdleMs;
    holder = undefined;
  }
  let waiting = lock.waiting.filter((packageName) => (view.wishEndMs(packageName) ?? 0) > nowMs);
  const [next] = waiting;
  if (holder === undefined && next !== undefined && (nowMs >= restUntilMs || !view.foregroundShows)) {
    holder = taken(next, view.wishEndMs(next) ?? nowMs, nowMs, nowMs + limits.backgroundLockMs, limits);
    waiting = waiting.slice(1);
  }
  return { holder, waiting, restUntilMs };
}

/** The lock after a background app has asked for a display. Its wish is known to `view` by then. */
export function lockAfterRequest(
  lock: DisplayLock,
  packageName: string,
  view: LockView,
  nowMs: number,
  limits: Limits,
): DisplayLock {
  const settled = settleLock(lock, view, nowMs, limits);
  const { holder, waiting } = settled;
  if (holder?.packageName === packageName) {
    const wishEndMs = view.wishEndMs(packageName) ?? nowMs;
    return { ...settled, holder: taken(packageName, wishEndMs, nowMs, holder.hardEndMs, limits) };
  }
  if (waiting.includes(packageName)) return settled;
  return settleLock({ ...settled, waiting: [...waiting, packageName] }, view, nowMs, limits);
}

/** The lock after an app has gone. */
export function lockWithout(lock: DisplayLock, packageName: string): DisplayLock {
  return {
    ...lock,
    holder: lock.holder?.packageName === packageName ? undefined : lock.holder,
    waiting: lock.waiting.filter((name) => name !== packageName),
  };
}

/** When the lock is to be looked at again; Infinity when nothing about it changes by itself. */
export function lockWakeMs(lock: DisplayLock, nowMs: number): number {
  if (lock.holder !== undefined) return lock.holder.untilMs;
  return lock.waiting.length > 0 && lock.restUntilMs > nowMs ? lock.restUntilMs : Number.POSITIVE_INFINITY;
}

/** A lock as JSON holds it. */
export interface KeptLock {
  readonly holder?: BackgroundLock;
  readonly waiting: readonly string[];
  readonly restUntilMs: number;
}

/** What of a lock the next process needs. */
export function keptLock({ holder, waiting, restUntilMs }: DisplayLock): KeptLock {
  return { ...(holder && { holder }), waiting, restUntilMs: Math.max(0, restUntilMs) };
}

function taken(
  packageName: string,
  wishEndMs: number,
  nowMs: number,
  hardEndMs: number,
  limits: Limits,
): BackgroundLock {
  const idleEndMs = Math.max(wishEndMs, nowMs) + limits.backgroundIdleMs;
  return { packageName, untilMs: Math.min(hardEndMs, idleEndMs), hardEndMs };
}
