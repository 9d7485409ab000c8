import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import type { ToGlasses } from "../wire/glasses.ts";
import type { Layout, View } from "../wire/layouts.ts";
import type { SendResult } from "./ports.ts";

/**
 * Decides what is on the glasses, and when it is sent.
 *
 * Nothing is queued: every app has one wish a view, the latest, and what belongs on the screen is computed from the
 * wishes whenever something changes. So the last request of an app is always the last of it on screen, a card that ends
 * uncovers what was beneath, and a stopped app's text cannot come back. The link to the glasses is slow, so one pace
 * holds for all apps and views together.
 */

/** What one app wants to see in one view. */
export interface Wish {
  readonly packageName: string;
  readonly layout: Layout;
  readonly atMs: number;
  /** Infinity: until the app replaces or clears it. */
  readonly untilMs: number;
  /** Jumps the pace, down to its floor. */
  readonly urgent: boolean;
}

/** The one background app that may cover the foreground app, until then. */
export interface BackgroundLock {
  readonly packageName: string;
  readonly untilMs: number;
}

export interface Scene {
  readonly wishes: readonly Wish[];
  /** The standard app in the foreground, if one runs. */
  readonly foreground: string | undefined;
  readonly lock: BackgroundLock | undefined;
}

/**
 * What belongs on the screen: a background app's display while it holds the lock, else the foreground app's, else the
 * newest of any other app. `untilMs` is when that answer must be looked at again.
 */
export function choose(scene: Scene, nowMs: number): { wish: Wish | undefined; untilMs: number } {
  const valid = scene.wishes.filter((wish) => wish.untilMs > nowMs);
  const foreground = valid.find((wish) => wish.packageName === scene.foreground);
  const lock = scene.lock !== undefined && scene.lock.untilMs > nowMs ? scene.lock : undefined;
  const covering = valid.find((wish) => wish.packageName === lock?.packageName);
  const wish = covering ?? foreground ?? newest(valid);
  const untilMs = Math.min(
    wish?.untilMs ?? Number.POSITIVE_INFINITY,
    covering !== undefined && foreground !== undefined && lock !== undefined
      ? lock.untilMs
      : Number.POSITIVE_INFINITY,
  );
  return { wish, untilMs };
}

function newest(wishes: readonly Wish[]): Wish | undefined {
  return wishes.reduce<Wish | undefined>(
    (best, wish) => (best && best.atMs > wish.atMs ? best : wish),
    undefined,
  );
}

/**
 * The lock after `packageName`, a background app, has asked for a display. A free lock goes to who asks; it ends
 * `backgroundLockMs` after it was taken, or `backgroundIdleMs` after the display it was taken for has ended.
 */
export function lockAfterRequest(
  lock: BackgroundLock | undefined,
  wish: Wish,
  nowMs: number,
  limits: Limits,
): BackgroundLock {
  const held = lock !== undefined && lock.untilMs > nowMs;
  if (held && lock.packageName !== wish.packageName) return lock;
  const hardEndMs = held ? lock.untilMs : nowMs + limits.backgroundLockMs;
  return {
    packageName: wish.packageName,
    untilMs: Math.min(hardEndMs, wish.untilMs + limits.backgroundIdleMs),
  };
}

export interface DisplayRequest {
  readonly view: View;
  readonly layout: Layout;
  readonly durationMs: number | undefined;
  readonly force: boolean;
}

/** What the manager needs of its session. */
export interface DisplayHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly foregroundApp: () => string | undefined;
  /** Sends to the current glasses socket; `dropped` while there is none. */
  readonly send: (message: ToGlasses) => SendResult;
}

/** Sender of what no app has asked for, such as a cleared screen. */
const systemPackage = "system.browline";

const views: readonly View[] = ["main", "dashboard"];

interface ViewState {
  readonly wishes: Map<string, Wish>;
  lock: BackgroundLock | undefined;
  /** Serialised layout that the glasses show; undefined when not known, empty when nothing. */
  onScreen: string | undefined;
}

export class DisplayManager {
  readonly #host: DisplayHost;
  readonly #views: Readonly<Record<View, ViewState>> = { main: emptyView(), dashboard: emptyView() };
  #connected = false;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #cancelPump: Stop | undefined;

  constructor(host: DisplayHost) {
    this.#host = host;
  }

