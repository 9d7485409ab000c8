import type { Stop } from "../kernel/stop.ts";
import {
  type AppMessage,
  type DashboardMode,
  type DeviceState,
  type SystemSettings,
  systemDashboardPackage,
} from "../wire/apps.ts";
import type { GlassesMessage } from "../wire/glasses.ts";
import { type Layout, layoutText, parseLayout } from "../wire/layouts.ts";
import { type RefusalCode, refusalError } from "../wire/refusals.ts";
import type { CalendarEvent } from "./calendar-manager.ts";
import { builtInCorners, type Corner, type Corners, clockZone, noCorners } from "./dashboard-corners.ts";
import { advance, currentText, type DashboardRing, emptyRing, put, remove } from "./dashboard-ring.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";
import type { PhoneNotification } from "./notification-manager.ts";

/**
 * What the user sees when looking up: four corners, and below them one app's text at a time, whose turn passes with each
 * look. The corners belong to the dashboard app; while none runs, they are filled in here.
 */

/** What the glasses show of the dashboard; undefined: nothing. */
export function dashboardLayout(mode: DashboardMode, corners: Corners, appText: string): Layout | undefined {
  const column = (...texts: string[]) => texts.filter((text) => text !== "").join("\n");
  switch (mode) {
    case "none":
      return undefined;
    case "main":
      return {
        layoutType: "double_text_wall",
        topText: column(corners.topLeft, corners.bottomLeft),
        bottomText: column(corners.topRight, corners.bottomRight, appText),
      };
    case "expanded": {
      const head = [corners.topLeft, corners.topRight].filter((text) => text !== "").join(" | ");
      return { layoutType: "text_wall", text: column(head, appText) };
    }
  }
}

/** The text of what an app sent, cut to `mostChars`; undefined where it is neither a text nor a layout. */
export function dashboardText(content: unknown, limits: SessionContext["limits"]): string | undefined {
  const parsed = typeof content === "string" ? undefined : parseLayout(content, limits);
  const text =
    typeof content === "string"
      ? content
      : parsed && "layout" in parsed
        ? layoutText(parsed.layout)
        : undefined;
  // A pair of surrogates that the cut goes through is left out whole.
  return text
    ?.trim()
    .slice(0, limits.dashboardText)
    .replace(/[\uD800-\uDBFF]$/, "");
}

/** What the manager reads of the other managers. */
export interface DashboardHost {
  /** Whether the corners are filled while no dashboard app runs. */
  readonly builtIn: boolean;
  /** The system settings, and those of the phone, which may name the user's `timezone`. */
  readonly settings: { readonly system: SystemSettings; readonly phone: Readonly<Record<string, unknown>> };
  readonly device: () => DeviceState;
  readonly calendar: { readonly next: CalendarEvent | undefined; readonly timeZone: string | undefined };
  readonly notifications: { readonly latest: PhoneNotification | undefined };
}

/** `always_on` is shown on the main view while nothing else is, by glasses with a display whose user has asked for it. */
const contentModes = ["main", "expanded", "always_on"] as const;
type ContentMode = (typeof contentModes)[number];

/** What is kept of the dashboard in case the process ends. */
interface KeptDashboard {
  readonly rings: Readonly<Record<ContentMode, DashboardRing>>;
  readonly mode: DashboardMode;
  readonly corners?: Corners;
  readonly phoneZone?: string;
}

