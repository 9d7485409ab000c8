import type { Limits } from "../kernel/limits.ts";
import type { GlassesMessage } from "../wire/glasses.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";

/** An event of the user's calendar, as apps hear it. Times in ISO 8601, UTC. */
export interface CalendarEvent {
  readonly type: "calendar_event";
  readonly eventId: string;
  readonly title: string;
  readonly dtStart: string;
  readonly dtEnd: string;
  readonly timezone: string;
  /** When it was reported. */
  readonly timeStamp: string;
}

const stream = "calendar_event";

/** What is kept of an event's texts. */
const idChars = 256;
const titleChars = 256;
const timezoneChars = 64;

/** Reads an event as old phones send it, or as the calendar of newer ones lists it; undefined without an id and a start. */
export function readCalendarEvent(value: unknown, nowMs: number): CalendarEvent | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const eventId = fields["eventId"] ?? fields["id"];
  const dtStart = isoDate(fields["dtStart"] ?? fields["startDate"]);
  if ((typeof eventId !== "string" && typeof eventId !== "number") || dtStart === undefined) return undefined;
  const title = fields["title"];
  const timezone = fields["timezone"] ?? fields["timeZone"];
  return {
    type: "calendar_event",
    eventId: String(eventId).slice(0, idChars),
    title: typeof title === "string" ? title.slice(0, titleChars) : "",
    dtStart,
    dtEnd: isoDate(fields["dtEnd"] ?? fields["endDate"]) ?? dtStart,
    timezone: typeof timezone === "string" ? timezone.slice(0, timezoneChars) : "",
    timeStamp: isoDate(fields["timeStamp"]) ?? new Date(nowMs).toISOString(),
  };
}

/** ISO 8601 from a date in words or in milliseconds since the epoch, those written as a string included. */
function isoDate(value: unknown): string | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const date = new Date(typeof value === "string" && /^\d{10,}$/.test(value) ? Number(value) : value);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/**
 * The events in the order in which they matter: what is under way or to come, soonest first, then what is over, latest
 * first. Each id and start once, the last word on it; no more than `calendarEvents`.
 */
export function mergeCalendar(
  known: readonly CalendarEvent[],
  added: readonly CalendarEvent[],
  nowMs: number,
  limits: Limits,
): readonly CalendarEvent[] {
  const byKey = new Map([...known, ...added].map((event) => [keyOf(event), event]));
  const events = [...byKey.values()].sort((a, b) => (a.dtStart < b.dtStart ? -1 : 1));
  const isOver = (event: CalendarEvent) => Date.parse(event.dtEnd) < nowMs;
  const future = events.filter((event) => !isOver(event));
  const past = events.filter(isOver).reverse();
  return [...future, ...past].slice(0, limits.calendarEvents);
}

function keyOf(event: CalendarEvent): string {
  return `${event.dtStart} ${event.eventId}`;
}

/** What is kept of the calendar in case the process ends. */
interface KeptCalendar {
  readonly events: readonly CalendarEvent[];
  readonly timeZone?: string;
}

/** Keeps the user's calendar: passes on what is new, and hands all of it to an app that begins to listen. */
export class CalendarManager implements Manager {
  readonly #context: SessionContext;
  readonly #onChange: () => void;
  #events: readonly CalendarEvent[] = [];
  #timeZone: string | undefined;

  /** @param onChange is called when the calendar has changed. */
  constructor(context: SessionContext, onChange: () => void) {
    this.#context = context;
    this.#onChange = onChange;
  }

  /** All events kept: what is to come, soonest first, then what is over. */
  get events(): readonly CalendarEvent[] {
    return mergeCalendar(this.#events, [], this.#context.clock.now(), this.#context.limits);
  }

  /** The event that begins next. */
  get next(): CalendarEvent | undefined {
    const now = this.#context.clock.now();
    return this.events.find((event) => Date.parse(event.dtStart) >= now);
  }

  /** The zone of the event reported last: where the user's calendar is at home. */
  get timeZone(): string | undefined {
    return this.#timeZone;
  }

  /**
   * Takes events as the `events` of `POST /api/client/calendar` hold them: an `id`, a `startDate` and an `endDate` in ISO
   * 8601 or milliseconds, and so on. Apps hear those that are new or have changed.
   * @returns how many could be read.
   */
  applyEvents(events: readonly unknown[]): number {
    const now = this.#context.clock.now();
    const read = events.map((event) => readCalendarEvent(event, now)).filter((event) => event !== undefined);
    // What cannot be kept is not passed on either: one report must not flood the apps.
    const kept = mergeCalendar([], read, now, this.#context.limits);
    const known = new Map(this.#events.map((event) => [keyOf(event), event]));
    const fresh = kept.filter((event) => !sameEvent(known.get(keyOf(event)), event));
    if (fresh.length > 0) {
      this.#events = mergeCalendar(this.#events, fresh, now, this.#context.limits);
      this.#timeZone = fresh.findLast(({ timezone }) => timezone !== "")?.timezone ?? this.#timeZone;
      for (const event of fresh) this.#context.publish(stream, event, "newest", slotOf(event));
      this.#context.changed();
      this.#onChange();
    }
    return read.length;
  }

  onGlassesMessage(message: GlassesMessage): void {
    if (message.type !== "calendar_event") return;
    if (this.applyEvents([message]) === 0) this.#context.publish(stream, message, "must", stream);
  }

  onAppHears(app: SessionApp, keys: readonly string[]): void {
    if (!keys.includes(stream) && !keys.includes("*")) return;
    for (const event of this.events) {
      this.#context.publishTo(app.packageName, stream, event, "newest", slotOf(event));
    }
  }

  keep(): KeptCalendar | undefined {
    if (this.#events.length === 0) return undefined;
    return {
      events: this.#events,
      ...(this.#timeZone !== undefined && { timeZone: this.#timeZone }),
    };
  }

  resume({ events, timeZone }: KeptCalendar): void {
    this.#events = events;
    this.#timeZone = timeZone;
  }

  dispose(): void {
    this.#events = [];
  }
}

/** Of one event the last word counts, and all are told again to an app that comes back. */
function slotOf(event: CalendarEvent): string {
  return `${stream} ${keyOf(event)}`;
}

function sameEvent(a: CalendarEvent | undefined, b: CalendarEvent): boolean {
  return a !== undefined && a.title === b.title && a.dtEnd === b.dtEnd && a.timezone === b.timezone;
}
