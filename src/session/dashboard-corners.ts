import type { CalendarEvent } from "./calendar-manager.ts";
import type { PhoneNotification } from "./notification-manager.ts";

export type Corner = "topLeft" | "topRight" | "bottomLeft" | "bottomRight";

/** The four corners of the dashboard; an empty text leaves one blank. */
export type Corners = Readonly<Record<Corner, string>>;

export const noCorners: Corners = { topLeft: "", topRight: "", bottomLeft: "", bottomRight: "" };

/** What the corners are made of while no dashboard app fills them. */
export interface CornerFacts {
  readonly nowMs: number;
  readonly timeZone: string;
  /** Of the glasses, in percent; undefined while not known. */
  readonly batteryLevel: number | undefined;
  readonly charging: boolean;
  readonly next: CalendarEvent | undefined;
  readonly notification: PhoneNotification | undefined;
}

/** Characters of a title: about two lines of half a display. */
const titleChars = 48;
/** How far ahead an event is worth a corner. */
const eventAheadMs = 24 * 60 * 60_000;

/** Date and time, battery, the event that begins within a day, and the last notification. */
export function builtInCorners(facts: CornerFacts): Corners {
  const { nowMs, timeZone, batteryLevel, charging, next, notification } = facts;
  const { dayAndTime, time } = formatsFor(timeZone);
  const soon = next !== undefined && Date.parse(next.dtStart) - nowMs <= eventAheadMs ? next : undefined;
  return {
    topLeft: dayAndTime.format(nowMs),
    topRight: batteryLevel === undefined ? "" : `${Math.round(batteryLevel)}%${charging ? " +" : ""}`,
    bottomLeft:
      soon === undefined ? "" : `${time.format(new Date(soon.dtStart))} ${shortened(soon.title, titleChars)}`,
    bottomRight: notification === undefined ? "" : noticeOf(notification),
  };
}

function noticeOf({ app, title, content }: PhoneNotification): string {
  return shortened([title || app, content].filter((text) => text !== "").join(": "), 2 * titleChars);
}

function shortened(text: string, mostChars: number): string {
  const line = text.replace(/\s+/g, " ").trim();
  const chars = [...line.slice(0, 2 * mostChars)];
  return chars.length <= mostChars
    ? line.slice(0, 2 * mostChars)
    : `${chars.slice(0, mostChars - 1).join("")}…`;
}

/** The first of these time zones that is one; else the server's. */
export function clockZone(...candidates: readonly (string | undefined)[]): string {
  return candidates.find((zone) => zone !== undefined && isZone(zone)) ?? serverZone;
}

const serverZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

interface Formats {
  readonly dayAndTime: Intl.DateTimeFormat;
  readonly time: Intl.DateTimeFormat;
}

/** Making a format costs a hundred times what using it does. Clients name zones, so that the table is bounded. */
const formats = new Map<string, Formats | undefined>();
const mostFormats = 600;

function formatsFor(timeZone: string): Formats {
  return lookUp(timeZone) ?? makeFormats(serverZone);
}

function isZone(timeZone: string): boolean {
  return lookUp(timeZone) !== undefined;
}

function lookUp(timeZone: string): Formats | undefined {
  if (timeZone === "" || timeZone.length > 64) return undefined;
  if (formats.has(timeZone)) return formats.get(timeZone);
  if (formats.size >= mostFormats) formats.clear();
  let made: Formats | undefined;
  try {
    made = makeFormats(timeZone);
  } catch {
    made = undefined;
  }
  formats.set(timeZone, made);
  return made;
}

function makeFormats(timeZone: string): Formats {
  const time = { hour: "numeric", minute: "2-digit" } as const;
  return {
    dayAndTime: new Intl.DateTimeFormat("en-US", { timeZone, month: "short", day: "numeric", ...time }),
    time: new Intl.DateTimeFormat("en-US", { timeZone, ...time }),
  };
}
