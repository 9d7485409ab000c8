import { describe, expect, test } from "bun:test";
import { builtInCorners, clockZone } from "../../src/session/dashboard-corners.ts";
import { dashboardLayout, dashboardText } from "../../src/session/dashboard-manager.ts";
import { advance, currentText, emptyRing, put, remove } from "../../src/session/dashboard-ring.ts";
import { systemDashboardPackage, type ToApp } from "../../src/wire/apps.ts";
import { type Layout, layoutText } from "../../src/wire/layouts.ts";
import {
  appRecord,
  type Connected,
  captions,
  type FakeApp,
  FakeGlasses,
  FakeWorld,
} from "../support/fake-world.ts";
import { seededRandom } from "../support/seeded-random.ts";

const weather = "com.example.weather";
const stocks = "com.example.stocks";
const up = { type: "head_position", position: "up" } as const;
const down = { type: "head_position", position: "down" } as const;

describe("the ring of the apps' texts", () => {
  test("keeps the order in which the apps came, and each app's place when its text changes", () => {
    let ring = put(put(put(emptyRing, "a", "1"), "b", "2"), "c", "3");
    expect(currentText(ring)).toBe("1");
    ring = put(ring, "b", "22");
    ring = put(ring, "a", "11");
    const seen = [currentText(ring)];
    for (let i = 0; i < 3; i++) {
      ring = advance(ring);
      seen.push(currentText(ring));
    }
    expect(seen).toEqual(["11", "22", "3", "11"]);
  });

  test("passes the turn on when the app that has it goes, and not otherwise", () => {
    const ring = advance(put(put(put(emptyRing, "a", "1"), "b", "2"), "c", "3"));
    expect(currentText(remove(ring, "b"))).toBe("3");
    expect(currentText(remove(ring, "a"))).toBe("2");
    expect(currentText(remove(advance(ring), "c"))).toBe("1");
    expect(remove(ring, "unknown")).toBe(ring);
    expect(put(put(emptyRing, "a", "1"), "a", "")).toEqual(emptyRing);
    expect(advance(emptyRing)).toEqual(emptyRing);
  });

  test("always has exactly one turn, of an app that is in it, whatever happens", () => {
    const random = seededRandom("dashboard ring");
    let ring = emptyRing;
    const expected = new Map<string, string>();
    for (let i = 0; i < 5_000; i++) {
      const app = `app${random.integer(0, 5)}`;
      const act = random.pick(["put", "put", "remove", "advance"] as const);
      if (act === "put") {
        const text = random.chance(0.2) ? "" : `text ${i}`;
        ring = put(ring, app, text);
        if (text === "") expected.delete(app);
        else expected.set(app, text);
      } else if (act === "remove") {
        ring = remove(ring, app);
        expected.delete(app);
      } else {
        ring = advance(ring);
      }
      expect(ring.items.map(({ packageName, text }) => [packageName, text])).toEqual([...expected]);
      expect(ring.current === undefined).toBe(expected.size === 0);
      if (ring.current !== undefined) expect(expected.has(ring.current)).toBe(true);
    }
  });
});