  /** Takes an app's wish and shows it as soon as the pace and the other apps allow. */
  request(packageName: string, request: DisplayRequest): void {
    const { clock, limits, metrics } = this.#host;
    const now = clock.now();
    const view = this.#views[request.view];
    if (request.layout.layoutType === "clear_view") {
      view.wishes.delete(packageName);
      metrics.displays.inc({ outcome: "cleared" });
    } else {
      const untilMs = request.durationMs ? now + request.durationMs : Number.POSITIVE_INFINITY;
      const wish: Wish = { packageName, layout: request.layout, atMs: now, untilMs, urgent: request.force };
      if (view.wishes.has(packageName)) metrics.displays.inc({ outcome: "replaced" });
      view.wishes.set(packageName, wish);
      metrics.displays.inc({ outcome: "requested" });
      if (packageName !== this.#host.foregroundApp())
        view.lock = lockAfterRequest(view.lock, wish, now, limits);
    }
    this.#pump();
  }

  /** Everything of an app goes, in one step; what it covered comes back. */
  removeApp(packageName: string): void {
    for (const name of views) {
      const view = this.#views[name];
      view.wishes.delete(packageName);
      if (view.lock?.packageName === packageName) view.lock = undefined;
    }
    this.#pump();
  }

  /** New glasses socket: whatever belongs on the screen is sent again, the main view first. */
  glassesConnected(): void {
    this.#connected = true;
    for (const name of views) {
      const view = this.#views[name];
      // Glasses that showed nothing need not be told to show nothing.
      if (view.onScreen !== "") view.onScreen = undefined;
    }
    this.#pump();
  }

  /** Wishes are kept, newest wins, and shown when the glasses are back. */
  glassesGone(): void {
    this.#connected = false;
    this.#cancelPump?.();
  }

  dispose(): void {
    this.#cancelPump?.();
    for (const name of views) this.#views[name].wishes.clear();
  }

  /** Sends what differs from the screen, one display at a time, and comes back when something is due. */
  #pump(): void {
    this.#cancelPump?.();
    if (!this.#connected) return;
    const { clock, limits } = this.#host;
    const now = clock.now();
    let wakeMs = Number.POSITIVE_INFINITY;
    for (const name of views) {
      const view = this.#views[name];
      dropExpired(view, now);
      const { wish, untilMs } = choose(this.#scene(view), now);
      wakeMs = Math.min(wakeMs, untilMs);
      const content = wish === undefined ? "" : JSON.stringify(wish.layout);
      if (content === view.onScreen) continue;
      const distanceMs = wish?.urgent ? limits.displayFloorMs : limits.displayIntervalMs;
      const dueMs = this.#lastSentMs + distanceMs;
      if (now < dueMs) {
        wakeMs = Math.min(wakeMs, dueMs);
      } else if (this.#send(name, wish, now)) {
        view.onScreen = content;
        this.#lastSentMs = now;
      } else {
        wakeMs = Math.min(wakeMs, now + limits.displayIntervalMs);
      }
    }
    if (wakeMs < Number.POSITIVE_INFINITY) this.#cancelPump = clock.at(wakeMs, () => this.#pump());
  }

  #scene(view: ViewState): Scene {
    return { wishes: [...view.wishes.values()], foreground: this.#host.foregroundApp(), lock: view.lock };
  }

  #send(view: View, wish: Wish | undefined, nowMs: number): boolean {
    const remainingMs = wish === undefined ? Number.POSITIVE_INFINITY : wish.untilMs - nowMs;
    const result = this.#host.send({
      type: "display_event",
      packageName: wish?.packageName ?? systemPackage,
      view,
      layout: wish?.layout ?? { layoutType: "clear_view" },
      ...(remainingMs < Number.POSITIVE_INFINITY ? { durationMs: Math.ceil(remainingMs) } : {}),
    });
    this.#host.metrics.displays.inc({ outcome: result === "sent" ? "shown" : "undelivered" });
    return result === "sent";
  }
}

function emptyView(): ViewState {
  return { wishes: new Map(), lock: undefined, onScreen: "" };
}

function dropExpired(view: ViewState, nowMs: number): void {
  for (const wish of view.wishes.values()) {
    if (wish.untilMs <= nowMs) view.wishes.delete(wish.packageName);
  }
}
