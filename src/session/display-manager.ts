import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import type { ToGlasses } from "../wire/glasses.ts";
import { isBitmap, type Layout, sameLayout, type View } from "../wire/layouts.ts";
import { BootCards } from "./boot-cards.ts";
import { choose, type Scene, type Wish } from "./display-choice.ts";
import {
  type DisplayLock,
  freeLock,
  type KeptLock,
  keptLock,
  type LockView,
  lockAfterRequest,
  lockWakeMs,
  lockWithout,
  settleLock,
} from "./display-lock.ts";
import type { SendResult } from "./ports.ts";

export interface DisplayRequest {
  readonly view: View;
  readonly layout: Layout;
  readonly durationMs: number | undefined;
  readonly force: boolean;
}

/**
 * What became of a request by the time it returned: on the screen, there already, held by the pace, beneath another
 * app's display, or kept for glasses that are away.
 */
export type DisplayOutcome = "shown" | "unchanged" | "throttled" | "covered" | "away";

/** What the manager needs of its session. */
export interface DisplayHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly foregroundApp: () => string | undefined;
  /** An app's wish is another than before. */
  readonly changed: () => void;
  /** Sends to the current glasses socket; `dropped` while there is none. */
  readonly send: (message: ToGlasses) => SendResult;
}

/** Sender of what no app has asked for, such as a cleared screen. */
const systemPackage = "system.browline";

const views: readonly View[] = ["main", "dashboard"];

/** A display shorter than this is not worth coming back to. */
const fleetingMs = 1_000;

type Screen =
  /** Nobody knows what new glasses show. */
  | { readonly kind: "unknown" }
  | { readonly kind: "empty" }
  | { readonly kind: "showing"; readonly wish: Wish };

interface ViewState {
  readonly wishes: Map<string, Wish>;
  lock: DisplayLock;
  screen: Screen;
  /** Since when the screen has not been what it should be. */
  staleSinceMs: number | undefined;
}

/** What is kept of the display in case the process ends. */
export interface KeptDisplay {
  readonly lastSentMs: number;
  readonly views: Readonly<Record<View, KeptView>>;
}

interface KeptView {
  /** Without an end: until its app replaces it. */
  readonly wishes: readonly (Pick<Wish, "packageName" | "layout" | "atMs" | "fleeting"> & {
    readonly untilMs?: number;
  })[];
  readonly lock: KeptLock;
  /** Whether the glasses showed nothing. */
  readonly empty: boolean;
}

/** A view whose screen is not what it should be. */
interface Due {
  readonly view: View;
  readonly wish: Wish | undefined;
  /** Whether it may come before its turn. */
  readonly jumps: boolean;
  readonly staleSinceMs: number;
}

/**
 * Decides what is on the glasses, and when it is sent.
 *
 * Nothing is queued: every app has one wish a view, the latest, and what belongs on the screen is computed from the
 * wishes whenever something changes. So the last request of an app is always the last of it on screen, a card that ends
 * uncovers what was beneath, and a stopped app's text cannot come back. The link to the glasses is slow, so one pace
 * holds for all apps and views together.
 */
export class DisplayManager {
  readonly #host: DisplayHost;
  readonly #views: Readonly<Record<View, ViewState>> = { main: emptyView(), dashboard: emptyView() };
  readonly #boots = new BootCards();
  /** Wishes that have been on the screen: they jump no pace a second time. */
  readonly #sent = new WeakSet<Wish>();
  #boot: Wish | undefined;
  #connected = false;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #cancelPump: Stop | undefined;

  constructor(host: DisplayHost) {
    this.#host = host;
  }

