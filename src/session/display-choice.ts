import type { Layout } from "../wire/layouts.ts";
import type { BackgroundLock } from "./display-lock.ts";

/** What one app wants to see in one view. */
export interface Wish {
  readonly packageName: string;
  readonly layout: Layout;
  readonly atMs: number;
  /** Infinity: until the app replaces or clears it. */
  readonly untilMs: number;
  /** Jumps the pace, down to its floor. */
  readonly urgent: boolean;
  /** Of no or less than a second's duration: once covered it does not come back. */
  readonly fleeting?: boolean;
}

export interface Scene {
  readonly wishes: readonly Wish[];
  /** The standard app in the foreground, if one runs. */
  readonly foreground: string | undefined;
  readonly lock: Pick<BackgroundLock, "packageName" | "untilMs"> | undefined;
  /** The card of the apps that are starting. */
  readonly boot?: Wish | undefined;
}

/**
 * What belongs on the screen: a background app's display while it holds the lock, else the foreground app's, else the
 * newest of any other app. The card of a starting app covers what is older than itself, so that running apps go on
 * drawing. `untilMs` is when that answer must be looked at again.
 */
export function choose(scene: Scene, nowMs: number): { wish: Wish | undefined; untilMs: number } {
  const valid = scene.wishes.filter((wish) => wish.untilMs > nowMs);
  const foreground = valid.find((wish) => wish.packageName === scene.foreground);
  const lock = scene.lock !== undefined && scene.lock.untilMs > nowMs ? scene.lock : undefined;
  const covering = valid.find((wish) => wish.packageName === lock?.packageName);
  const beneath = covering ?? foreground ?? newest(valid);
  const boot = scene.boot !== undefined && scene.boot.untilMs > nowMs ? scene.boot : undefined;
  const drawnSince = beneath !== undefined && boot !== undefined && beneath.atMs >= boot.atMs;
  const wish = boot !== undefined && !drawnSince ? boot : beneath;
  const untilMs = Math.min(
    wish?.untilMs ?? Number.POSITIVE_INFINITY,
    lock?.untilMs ?? Number.POSITIVE_INFINITY,
    boot?.untilMs ?? Number.POSITIVE_INFINITY,
  );
  return { wish, untilMs };
}

function newest(wishes: readonly Wish[]): Wish | undefined {
  return wishes.reduce<Wish | undefined>(
    (best, wish) => (best && best.atMs > wish.atMs ? best : wish),
    undefined,
  );
}