describe("what the dashboard says", () => {
  const corners = { topLeft: "10:45", topRight: "85%", bottomLeft: "Lunch", bottomRight: "Ann: hi" };

  test("in each mode", () => {
    expect(dashboardLayout("none", corners, "app")).toBeUndefined();
    expect(dashboardLayout("main", corners, "app")).toEqual({
      layoutType: "double_text_wall",
      topText: "10:45\nLunch",
      bottomText: "85%\nAnn: hi\napp",
    });
    expect(dashboardLayout("expanded", corners, "app")).toEqual({
      layoutType: "text_wall",
      text: "10:45 | 85%\napp",
    });
  });

  test.each<[string, unknown, string | undefined]>([
    ["a text", "  plain ", "plain"],
    ["a text wall", { layoutType: "text_wall", text: "wall" }, "wall"],
    ["a double text wall", { layoutType: "double_text_wall", topText: "a", bottomText: "b" }, "a\nb"],
    ["a reference card", { layoutType: "reference_card", title: "t", text: "x" }, "t\nx"],
    ["a dashboard card", { layoutType: "dashboard_card", leftText: "l", rightText: "r" }, "l\nr"],
    ["a cleared view, as nothing", { layoutType: "clear_view" }, ""],
    ["no object of another kind", { text: "x" }, undefined],
    ["no number", 7, undefined],
  ])("takes %s", (_what, content, text) => {
    expect(dashboardText(content, new FakeWorld().limits)).toBe(text as string);
  });

  test("is cut at 512 characters, never through one", () => {
    const { limits } = new FakeWorld();
    expect(dashboardText("x".repeat(600), limits)).toBe("x".repeat(512));
    expect(dashboardText(`${"x".repeat(511)}😀`, limits)).toBe("x".repeat(511));
  });

  test("by itself: the time where the user is, battery, the next event within a day, the last notification", () => {
    const nowMs = Date.UTC(2026, 0, 1, 9, 5);
    const event = (startMs: number) => ({
      type: "calendar_event" as const,
      eventId: "e",
      title: "Stand-up\nwith everybody",
      dtStart: new Date(startMs).toISOString(),
      dtEnd: new Date(startMs).toISOString(),
      timezone: "",
      timeStamp: "",
    });
    const facts = {
      nowMs,
      timeZone: "Asia/Tokyo",
      batteryLevel: 84.6,
      charging: true,
      next: event(nowMs + 3_600_000),
      notification: undefined,
    };
    expect(builtInCorners(facts)).toEqual({
      topLeft: "Jan 1, 6:05 PM",
      topRight: "85% +",
      bottomLeft: "7:05 PM Stand-up with everybody",
      bottomRight: "",
    });
    const notification = {
      type: "phone_notification" as const,
      notificationId: "n",
      app: "Mail",
      title: "",
      content: "word ".repeat(50),
      priority: "low",
    };
    const later = { ...facts, batteryLevel: undefined, next: event(nowMs + 25 * 3_600_000), notification };
    const corners = builtInCorners(later);
    expect(corners).toMatchObject({ topRight: "", bottomLeft: "" });
    expect(corners.bottomRight).toStartWith("Mail: word word");
    expect(corners.bottomRight.length).toBeLessThan(100);
  });

  test("takes the first time zone that is one, an offset included", () => {
    expect(clockZone(undefined, "Mars/Olympus", "Europe/Vienna")).toBe("Europe/Vienna");
    expect(clockZone("+05:30", "Europe/Vienna")).toBe("+05:30");
    expect(clockZone("", undefined)).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
  });
});

