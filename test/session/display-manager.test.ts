import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../../src/kernel/limits.ts";
import { closes } from "../../src/wire/close-codes.ts";
import { appRecord, captions, type FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Sockets of the apps on the stage, by package. */
const sockets = new Map<string, FakeApp>();

/**
 * Glasses, boot cards as in service, and these apps running; `com.front` is the foreground app. All have drawn nothing, and
 * their boot cards are gone.
 */
async function stage(...names: string[]) {
  const world = new FakeWorld({}, { bootCardMs: limits.bootCardMs });
  for (const name of ["com.front", "com.b", "com.c", "com.d"]) {
    world.records.set(name, appRecord(name, { type: name === "com.front" ? "standard" : "background" }));
  }
  const { session } = await world.connect();
  sockets.clear();
  for (const name of names) sockets.set(name, await world.runApp(session, name));
  await world.clock.advanceAsync(5_000);
  // Other glasses, which have not seen the cards.
  const glasses = new FakeGlasses(world.clock);
  const generation = session.attachGlasses(glasses);
  await world.clock.advanceAsync(1_000);
  glasses.sent.length = 0;
  const show = (name: string, text: string, durationMs?: number) => {
    const socket = sockets.get(name);
    if (socket !== undefined) world.show(session, socket, name, text, durationMs);
  };
  return { world, session, glasses, generation, show };
}

/** The display events that glasses have received. */
function displaysOf(glasses: FakeGlasses) {
  return glasses.sent.flatMap(({ message, atMs }) =>
    message.type === "display_event"
      ? [
          {
            atMs,
            view: message.view,
            text: message.layout.layoutType === "text_wall" ? message.layout.text : "",
            card: message.layout.layoutType === "reference_card",
          },
        ]
      : [],
  );
}

/** Names on the boot cards that glasses have received. */
function bootCards(glasses: FakeGlasses): string[] {
  return glasses
    .of("display_event")
    .flatMap(({ layout }) => (layout.layoutType === "reference_card" ? [layout.text] : []));
}

describe("the display", () => {
  test("shows the first text at once and the last of a burst exactly 250 ms later", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    const began = world.clock.now();
    for (let i = 0; i <= 20; i++) {
      world.show(session, app, captions, `text ${i}`);
      await world.clock.advanceAsync(10);
    }
    await world.clock.advanceAsync(1_000);
    const shown = glasses.sent.filter(({ message }) => message.type === "display_event");
    expect(glasses.texts).toEqual(["text 0", "text 20"]);
    expect(shown.map(({ atMs }) => atMs - began)).toEqual([0, 250]);
  });

  test("ends 40 texts sent every 100 ms with the last one", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    for (let i = 0; i < 40; i++) {
      world.show(session, app, captions, `text ${i}`);
      await world.clock.advanceAsync(100);
    }
    await world.clock.advanceAsync(1_000);
    expect(glasses.texts.at(-1)).toBe("text 39");
    const order = glasses.texts.map((text) => Number(text.split(" ")[1]));
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  test("does not send what is already on the screen", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    for (let i = 0; i < 3; i++) {
      world.show(session, app, captions, "the same");
      await world.clock.advanceAsync(300);
    }
    expect(glasses.texts).toEqual(["the same"]);
  });

  test("brings the foreground caption back after a background card", async () => {
    const world = new FakeWorld();
    world.records.set("com.front", appRecord("com.front", { type: "standard" }));
    const { session, glasses } = await world.connect();
    const front = await world.runApp(session, "com.front");
    const back = await world.runApp(session, captions);
    world.show(session, front, "com.front", "caption");
    await world.clock.advanceAsync(5_000);
    world.show(session, back, captions, "card", 500);
    await world.clock.advanceAsync(1_000);
    expect(glasses.texts).toEqual(["caption", "card", "caption"]);
  });

  test("does not let a background text without an end cover the foreground for more than 10 s", async () => {
    const world = new FakeWorld();
    world.records.set("com.front", appRecord("com.front", { type: "standard" }));
    const { session, glasses } = await world.connect();
    const front = await world.runApp(session, "com.front");
    const back = await world.runApp(session, captions);
    world.show(session, back, captions, "cover");
    await world.clock.advanceAsync(1_000);
    world.show(session, front, "com.front", "caption");
    await world.clock.advanceAsync(8_900);
    expect(glasses.texts).toEqual(["cover"]);
    await world.clock.advanceAsync(200);
    expect(glasses.texts).toEqual(["cover", "caption"]);
  });

  test("takes a timed text away when its time is up, and shows what is left of it after a drop", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    const app = await world.runApp(session);
    world.show(session, app, captions, "for 3 s", 3_000);
    await world.clock.advanceAsync(1_000);
    session.glassesClosed(generation);
    await world.clock.advanceAsync(500);
    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    expect(returned.of("display_event")[0]).toMatchObject({ durationMs: 1_500 });
    await world.clock.advanceAsync(1_500);
    expect(returned.texts).toEqual(["for 3 s", ""]);
    expect(glasses.texts).toEqual(["for 3 s"]);
  });

  test("does not bring back on return what ended or was stopped during the drop", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session);
    world.show(session, app, captions, "stopped meanwhile");
    await world.clock.advanceAsync(500);
    session.glassesClosed(generation);
    session.apps.stop(captions);
    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    await world.clock.advanceAsync(1_000);
    expect(returned.texts).toEqual([""]);
  });

  test("sends again what could not be delivered", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    glasses.blocked = true;
    world.show(session, app, captions, "late");
    await world.clock.advanceAsync(1_000);
    glasses.blocked = false;
    await world.clock.advanceAsync(250);
    expect(glasses.texts).toEqual(["late"]);
  });

  test("refuses what is no layout or too large, and goes on", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    for (const layout of [
      null,
      "text",
      { layoutType: "text_wall" },
      { layoutType: "text_wall", text: "x".repeat(40_000) },
    ]) {
      session.apps.receive(captions, app.generation, { type: "display_event", layout });
    }
    world.show(session, app, captions, "fine");
    expect(glasses.texts).toEqual(["fine"]);
    expect(await world.count("browline_messages_rejected_total", { reason: "bad_layout" })).toBe(4);
  });

  test("D-02: a background text without an end covers the foreground for 10 s at most, however many ask for it", async () => {
    const { world, glasses, show } = await stage("com.front", "com.b", "com.c");
    show("com.front", "c1");
    await world.clock.advanceAsync(1_000);
    show("com.b", "b1");
    const covered = world.clock.now();
    for (let round = 0; round < 4; round++) {
      await world.clock.advanceAsync(4_000);
      show("com.front", `core ${round}`);
      show("com.c", `other ${round}`);
    }
    const back = glasses.sent.find(
      ({ message, atMs }) =>
        atMs > covered && message.type === "display_event" && message.packageName === "com.front",
    );
    expect((back?.atMs ?? Number.POSITIVE_INFINITY) - covered).toBeLessThanOrEqual(10_000);
    await world.clock.advanceAsync(20_000);
    expect(glasses.texts).toContain("other 3");
    expect(glasses.texts.at(-1)).toBe("core 3");
  });

  test("background apps that wait get their turn in the order in which they asked, at once when one stops", async () => {
    const { world, session, glasses, show } = await stage("com.front", "com.b", "com.c", "com.d");
    show("com.front", "caption");
    await world.clock.advanceAsync(1_000);
    const began = world.clock.now();
    for (const name of ["com.b", "com.c", "com.d"]) show(name, name);
    await world.clock.advanceAsync(15_000);
    session.apps.stop("com.c");
    await world.clock.advanceAsync(20_000);
    const turns = displaysOf(glasses).filter(({ atMs }) => atMs >= began);
    expect(turns.map(({ text, atMs }) => `${text} ${atMs - began}`)).toEqual([
      "com.b 0",
      "caption 10000",
      "com.c 12000",
      "com.d 15000",
      "caption 25000",
    ]);
  });

  test("D-03: of 40 texts sent every 100 ms the last stays on the screen", async () => {
    const { world, glasses, show } = await stage("com.front");
    for (let i = 0; i < 40; i++) {
      show("com.front", `${i}`);
      await world.clock.advanceAsync(100);
    }
    await world.clock.advanceAsync(1_000);
    expect(glasses.texts.at(-1)).toBe("39");
  });

  test("D-04: two apps that draw while they start are both seen, and clearing works afterwards", async () => {
    const { world, session, glasses, show } = await stage("com.b");
    const socketC = await world.runApp(session, "com.c");
    await world.clock.advanceAsync(400);
    show("com.b", "from b");
    world.show(session, socketC, "com.c", "from c");
    await world.clock.advanceAsync(1_000);
    session.apps.receive("com.b", sockets.get("com.b")?.generation ?? 0, {
      type: "display_event",
      layout: { layoutType: "clear_view" },
    });
    await world.clock.advanceAsync(20_000);
    expect(glasses.texts).toContain("from b");
    expect(glasses.texts.at(-1)).toBe("from c");
    session.apps.receive("com.c", socketC.generation, {
      type: "display_event",
      layout: { layoutType: "clear_view" },
    });
    await world.clock.advanceAsync(1_000);
    expect(glasses.of("display_event").at(-1)?.layout.layoutType).toBe("clear_view");
  });

  test("D-05: nothing of an app that is stopped while it starts appears", async () => {
    const { world, session, glasses, show } = await stage("com.front");
    show("com.front", "caption");
    await world.clock.advanceAsync(1_000);
    const starting = await world.runApp(session, "com.b");
    world.show(session, starting, "com.b", "ghost");
    session.apps.stop("com.b");
    await world.clock.advanceAsync(5_000);
    expect(glasses.texts).not.toContain("ghost");
    expect(session.display.inspect("main").shown).toEqual({ layoutType: "text_wall", text: "caption" });
  });

  test("D-06: two apps that draw every 70 ms in both views share one pace", async () => {
    const { world, session, glasses } = await stage("com.front", "com.b");
    for (let i = 0; i < 100; i++) {
      for (const [name, view] of [
        ["com.front", "main"],
        ["com.b", "dashboard"],
      ] as const) {
        session.apps.receive(name, sockets.get(name)?.generation ?? 0, {
          type: "display_event",
          view,
          layout: { layoutType: "text_wall", text: `${name} ${i}` },
        });
      }
      await world.clock.advanceAsync(70);
    }
    const events = glasses.sent.filter(({ message }) => message.type === "display_event");
    for (const [i, { atMs }] of events.entries()) {
      expect(atMs - (events[i - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(250);
    }
    const dashboards = glasses.of("display_event").filter(({ view }) => view === "dashboard").length;
    expect(dashboards / events.length).toBeGreaterThan(0.4);
    expect(dashboards / events.length).toBeLessThan(0.6);
  });

  test("D-07: an old caption is back after a card of 500 ms", async () => {
    const { world, glasses, show } = await stage("com.front", "com.b");
    show("com.front", "caption");
    await world.clock.advanceAsync(60_000);
    show("com.b", "card", 500);
    await world.clock.advanceAsync(1_000);
    expect(glasses.texts).toEqual(["caption", "card", "caption"]);
  });

  test("D-08: captions go on at their pace while another app starts", async () => {
    const { world, session, glasses, show } = await stage("com.front");
    const shownAt: number[] = [];
    const sentAt: number[] = [];
    for (let i = 0; i < 12; i++) {
      if (i === 4) void session.apps.start("com.b");
      show("com.front", `caption ${i}`);
      sentAt.push(world.clock.now());
      await world.clock.advanceAsync(333);
    }
    for (const { message, atMs } of glasses.sent) {
      if (message.type === "display_event" && message.packageName === "com.front") shownAt.push(atMs);
    }
    expect(shownAt.length).toBe(12);
    for (const [i, at] of shownAt.entries()) expect(at - (sentAt[i] ?? 0)).toBeLessThanOrEqual(250);
    expect(bootCards(glasses).length).toBeGreaterThan(0);
  });

  test("D-09: the last display is sent again within 200 ms of a return after 5 s", async () => {
    const { world, session, generation, show } = await stage("com.front");
    show("com.front", "caption");
    await world.clock.advanceAsync(1_000);
    session.glassesClosed(generation);
    await world.clock.advanceAsync(5_000);
    const returned = new FakeGlasses(world.clock);
    const cameAt = world.clock.now();
    session.attachGlasses(returned);
    await world.clock.advanceAsync(200);
    const restored = returned.sent.find(({ message }) => message.type === "display_event");
    expect(restored?.message).toMatchObject({ layout: { text: "caption" } });
    expect((restored?.atMs ?? 0) - cameAt).toBeLessThan(200);
  });

  describe("while an app starts", () => {
    test("a card names it, until its first display and for 1.5 s at most", async () => {
      const { world, session, glasses } = await stage();
      const began = world.clock.now();
      void session.apps.start("com.b");
      expect(bootCards(glasses)).toEqual(["com.b"]);
      await world.clock.advanceAsync(5_000);
      const events = glasses.sent.filter(({ message }) => message.type === "display_event");
      expect(events.map(({ atMs }) => atMs - began)).toEqual([0, 1_500]);
      expect(events[1]?.message).toMatchObject({ layout: { layoutType: "clear_view" } });
      session.apps.stop("com.b");
      const app = await world.runApp(session, "com.b");
      await world.clock.advanceAsync(400);
      world.show(session, app, "com.b", "here");
      expect(glasses.texts.at(-1)).toBe("here");
    });

    test("a line on the dashboard does not end it: only what is drawn where the card is", async () => {
      const { world, session, glasses } = await stage();
      const app = await world.runApp(session, "com.b");
      session.apps.receive("com.b", app.generation, {
        type: "display_event",
        view: "dashboard",
        layout: { layoutType: "text_wall", text: "a line" },
      });
      await world.clock.advanceAsync(1_400);
      const main = () => displaysOf(glasses).filter(({ view }) => view === "main");
      expect(main()).toMatchObject([{ card: true }]);
      await world.clock.advanceAsync(200);
      expect(main()).toMatchObject([{ card: true }, { card: false, text: "" }]);
    });

    test("the card gives way to what was drawn with it, once it has covered what was too short to come back", async () => {
      const { world, session, glasses, show } = await stage("com.b", "com.c");
      show("com.c", "fleeting", 800);
      await world.clock.advanceAsync(100);
      const began = world.clock.now();
      void session.apps.start("com.d");
      show("com.b", "words");
      await world.clock.advanceAsync(1_000);
      const seen = displaysOf(glasses).map(({ text, card, atMs }) => [card ? "card" : text, atMs - began]);
      expect(seen).toEqual([
        ["fleeting", -100],
        ["card", 100],
        ["words", 350],
      ]);
    });

    test("one card names all that start, and each for its own time", async () => {
      const { world, session, glasses } = await stage();
      void session.apps.start("com.b");
      await world.clock.advanceAsync(1_000);
      void session.apps.start("com.c");
      await world.clock.advanceAsync(3_000);
      expect(bootCards(glasses)).toEqual(["com.b", "com.b, com.c", "com.c"]);
    });

    test("what was left of an earlier start does not shorten the next", async () => {
      const { world, session, glasses } = await stage();
      void session.apps.start("com.b");
      await world.clock.advanceAsync(1_200);
      session.apps.stop("com.b");
      const again = world.clock.now();
      void session.apps.start("com.b");
      await world.clock.advanceAsync(5_000);
      const cleared = glasses.sent.findLast(({ message }) => message.type === "display_event");
      expect((cleared?.atMs ?? 0) - again).toBe(1_500);
    });

    test("the card comes 200 ms after the last display, ahead of what keeps the ordinary pace", async () => {
      const { world, session, glasses, show } = await stage("com.front");
      show("com.front", "caption");
      await world.clock.advanceAsync(10);
      void session.apps.start("com.b");
      await world.clock.advanceAsync(189);
      expect(bootCards(glasses)).toEqual([]);
      await world.clock.advanceAsync(1);
      expect(bootCards(glasses)).toEqual(["com.b"]);
    });

    test("the card ends when the start fails", async () => {
      const { world, session, glasses } = await stage();
      world.webhooks.answer = async () => ({ kind: "refused", status: 404, sdkError: false });
      await session.apps.start("com.b");
      await world.clock.advanceAsync(250);
      expect(glasses.of("display_event").at(-1)?.layout.layoutType).toBe("clear_view");
    });

    test("the foreground app it replaces gives way to the card, not to an empty screen", async () => {
      const { world, session, glasses, show } = await stage("com.front");
      world.records.set("com.next", appRecord("com.next", { type: "standard" }));
      show("com.front", "caption");
      await world.clock.advanceAsync(1_000);
      void session.apps.start("com.next");
      await world.clock.advanceAsync(500);
      expect(glasses.of("display_event").map(({ layout }) => layout.layoutType)).toEqual([
        "text_wall",
        "reference_card",
      ]);
    });
  });

  test("a display of no duration stays until something else is shown, and does not come back", async () => {
    const { world, session, glasses, generation, show } = await stage("com.front", "com.b");
    show("com.front", "flash", 0);
    await world.clock.advanceAsync(2_000);
    expect(glasses.texts).toEqual(["flash"]);
    show("com.b", "card", 500);
    await world.clock.advanceAsync(5_000);
    expect(glasses.texts).toEqual(["flash", "card", ""]);
    show("com.front", "again", 0);
    await world.clock.advanceAsync(1_000);
    session.glassesClosed(generation);
    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    await world.clock.advanceAsync(1_000);
    expect(returned.texts).toEqual([""]);
  });

  test("a display that jumps the pace keeps 200 ms, and jumps it only once", async () => {
    const { world, session, glasses, show } = await stage("com.front", "com.b");
    const began = world.clock.now();
    show("com.front", "first");
    session.apps.receive("com.front", sockets.get("com.front")?.generation ?? 0, {
      type: "display_event",
      layout: { layoutType: "text_wall", text: "urgent" },
      forceDisplay: true,
    });
    await world.clock.advanceAsync(300);
    show("com.b", "card", 400);
    await world.clock.advanceAsync(2_000);
    const events = glasses.sent.filter(({ message }) => message.type === "display_event");
    expect(events.map(({ atMs }) => atMs - began)).toEqual([0, 200, 450, 700]);
  });

  test("displays that jump the pace again and again in one view do not starve the other", async () => {
    const { world, session, glasses } = await stage("com.front", "com.b");
    for (let i = 0; i < 30; i++) {
      for (const [name, view, forceDisplay] of [
        ["com.front", "main", true],
        ["com.b", "dashboard", false],
      ] as const) {
        session.apps.receive(name, sockets.get(name)?.generation ?? 0, {
          type: "display_event",
          view,
          layout: { layoutType: "text_wall", text: `${name} ${i}` },
          forceDisplay,
        });
      }
      await world.clock.advanceAsync(200);
    }
    const times = displaysOf(glasses)
      .filter(({ view }) => view === "dashboard")
      .map(({ atMs }) => atMs);
    const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    expect(times.length).toBeGreaterThan(5);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(4 * limits.displayIntervalMs);
  });

  test("a picture is refused where glasses show none, with an error and without harm", async () => {
    const { world, session, glasses, generation, show } = await stage("com.front");
    const socket = sockets.get("com.front");
    const picture = { layoutType: "bitmap_view", data: "Qk0=" };
    const send = () =>
      session.apps.receive("com.front", socket?.generation ?? 0, { type: "display_event", layout: picture });
    send();
    expect(glasses.of("display_event").at(-1)?.layout).toEqual({ layoutType: "bitmap_view", data: "Qk0=" });
    session.receiveGlasses(generation, {
      type: "glasses_connection_state",
      status: "CONNECTED",
      modelName: "Mentra Live",
    });
    await world.clock.advanceAsync(1_000);
    const before = glasses.of("display_event").length;
    send();
    await world.clock.advanceAsync(1_000);
    expect(glasses.of("display_event").length).toBe(before);
    expect(socket?.sent.at(-1)).toMatchObject({ type: "tpa_connection_error", code: "UNSUPPORTED_LAYOUT" });
    expect(socket?.closed).toBeUndefined();
    expect(await world.count("browline_messages_rejected_total", { reason: "no_bitmaps" })).toBe(1);
    show("com.front", "words");
    expect(glasses.texts.at(-1)).toBe("words");
  });

  test("a dashboard card is sent in a form that phones draw", async () => {
    const { session, glasses } = await stage("com.front");
    session.apps.receive("com.front", sockets.get("com.front")?.generation ?? 0, {
      type: "display_event",
      view: "dashboard",
      layout: { layoutType: "dashboard_card", leftText: "L", rightText: "R" },
    });
    expect(glasses.of("display_event").at(-1)).toMatchObject({
      view: "dashboard",
      layout: { layoutType: "double_text_wall", topText: "L", bottomText: "R" },
    });
  });

  test("what the system shows on the dashboard gives way to an app for 10 s at most", async () => {
    const { world, session, glasses } = await stage("com.front");
    const dashboard = () =>
      glasses
        .of("display_event")
        .filter(({ view }) => view === "dashboard")
        .map(({ layout }) => (layout.layoutType === "text_wall" ? layout.text : layout.layoutType));
    session.display.showSystem("dashboard", { layoutType: "text_wall", text: "10:15" });
    await world.clock.advanceAsync(1_000);
    session.apps.receive("com.front", sockets.get("com.front")?.generation ?? 0, {
      type: "display_event",
      view: "dashboard",
      layout: { layoutType: "text_wall", text: "app" },
    });
    session.display.showSystem("dashboard", { layoutType: "text_wall", text: "10:16" });
    await world.clock.advanceAsync(20_000);
    expect(dashboard()).toEqual(["10:15", "app", "10:16"]);
    session.apps.stop("com.front");
    session.display.showSystem("dashboard", undefined);
    await world.clock.advanceAsync(1_000);
    expect(dashboard()).toEqual(["10:15", "app", "10:16", "clear_view"]);
  });

  test("every request is counted by what became of it", async () => {
    const { world, session, generation, show } = await stage("com.front", "com.b");
    show("com.front", "shown");
    show("com.front", "throttled");
    await world.clock.advanceAsync(1_000);
    show("com.front", "throttled");
    show("com.b", "card");
    await world.clock.advanceAsync(1_000);
    show("com.front", "covered");
    session.glassesClosed(generation);
    show("com.front", "away");
    for (const [outcome, count] of Object.entries({
      shown: 2,
      throttled: 1,
      unchanged: 1,
      covered: 1,
      away: 1,
    })) {
      expect([outcome, await world.count("browline_displays_total", { outcome })]).toEqual([outcome, count]);
    }
  });

  /** A random script: what each app does, and how time passes. */
  const script = fc.array(
    fc.oneof(
      fc.record({
        do: fc.constant("show" as const),
        app: fc.integer({ min: 0, max: 3 }),
        dashboard: fc.boolean(),
        durationMs: fc.option(fc.integer({ min: 0, max: 5_000 }), { nil: undefined }),
        force: fc.boolean(),
      }),
      fc.record({ do: fc.constant("clear" as const), app: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ do: fc.constant("stop" as const), app: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ do: fc.constant("start" as const), app: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ do: fc.constant("system" as const), on: fc.boolean() }),
      fc.record({ do: fc.constant("drop" as const) }),
      fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
    ),
    { minLength: 5, maxLength: 80, size: "max" },
  );

  test("whatever happens: the pace holds, no app's older text follows its newer, no stopped app appears, nothing sticks", async () => {
    const { seed } = seededRandom("display property test");
    await fc.assert(
      fc.asyncProperty(script, async (steps) => {
        const names = ["com.front", "com.b", "com.c", "com.d"];
        const { world, session, ...first } = await stage(...names);
        let { glasses, generation } = first;
        const all = [glasses];
        /** What each app may still have on screen: nothing from before its last stop. */
        const stoppedBefore = new Map<string, number>();
        const urgent = new Set<string>();
        let number = 0;
        for (const step of steps) {
          const name = "app" in step ? (names[step.app] ?? "") : "";
          const at = sockets.get(name)?.generation ?? 0;
          switch (step.do) {
            case "show": {
              const text = `${name} ${number++}`;
              if (step.force) urgent.add(text);
              session.apps.receive(name, at, {
                type: "display_event",
                view: step.dashboard ? "dashboard" : "main",
                layout: { layoutType: "text_wall", text },
                forceDisplay: step.force,
                ...(step.durationMs === undefined ? {} : { durationMs: step.durationMs }),
              });
              break;
            }
            case "clear":
              session.apps.receive(name, at, {
                type: "display_event",
                layout: { layoutType: "clear_view" },
              });
              break;
            case "stop":
              if (session.apps.stop(name)) stoppedBefore.set(name, number);
              break;
            case "start":
              if (session.apps.app(name) === undefined) {
                sockets.set(name, await world.runApp(session, name));
              }
              break;
            case "system":
              session.display.showSystem(
                "dashboard",
                step.on ? { layoutType: "text_wall", text: `system ${number++}` } : undefined,
              );
              break;
            case "drop":
              session.glassesClosed(generation);
              await world.clock.advanceAsync(100);
              glasses = new FakeGlasses(world.clock);
              all.push(glasses);
              generation = session.attachGlasses(glasses);
              break;
            case "wait":
              await world.clock.advanceAsync(step.ms);
          }
          for (const view of ["main", "dashboard"] as const) {
            const { shown } = session.display.inspect(view);
            const [name, no] = shown?.layoutType === "text_wall" ? shown.text.split(" ") : [];
            // The screen keeps a stopped app's text for the pace at most, and gets no other of it.
            if (name !== undefined && session.apps.app(name) === undefined && name !== "system") {
              expect(Number(no)).toBeLessThan(stoppedBefore.get(name) ?? 0);
            }
          }
        }
        await world.clock.advanceAsync(60_000);
        for (const view of ["main", "dashboard"] as const) {
          const { shown, wanted } = session.display.inspect(view);
          expect(shown).toEqual(wanted);
        }
        const running = new Set(names.filter((name) => session.apps.app(name) !== undefined));
        const shown = all.flatMap(displaysOf);
        for (const [i, { atMs, text, card }] of shown.entries()) {
          const since = atMs - (shown[i - 1]?.atMs ?? Number.NEGATIVE_INFINITY);
          const jumps = card || urgent.delete(text);
          expect(since).toBeGreaterThanOrEqual(jumps ? 200 : 250);
        }
        for (const name of names) {
          for (const view of ["main", "dashboard"]) {
            const numbers = shown
              .filter((each) => each.view === view && each.text.startsWith(`${name} `))
              .map(({ text }) => Number(text.split(" ")[1]));
            expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
          }
        }
        // Once all have stopped, nothing of them is left.
        session.display.showSystem("dashboard", undefined);
        for (const name of running) session.apps.stop(name);
        await world.clock.advanceAsync(1_000);
        for (const view of ["main", "dashboard"] as const) {
          expect(session.display.inspect(view).shown).toBeUndefined();
        }
      }),
      { seed, numRuns: 150 },
    );
  });

  test("clears the screen when the last app is stopped", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    world.show(session, app, captions, "words");
    await world.clock.advanceAsync(300);
    session.apps.stop(captions);
    expect(glasses.of("display_event").at(-1)?.layout).toEqual({ layoutType: "clear_view" });
    expect(app.closed).toEqual(closes.appStopped);
  });
});
