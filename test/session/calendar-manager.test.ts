import { describe, expect, test } from "bun:test";
import { mergeCalendar, readCalendarEvent } from "../../src/session/calendar-manager.ts";
import { appRecord, captions, FakeWorld } from "../support/fake-world.ts";

const hour = 3_600_000;

describe("a calendar event", () => {
  test("is read in the words of both generations of phones, its times as ISO 8601", () => {
    const start = Date.UTC(2026, 0, 1, 9);
    const expected = {
      type: "calendar_event",
      eventId: "e1",
      title: "Stand-up",
      dtStart: "2026-01-01T09:00:00.000Z",
      dtEnd: "2026-01-01T10:00:00.000Z",
      timezone: "Europe/Vienna",
      timeStamp: "2026-01-01T08:00:00.000Z",
    } as const;
    const now = start - hour;
    const old = {
      eventId: "e1",
      title: "Stand-up",
      dtStart: String(start),
      dtEnd: start + hour,
      timezone: "Europe/Vienna",
      timeStamp: "2026-01-01T09:00:00+01:00",
    };
    expect(readCalendarEvent(old, now)).toEqual(expected);
    const expo = {
      id: "e1",
      title: "Stand-up",
      startDate: "2026-01-01T10:00:00+01:00",
      endDate: "2026-01-01T11:00:00+01:00",
      timeZone: "Europe/Vienna",
      calendarId: "7",
    };
    expect(readCalendarEvent(expo, now)).toEqual(expected);
    const long = "x".repeat(10_000);
    const cut = readCalendarEvent({ ...expo, id: long, title: long, timeZone: long }, now);
    expect([cut?.eventId.length, cut?.title.length, cut?.timezone.length]).toEqual([256, 256, 64]);
    for (const bad of [undefined, "x", {}, { id: "e" }, { id: "e", startDate: "some day" }]) {
      expect(readCalendarEvent(bad, now)).toBeUndefined();
    }
  });
});

describe("the calendar", () => {
  test("keeps 100 events, those to come first and soonest first, then the past, latest first", async () => {
    const world = new FakeWorld();
    const now = world.clock.now();
    const events = Array.from({ length: 150 }, (_, i) => event(`e${i}`, now + (i - 100) * hour - 1));
    const kept = mergeCalendar([], events, now, world.limits);
    expect(kept.length).toBe(100);
    // The one that began an hour ago ends just before now.
    expect(kept[0]?.eventId).toBe("e100");
    expect(kept[49]?.eventId).toBe("e149");
    expect(kept[50]?.eventId).toBe("e99");
    expect(kept.at(-1)?.eventId).toBe("e50");
  });

  test("holds each id and start once, with the last word on it", async () => {
    const world = new FakeWorld();
    const now = world.clock.now();
    const first = event("e", now + hour);
    const renamed = { ...first, title: "New title" };
    const recurring = event("e", now + 25 * hour);
    expect(mergeCalendar([first], [recurring, renamed], now, world.limits)).toEqual([renamed, recurring]);
  });

  test("passes on what is new or changed, and that once", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "calendar_event");
    const now = world.clock.now();
    const events = [expo("a", now + hour), expo("b", now + 2 * hour), { title: "nothing" }];
    expect(session.calendar.applyEvents(events)).toBe(2);
    expect(session.calendar.applyEvents(events)).toBe(2);
    expect(ids(app.events)).toEqual(["a", "b"]);
    session.calendar.applyEvents([{ ...expo("a", now + hour), title: "Moved to room 2" }]);
    expect(app.events.at(-1)).toMatchObject({
      streamType: "calendar_event",
      data: { type: "calendar_event", eventId: "a", title: "Moved to room 2" },
    });
    session.receiveGlasses(generation, {
      type: "calendar_event",
      eventId: "c",
      title: "From an old phone",
      ...{ dtStart: String(now + 3 * hour) },
    });
    expect(ids(app.events)).toEqual(["a", "b", "a", "c"]);
    expect(session.calendar.next?.eventId).toBe("a");
    world.clock.advance(90 * 60_000);
    expect(session.calendar.next?.eventId).toBe("b");
  });

  test("is told to an app that begins to listen, once a connection, and only with the permission", async () => {
    const world = new FakeWorld();
    const nosy = "com.example.nosy";
    world.records.set(nosy, appRecord(nosy, { permissions: ["MICROPHONE"] }));
    const { session } = await world.connect();
    const now = world.clock.now();
    session.calendar.applyEvents([expo("b", now + 2 * hour), expo("a", now + hour)]);
    const app = await world.runApp(session, captions, "calendar_event");
    world.subscribe(session, app, captions);
    world.subscribe(session, app, captions, "calendar_event");
    expect(ids(app.events)).toEqual(["a", "b"]);
    session.apps.closed(captions, app.generation);
    const again = world.connectApp(session);
    world.subscribe(session, again, captions, "calendar_event");
    expect(ids(again.events)).toEqual(["a", "b"]);
    const denied = await world.runApp(session, nosy, "calendar_event", "*");
    expect(denied.events).toEqual([]);
  });

  test("does not flood the apps with a report of thousands", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, "calendar_event");
    const now = world.clock.now();
    session.calendar.applyEvents(Array.from({ length: 3_000 }, (_, i) => expo(`e${i}`, now + i * hour)));
    expect(app.events.length).toBe(world.limits.calendarEvents);
    expect(session.calendar.events.length).toBe(world.limits.calendarEvents);
  });
});

function event(eventId: string, startMs: number) {
  const read = readCalendarEvent(expo(eventId, startMs), startMs);
  if (read === undefined) throw new Error("not an event");
  return read;
}

function expo(id: string, startMs: number) {
  return { id, title: id, startDate: startMs, endDate: startMs + hour, timeZone: "UTC" };
}

function ids(events: readonly { data: unknown }[]): unknown[] {
  return events.map(({ data }) => (data as { eventId?: unknown }).eventId);
}