export class DashboardManager implements Manager {
  readonly #context: SessionContext;
  readonly #host: DashboardHost;
  #cancelTick: Stop;
  readonly #rings: Record<ContentMode, DashboardRing> = {
    main: emptyRing,
    expanded: emptyRing,
    always_on: emptyRing,
  };
  #mode: DashboardMode = "main";
  /** What the dashboard app has written; undefined until it writes something. */
  #corners: Corners | undefined;
  #phoneZone: string | undefined;
  #lookedUpAtMs = Number.NEGATIVE_INFINITY;

  constructor(context: SessionContext, host: DashboardHost) {
    this.#context = context;
    this.#host = host;
    this.#cancelTick = this.#tick();
  }

  get mode(): DashboardMode {
    return this.#mode;
  }

  /**
   * Takes the phone's clock, as `POST /api/user-data/set-datetime` brings it: ISO 8601, with its offset from UTC if it has
   * one. Passed on to all apps.
   */
  applyDatetime(datetime: string): void {
    const offset = /[+-]\d\d:?\d\d$/.exec(datetime)?.[0];
    if (offset !== undefined) this.#phoneZone = offset.replace(/^(...)(\d\d)$/, "$1:$2");
    const payload = { datetime, section: "topLeft" };
    for (const app of this.#context.apps()) {
      app.send({ type: "custom_message", action: "update_datetime", payload });
    }
    this.#refreshKept();
  }

  /** The same, where it is something that is kept. */
  #refreshKept(): void {
    this.#context.changed();
    this.refresh();
  }

  /** Something that the dashboard shows may have changed, if only the time. */
  refresh(): void {
    const corners = this.#shownCorners();
    this.#context.showDashboard(this.#layout(corners));
    this.#context.showStatus(this.#status(corners));
  }

  onAppMessage(app: SessionApp, message: AppMessage): boolean {
    switch (message.type) {
      case "dashboard_content_update":
        this.#write(app, message.content, message.modes);
        return true;
      case "dashboard_system_update":
        if (this.#mayGovern(app, message.type)) this.#writeCorner(message.section, message.content);
        return true;
      case "dashboard_mode_change":
        if (this.#mayGovern(app, message.type)) this.#changeMode(message.mode);
        return true;
      default:
        return false;
    }
  }

  onGlassesMessage(message: GlassesMessage): void {
    // It may have carried a setting.
    if (message.type === "core_status_update") this.refresh();
    if (message.type !== "head_position" || message.position !== "up") return;
    const now = this.#context.clock.now();
    if (now - this.#lookedUpAtMs < this.#context.limits.dashboardLookMs) return;
    this.#lookedUpAtMs = now;
    for (const mode of contentModes) {
      if (mode === this.#mode || mode === "always_on") this.#rings[mode] = advance(this.#rings[mode]);
    }
    this.#refreshKept();
  }

  onAppConnected(app: SessionApp): void {
    app.send({ type: "dashboard_mode_changed", mode: this.#mode });
  }

  /** What it has written was true when it was last there. */
  onAppAsleep(packageName: string): void {
    for (const mode of contentModes) this.#rings[mode] = remove(this.#rings[mode], packageName);
    this.#refreshKept();
  }

  onAppGone(packageName: string): void {
    for (const mode of contentModes) this.#rings[mode] = remove(this.#rings[mode], packageName);
    if (packageName === systemDashboardPackage) this.#corners = undefined;
    this.#refreshKept();
  }

  onGlassesConnected(): void {
    this.refresh();
  }

  keep(): KeptDashboard {
    return {
      rings: this.#rings,
      mode: this.#mode,
      ...(this.#corners && { corners: this.#corners }),
      ...(this.#phoneZone !== undefined && { phoneZone: this.#phoneZone }),
    };
  }

  resume({ rings, mode, corners, phoneZone }: KeptDashboard): void {
    Object.assign(this.#rings, rings);
    this.#mode = mode;
    this.#corners = corners;
    this.#phoneZone = phoneZone;
    // Each user's at another time: all sessions that are resumed begin in the same instant.
    const { clock, limits, userId } = this.#context;
    this.#cancelTick();
    this.#cancelTick = clock.after(Bun.hash.crc32(userId) % limits.dashboardTickMs, () => {
      this.#cancelTick = this.#tick();
      this.refresh();
    });
    this.refresh();
  }

  #tick(): Stop {
    return this.#context.clock.every(this.#context.limits.dashboardTickMs, () => this.refresh());
  }

  dispose(): void {
    this.#cancelTick();
  }

  #write(app: SessionApp, content: unknown, modes: readonly string[]): void {
    const text = dashboardText(content, this.#context.limits);
    if (text === undefined) {
      this.#refuse(
        app,
        "dashboard_content_update",
        "BAD_REQUEST",
        "The content is neither a text nor a layout",
      );
      return;
    }
    for (const mode of contentModes) {
      if (modes.includes(mode)) this.#rings[mode] = put(this.#rings[mode], app.packageName, text);
    }
    this.#refreshKept();
  }

  #writeCorner(corner: Corner, content: string): void {
    const text = dashboardText(content, this.#context.limits) ?? "";
    this.#corners = { ...(this.#corners ?? noCorners), [corner]: text };
    this.#refreshKept();
  }

  #changeMode(mode: DashboardMode): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    for (const app of this.#context.apps()) app.send({ type: "dashboard_mode_changed", mode });
    this.#refreshKept();
  }

  /** Corners and mode are the dashboard app's; any other is told so. */
  #mayGovern(app: SessionApp, request: AppMessage["type"]): boolean {
    if (app.packageName === systemDashboardPackage) return true;
    this.#refuse(
      app,
      request,
      "PERMISSION_DENIED",
      `Only ${systemDashboardPackage} may change the dashboard itself`,
    );
    return false;
  }

  #refuse(app: SessionApp, request: AppMessage["type"], code: RefusalCode, detail: string): void {
    this.#context.metrics.requestsRefused.inc({ request, code });
    app.send(refusalError(code, detail));
  }

  #layout(corners: Corners | undefined): Layout | undefined {
    if (this.#mode === "none") return undefined;
    const text = currentText(this.#rings[this.#mode]);
    if (corners === undefined && text === "") return undefined;
    return dashboardLayout(this.#mode, corners ?? noCorners, text);
  }

  /** What stands on the main view while no app draws there. */
  #status(corners: Corners | undefined): Layout | undefined {
    const wanted = this.#host.settings.system["alwaysOnStatusBar"] === true;
    if (!wanted || this.#context.glasses().capabilities?.hasDisplay !== true) return undefined;
    return dashboardLayout("expanded", corners ?? noCorners, currentText(this.#rings.always_on));
  }

  /** The dashboard app's corners, else those made up here; undefined: none. */
  #shownCorners(): Corners | undefined {
    if (this.#corners !== undefined || !this.#host.builtIn) return this.#corners;
    const { calendar, notifications, device, settings } = this.#host;
    const timezone = settings.phone["timezone"];
    return builtInCorners({
      nowMs: this.#context.clock.now(),
      timeZone: clockZone(
        typeof timezone === "string" ? timezone : undefined,
        this.#phoneZone,
        calendar.timeZone,
      ),
      batteryLevel: device().batteryLevel ?? undefined,
      charging: device().charging === true,
      next: calendar.next,
      notification: notifications.latest,
    });
  }
}