describe("the dashboard of a session", () => {
  test("D-59: a fresh user's shows the time, and then battery, next event and last notification", async () => {
    const world = new FakeWorld({ BROWLINE_BUILT_IN_DASHBOARD: "true" });
    const { session, glasses, generation } = await world.connect();
    session.settings.changePhone({ timezone: "Asia/Tokyo" });
    await world.clock.advanceAsync(1_000);
    expect(shown(glasses)).toBe("Jan 1, 9:00 AM\n");
    session.receiveGlasses(generation, { type: "glasses_battery_update", level: 85, charging: false });
    const startDate = world.clock.now() + 3_600_000;
    session.calendar.applyEvents([{ id: "e", title: "Stand-up", startDate, timeZone: "Europe/Vienna" }]);
    session.notifications.receive({ notificationId: "n", app: "Mail", title: "Ann", content: "Lunch?" });
    await world.clock.advanceAsync(1_000);
    expect(shown(glasses)).toBe("Jan 1, 9:00 AM\n10:00 AM Stand-up\n85%\nAnn: Lunch?");
    session.notifications.dismiss({ notificationId: "n" });
    await world.clock.advanceAsync(60_000);
    expect(shown(glasses)).toBe("Jan 1, 9:01 AM\n10:00 AM Stand-up\n85%");
  });

  test("tells the time where the phone is if nobody has said where the user is at home", async () => {
    const world = new FakeWorld({ BROWLINE_BUILT_IN_DASHBOARD: "true" });
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    session.dashboard.applyDatetime("2026-01-01T05:30:00+05:30");
    await world.clock.advanceAsync(500);
    expect(shown(glasses)).toStartWith("Jan 1, 5:30 AM");
    expect(app.sent).toContainEqual({
      type: "custom_message",
      action: "update_datetime",
      payload: { datetime: "2026-01-01T05:30:00+05:30", section: "topLeft" },
    });
  });

  test("D-58: an update never moves what the user looks at; each look passes the turn; the link is not flooded", async () => {
    const { world, session, glasses, generation, apps } = await withApps(captions, weather, stocks);
    for (const [name, app] of apps) write(session, name, app, `${name} 0`);
    await world.clock.advanceAsync(500);
    expect(shown(glasses)).toBe(`\n${captions} 0`);

    const before = glasses.of("display_event").length;
    for (let i = 1; i <= 100; i++) {
      for (const [name, app] of apps) write(session, name, app, `${name} ${i}`);
      await world.clock.advanceAsync(10);
    }
    await world.clock.advanceAsync(500);
    expect(shown(glasses)).toBe(`\n${captions} 100`);
    expect(glasses.of("display_event").length - before).toBeLessThanOrEqual(6);

    const turns: string[] = [];
    for (let i = 0; i < 4; i++) {
      session.receiveGlasses(generation, up);
      session.receiveGlasses(generation, down);
      await world.clock.advanceAsync(500);
      turns.push(shown(glasses).trim());
    }
    expect(turns).toEqual([`${weather} 100`, `${stocks} 100`, `${captions} 100`, `${weather} 100`]);
  });

  test("takes two looks within 300 ms for one", async () => {
    const { world, session, glasses, generation, apps } = await withApps(captions, weather, stocks);
    for (const [name, app] of apps) write(session, name, app, name);
    session.receiveGlasses(generation, up);
    await world.clock.advanceAsync(200);
    session.receiveGlasses(generation, up);
    await world.clock.advanceAsync(500);
    expect(shown(glasses).trim()).toBe(weather);
  });

  test("a look brings a fresh time even with nothing to pass on", async () => {
    const world = new FakeWorld({ BROWLINE_BUILT_IN_DASHBOARD: "true" });
    // So that the minute is full long before the dashboard's own tick.
    world.clock.advance(30_000);
    const { session, glasses, generation } = await world.connect();
    session.settings.changePhone({ timezone: "UTC" });
    await world.clock.advanceAsync(31_000);
    session.receiveGlasses(generation, down);
    await world.clock.advanceAsync(300);
    expect(shown(glasses)).toContain("12:00");
    session.receiveGlasses(generation, up);
    await world.clock.advanceAsync(300);
    expect(shown(glasses)).toContain("12:01");
  });

  test("an app that is away keeps its text, one that stops loses it, and an empty text takes it back", async () => {
    const { world, session, glasses, apps } = await withApps(captions, weather, stocks);
    for (const [name, app] of apps) write(session, name, app, name);
    const away = appOf(apps, captions);
    session.apps.closed(captions, away.generation);
    await world.clock.advanceAsync(500);
    expect(shown(glasses).trim()).toBe(captions);
    session.apps.stop(captions);
    await world.clock.advanceAsync(500);
    expect(shown(glasses).trim()).toBe(weather);
    write(session, weather, appOf(apps, weather), "");
    await world.clock.advanceAsync(500);
    expect(shown(glasses).trim()).toBe(stocks);
    write(session, stocks, appOf(apps, stocks), { layoutType: "clear_view" });
    await world.clock.advanceAsync(500);
    expect(shown(glasses)).toBe("");
  });

  test("an app that does not come back while the user is away loses its text, and its neighbour keeps its own", async () => {
    const { world, session, generation, apps } = await withApps(captions, weather);
    for (const [name, app] of apps) write(session, name, app, name);
    session.apps.closed(captions, appOf(apps, captions).generation);
    await world.clock.advanceAsync(world.limits.appGraceMs / 2);
    session.glassesClosed(generation);
    await world.clock.advanceAsync(world.limits.appGraceMs / 2);
    expect(session.apps.inState("DORMANT")).toEqual([captions]);
    const { glasses } = await world.connect(session.userId);
    await world.clock.advanceAsync(500);
    expect(shown(glasses).trim()).toBe(weather);
  });

  test("an app that hands its session over loses its text", async () => {
    const { world, session, glasses, apps } = await withApps(captions);
    const app = appOf(apps, captions);
    write(session, captions, app, "text");
    session.apps.receive(captions, app.generation, { type: "ownership_release" });
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(500);
    expect(shown(glasses)).toBe("");
  });

  test("content that is neither a text nor a layout is refused, and its socket goes on", async () => {
    const { session, apps } = await withApps(captions);
    const app = appOf(apps, captions);
    write(session, captions, app, { text: "no layout" });
    expect(app.sent.at(-1)).toMatchObject({ type: "tpa_connection_error", code: "BAD_REQUEST", hop: "app" });
    expect(app.closed).toBeUndefined();
  });

  test("corners and mode are the dashboard app's alone; every app is told the mode when it comes and when it changes", async () => {
    const { world, session, glasses, apps } = await withApps(captions, systemDashboardPackage);
    const app = appOf(apps, captions);
    const system = appOf(apps, systemDashboardPackage);
    expect(modes(app)).toEqual(["main"]);
    const corner = (section: "topLeft" | "topRight", content: string) =>
      ({ type: "dashboard_system_update", section, content }) as const;
    session.apps.receive(captions, app.generation, corner("topLeft", "mine"));
    session.apps.receive(captions, app.generation, { type: "dashboard_mode_change", mode: "expanded" });
    expect(app.sent.slice(-2)).toMatchObject([
      { type: "tpa_connection_error", code: "PERMISSION_DENIED" },
      { type: "tpa_connection_error", code: "PERMISSION_DENIED" },
    ]);
    expect(session.dashboard.mode).toBe("main");

    session.apps.receive(systemDashboardPackage, system.generation, corner("topLeft", "10:45"));
    session.apps.receive(systemDashboardPackage, system.generation, corner("topRight", "85%"));
    session.apps.receive(captions, app.generation, {
      type: "dashboard_content_update",
      content: "wide",
      modes: ["expanded", "unheard-of"],
    });
    await world.clock.advanceAsync(600);
    expect(shown(glasses)).toBe("10:45\n85%");
    const expand = { type: "dashboard_mode_change", mode: "expanded" } as const;
    session.apps.receive(systemDashboardPackage, system.generation, expand);
    session.apps.receive(systemDashboardPackage, system.generation, expand);
    await world.clock.advanceAsync(300);
    expect(shown(glasses)).toBe("10:45 | 85%\nwide");
    expect(modes(app)).toEqual(["main", "expanded"]);
    session.apps.receive(systemDashboardPackage, system.generation, { ...expand, mode: "none" });
    await world.clock.advanceAsync(300);
    expect(shown(glasses)).toBe("");
  });

  test("what stands in is back when the dashboard app stops", async () => {
    const world = new FakeWorld({ BROWLINE_BUILT_IN_DASHBOARD: "true" });
    world.records.set(systemDashboardPackage, appRecord(systemDashboardPackage));
    const { session, glasses } = await world.connect();
    session.settings.changePhone({ timezone: "UTC" });
    const system = await world.runApp(session, systemDashboardPackage);
    await world.clock.advanceAsync(300);
    expect(shown(glasses)).toContain("12:00 AM");
    session.apps.receive(systemDashboardPackage, system.generation, {
      type: "dashboard_system_update",
      section: "topLeft",
      content: "its own clock",
    });
    await world.clock.advanceAsync(300);
    expect(shown(glasses)).toBe("its own clock\n");
    session.apps.stop(systemDashboardPackage);
    await world.clock.advanceAsync(300);
    expect(shown(glasses)).toContain("12:00 AM");
  });

  test("is drawn again for glasses that return, after the main view", async () => {
    const { world, session, generation, apps } = await withApps(captions);
    const app = appOf(apps, captions);
    world.show(session, app, captions, "caption");
    write(session, captions, app, "dash");
    await world.clock.advanceAsync(1_000);
    session.glassesClosed(generation);
    write(session, captions, app, "dash 2");
    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    await world.clock.advanceAsync(1_000);
    expect(returned.of("display_event").map(({ view, layout }) => [view, layoutText(layout).trim()])).toEqual(
      [
        ["main", "caption"],
        ["dashboard", "dash 2"],
      ],
    );
  });

  test("the always-on line needs a display and the user's wish, and makes way for whatever an app draws", async () => {
    const world = new FakeWorld({ BROWLINE_BUILT_IN_DASHBOARD: "true" });
    const { session, glasses, generation } = await world.connect();
    session.settings.changePhone({ timezone: "UTC" });
    const app = await world.runApp(session);
    const status = (wanted: boolean, model: string) =>
      session.receiveGlasses(generation, {
        type: "core_status_update",
        status: {
          status: {
            core_info: { always_on_status_bar_enabled: wanted },
            connected_glasses: { model_name: model },
            glasses_settings: {},
          },
        },
      });
    status(true, "Mentra Live");
    await world.clock.advanceAsync(2_500);
    expect(shown(glasses, "main")).toBe("");
    status(true, "Even Realities G1");
    session.apps.receive(captions, app.generation, {
      type: "dashboard_content_update",
      content: "3 new",
      modes: ["always_on"],
    });
    await world.clock.advanceAsync(600);
    expect(shown(glasses, "main")).toBe("Jan 1, 12:00 AM\n3 new");
    world.show(session, app, captions, "caption");
    await world.clock.advanceAsync(61_000);
    expect(shown(glasses, "main")).toBe("caption");
    session.apps.stop(captions);
    await world.clock.advanceAsync(600);
    expect(shown(glasses, "main")).toBe("Jan 1, 12:01 AM");
    status(false, "Even Realities G1");
    await world.clock.advanceAsync(600);
    expect(shown(glasses, "main")).toBe("");
  });
});

function shown(glasses: FakeGlasses, view: "main" | "dashboard" = "dashboard"): string {
  const layout: Layout | undefined = glasses
    .of("display_event")
    .findLast((event) => event.view === view)?.layout;
  return layout === undefined ? "" : layoutText(layout);
}

function modes(app: FakeApp): string[] {
  return app.sent.flatMap((message: ToApp) =>
    message.type === "dashboard_mode_changed" ? [message.mode] : [],
  );
}

function write(session: Connected["session"], packageName: string, app: FakeApp, content: unknown): void {
  session.apps.receive(packageName, app.generation, {
    type: "dashboard_content_update",
    content,
    modes: ["main"],
  });
}

async function withApps(...names: string[]) {
  const world = new FakeWorld();
  for (const name of names) world.records.set(name, appRecord(name));
  const connected = await world.connect();
  const apps = new Map<string, FakeApp>();
  for (const name of names) apps.set(name, await world.runApp(connected.session, name));
  await world.clock.advanceAsync(2_000);
  return { world, ...connected, apps };
}

function appOf(apps: ReadonlyMap<string, FakeApp>, name: string): FakeApp {
  const app = apps.get(name);
  if (app === undefined) throw new Error(`${name} does not run`);
  return app;
}