  /** Takes an app's wish and shows it as soon as the pace and the other apps allow. */
  request(packageName: string, request: DisplayRequest): DisplayOutcome {
    const { clock, limits, metrics } = this.#host;
    const now = clock.now();
    const { durationMs, layout } = request;
    const view = this.#views[request.view];
    if (request.view === "main") this.#boots.end(packageName);
    if (layout.layoutType === "clear_view") {
      this.#clear(request.view, packageName, now);
      metrics.displays.inc({ outcome: "cleared" });
    } else {
      const wish: Wish = {
        packageName,
        layout,
        atMs: now,
        untilMs: durationMs ? now + durationMs : Number.POSITIVE_INFINITY,
        urgent: request.force,
        fleeting: durationMs !== undefined && durationMs < fleetingMs,
      };
      metrics.displays.inc({ outcome: view.wishes.has(packageName) ? "replaced" : "requested" });
      view.wishes.set(packageName, wish);
      if (packageName !== this.#foregroundOf(request.view)) {
        view.lock = lockAfterRequest(view.lock, packageName, this.#lockView(request.view), now, limits);
      }
    }
    this.#pump();
    this.#host.changed();
    const outcome = this.#outcomeOf(request.view, packageName);
    metrics.displays.inc({ outcome });
    return outcome;
  }

  /**
   * Shows what no app has asked for, as the ground of a view: apps may cover it for as long as a background app may cover
   * the foreground one. Undefined takes it away.
   */
  showSystem(name: View, layout: Layout | undefined): void {
    const { wishes } = this.#views[name];
    const former = wishes.get(systemPackage);
    if (layout === undefined) {
      if (!wishes.delete(systemPackage)) return;
    } else {
      if (former !== undefined && sameLayout(former.layout, layout)) return;
      wishes.set(systemPackage, {
        packageName: systemPackage,
        layout,
        // Older than whatever an app may want to see there.
        atMs: 0,
        untilMs: Number.POSITIVE_INFINITY,
        urgent: false,
      });
    }
    this.#pump();
  }

  /** An app is starting: a card says so until its first display, at most for `bootCardMs`. Running apps go on drawing. */
  bootBegins(packageName: string, name: string): void {
    const { clock, limits } = this.#host;
    const now = clock.now();
    if (limits.bootCardMs <= 0) return;
    this.#boots.begin(packageName, name, now, now + limits.bootCardMs);
    this.#pump();
  }

  /** The app will not come. */
  bootEnds(packageName: string): void {
    this.#boots.end(packageName);
    this.#pump();
  }

  /** Everything of an app goes, in one step; what it covered comes back. */
  removeApp(packageName: string): void {
    this.#boots.end(packageName);
    for (const name of views) {
      const view = this.#views[name];
      view.wishes.delete(packageName);
      view.lock = lockWithout(view.lock, packageName);
    }
    this.#pump();
    this.#host.changed();
  }

  /** What the next process needs. Pictures are left out: they are too large to be written again and again. */
  keep(): KeptDisplay {
    const keptView = ({ wishes, lock, screen }: ViewState): KeptView => ({
      wishes: [...wishes.values()]
        .filter(({ packageName, layout }) => packageName !== systemPackage && !isBitmap(layout))
        .map(({ packageName, layout, atMs, untilMs, fleeting }) => ({
          packageName,
          layout,
          atMs,
          ...(untilMs < Number.POSITIVE_INFINITY && { untilMs }),
          ...(fleeting && { fleeting }),
        })),
      lock: keptLock(lock),
      empty: screen.kind === "empty",
    });
    const { main, dashboard } = this.#views;
    return {
      lastSentMs: Math.max(0, this.#lastSentMs),
      views: { main: keptView(main), dashboard: keptView(dashboard) },
    };
  }

  /** Goes on with what a former process had, when the glasses return. */
  resume({ lastSentMs, views: kept }: KeptDisplay): void {
    this.#lastSentMs = lastSentMs;
    for (const name of views) {
      const view = this.#views[name];
      const { wishes, lock, empty } = kept[name];
      for (const { untilMs = Number.POSITIVE_INFINITY, ...wish } of wishes) {
        view.wishes.set(wish.packageName, { ...wish, untilMs, urgent: false });
      }
      view.lock = { holder: lock.holder, waiting: lock.waiting, restUntilMs: lock.restUntilMs };
      if (!empty) view.screen = { kind: "unknown" };
    }
  }

  /** New glasses socket: whatever belongs on the screen is sent again, the main view first. */
  glassesConnected(): void {
    this.#connected = true;
    for (const name of views) {
      const view = this.#views[name];
      // Glasses that showed nothing need not be told to show nothing.
      if (view.screen.kind === "empty") continue;
      if (view.screen.kind === "showing" && forgetFleeting(view, view.screen.wish)) this.#host.changed();
      view.screen = { kind: "unknown" };
      view.staleSinceMs = undefined;
    }
    this.#pump();
  }

  /** Wishes are kept, newest wins, and shown when the glasses are back. */
  glassesGone(): void {
    this.#connected = false;
    this.#cancelPump?.();
  }

  /** What a view shows, and what it would show if the link had no pace. Undefined: nothing. */
  inspect(name: View): { readonly shown: Layout | undefined; readonly wanted: Layout | undefined } {
    const { clock, limits } = this.#host;
    const now = clock.now();
    const { screen, lock } = this.#views[name];
    const { holder } = settleLock(lock, this.#lockView(name), now, limits);
    const { wish } = choose({ ...this.#scene(name, now), lock: holder }, now);
    return { shown: screen.kind === "showing" ? screen.wish.layout : undefined, wanted: wish?.layout };
  }

  dispose(): void {
    this.#cancelPump?.();
    this.#connected = false;
    this.#boots.clear();
    for (const name of views) this.#views[name].wishes.clear();
  }

  #clear(name: View, packageName: string, nowMs: number): void {
    const view = this.#views[name];
    view.wishes.delete(packageName);
    if (view.lock.holder?.packageName !== packageName) return;
    // Its display has ended: it keeps the lock for the idle time, as after one that ran out.
    view.lock = lockAfterRequest(view.lock, packageName, this.#lockView(name), nowMs, this.#host.limits);
  }

  /** Sends what differs from the screen, one display at a time, and comes back when something is due. */
  #pump(): void {
    this.#cancelPump?.();
    if (!this.#connected) return;
    const { clock, limits } = this.#host;
    const now = clock.now();
    let wakeMs = Number.POSITIVE_INFINITY;
    const dues: Due[] = [];
    for (const name of views) {
      const view = this.#views[name];
      dropExpired(view, now);
      view.lock = settleLock(view.lock, this.#lockView(name), now, limits);
      const { wish, untilMs } = choose(this.#scene(name, now), now);
      wakeMs = Math.min(wakeMs, untilMs, lockWakeMs(view.lock, now));
      if (isShowing(view.screen, wish)) {
        view.staleSinceMs = undefined;
        // The same content under another wish: that one is what is now to be seen.
        if (wish !== undefined) view.screen = { kind: "showing", wish };
        continue;
      }
      view.staleSinceMs ??= now;
      const jumps = wish?.urgent === true && !this.#sent.has(wish);
      dues.push({ view: name, wish, jumps, staleSinceMs: view.staleSinceMs });
    }
    // Who jumps the queue again and again would starve the other view: nobody jumps over one that has missed a turn.
    const lateMs = now - 2 * limits.displayIntervalMs;
    const jumpers = dues.some(({ jumps, staleSinceMs }) => !jumps && staleSinceMs <= lateMs)
      ? []
      : dues.filter(({ jumps }) => jumps);
    const atMs = (due: Due) =>
      this.#lastSentMs +
      (jumpers.includes(due)
        ? Math.min(limits.displayFloorMs, limits.displayIntervalMs)
        : limits.displayIntervalMs);
    // Who has waited longest comes first, so that a busy view does not starve the other.
    dues.sort((a, b) => Number(atMs(a) > now) - Number(atMs(b) > now) || a.staleSinceMs - b.staleSinceMs);
    for (const due of dues) {
      const [first] = dues;
      if (due !== first || atMs(due) > now) {
        wakeMs = Math.min(wakeMs, Math.max(atMs(due), now + 1));
        continue;
      }
      const result = this.#send(due.view, due.wish, now);
      if (result !== "undelivered") this.#lastSentMs = now;
      // What it has ended by covering it may have stood between the screen and what belongs there now.
      if (result !== "sent") wakeMs = Math.min(wakeMs, now + limits.displayIntervalMs);
    }
    if (wakeMs < Number.POSITIVE_INFINITY) this.#cancelPump = clock.at(wakeMs, () => this.#pump());
  }

  #foregroundOf(view: View): string | undefined {
    // On the dashboard the system's own content is what belongs there, and apps are guests.
    if (view === "dashboard" && this.#views.dashboard.wishes.has(systemPackage)) return systemPackage;
    return this.#host.foregroundApp();
  }

  #scene(name: View, nowMs: number): Scene {
    const { wishes, lock } = this.#views[name];
    return {
      wishes: [...wishes.values()],
      foreground: this.#foregroundOf(name),
      lock: lock.holder,
      boot: name === "main" ? this.#bootWish(nowMs) : undefined,
    };
  }

  #bootWish(nowMs: number): Wish | undefined {
    const card = this.#boots.card(nowMs);
    if (card === undefined) {
      this.#boot = undefined;
    } else if (this.#boot === undefined || !sameLayout(this.#boot.layout, card.layout)) {
      this.#boot = { packageName: systemPackage, urgent: true, ...card };
    } else if (this.#boot.atMs !== card.atMs || this.#boot.untilMs !== card.untilMs) {
      // Another start of the same app: its card counts as sent if that of the former was.
      const former = this.#boot;
      this.#boot = { ...former, ...card };
      if (this.#sent.has(former)) this.#sent.add(this.#boot);
    }
    return this.#boot;
  }

  #lockView(name: View): LockView {
    const { wishes } = this.#views[name];
    const foreground = this.#foregroundOf(name);
    const now = this.#host.clock.now();
    return {
      wishEndMs: (packageName) => wishes.get(packageName)?.untilMs,
      foregroundShows: foreground !== undefined && (wishes.get(foreground)?.untilMs ?? 0) > now,
    };
  }

  #outcomeOf(name: View, packageName: string): DisplayOutcome {
    if (!this.#connected) return "away";
    const now = this.#host.clock.now();
    const { wish } = choose(this.#scene(name, now), now);
    const { screen } = this.#views[name];
    if (wish !== undefined && wish.packageName !== packageName) return "covered";
    if (!isShowing(screen, wish)) return "throttled";
    return now === this.#lastSentMs ? "shown" : "unchanged";
  }

  #send(name: View, wish: Wish | undefined, nowMs: number): "sent" | "sentAndEndedAnother" | "undelivered" {
    const remainingMs = wish === undefined ? Number.POSITIVE_INFINITY : wish.untilMs - nowMs;
    const result = this.#host.send({
      type: "display_event",
      packageName: wish?.packageName ?? systemPackage,
      view: name,
      layout: wish === undefined ? { layoutType: "clear_view" } : drawable(wish.layout),
      ...(remainingMs < Number.POSITIVE_INFINITY ? { durationMs: Math.ceil(remainingMs) } : {}),
    });
    this.#host.metrics.displays.inc({ outcome: result === "sent" ? "sent" : "undelivered" });
    if (result !== "sent") return "undelivered";
    const view = this.#views[name];
    const ended = view.screen.kind === "showing" && forgetFleeting(view, view.screen.wish);
    // Whoever goes on after this process has to know that there is something to be taken away.
    if (ended || view.screen.kind === "empty") this.#host.changed();
    view.screen = wish === undefined ? { kind: "empty" } : { kind: "showing", wish };
    view.staleSinceMs = undefined;
    if (wish !== undefined) this.#sent.add(wish);
    return ended ? "sentAndEndedAnother" : "sent";
  }
}

function emptyView(): ViewState {
  return { wishes: new Map(), lock: freeLock, screen: { kind: "empty" }, staleSinceMs: undefined };
}

function isShowing(screen: Screen, wish: Wish | undefined): boolean {
  if (screen.kind === "unknown") return false;
  if (wish === undefined) return screen.kind === "empty";
  return screen.kind === "showing" && (screen.wish === wish || sameLayout(screen.wish.layout, wish.layout));
}

function dropExpired(view: ViewState, nowMs: number): void {
  for (const wish of view.wishes.values()) {
    if (wish.untilMs <= nowMs) view.wishes.delete(wish.packageName);
  }
}

/** A fleeting display that is covered, or lost with its glasses, is over. Returns whether this one was still wanted. */
function forgetFleeting(view: ViewState, wish: Wish): boolean {
  return (
    wish.fleeting === true &&
    view.wishes.get(wish.packageName) === wish &&
    view.wishes.delete(wish.packageName)
  );
}

/** Phones do not draw dashboard cards: they get the same text in a form that they do. */
function drawable(layout: Layout): Layout {
  if (layout.layoutType !== "dashboard_card") return layout;
  return { layoutType: "double_text_wall", topText: layout.leftText, bottomText: layout.rightText };
}
