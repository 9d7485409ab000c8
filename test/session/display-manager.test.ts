import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { closes } from "../../src/wire/close-codes.ts";
import { appRecord, captions, FakeGlasses, FakeWorld } from "../support/fake-world.ts";
import { seededRandom } from "../support/seeded-random.ts";

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

  /** A random script: what each app does, and how time passes. */
  const script = fc.array(
    fc.oneof(
      fc.record({
        do: fc.constant("show" as const),
        app: fc.integer({ min: 0, max: 2 }),
        durationMs: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined }),
        force: fc.boolean(),
      }),
      fc.record({ do: fc.constant("stop" as const), app: fc.integer({ min: 0, max: 2 }) }),
      fc.record({ do: fc.constant("drop" as const) }),
      fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
    ),
    { minLength: 5, maxLength: 60 },
  );

  test("whatever happens: the pace holds, no app's older text follows its newer, no stopped app appears", async () => {
    const { seed } = seededRandom("display property test");
    await fc.assert(
      fc.asyncProperty(script, async (steps) => {
        const world = new FakeWorld();
        const names = ["com.front", "com.b", "com.c"];
        for (const name of names) {
          world.records.set(
            name,
            appRecord(name, { type: name === "com.front" ? "standard" : "background" }),
          );
        }
        const { session, ...first } = await world.connect();
        let { glasses, generation } = first;
        const sockets = await Promise.all(names.map((name) => world.runApp(session, name)));
        const stopped = new Map<string, number>();
        const former: FakeGlasses[] = [];
        let text = 0;
        for (const step of steps) {
          switch (step.do) {
            case "show": {
              const [name, socket] = [names[step.app], sockets[step.app]];
              if (name === undefined || socket === undefined) break;
              session.apps.receive(name, socket.generation, {
                type: "display_event",
                layout: { layoutType: "text_wall", text: `${name} ${text++}` },
                forceDisplay: step.force,
                ...(step.durationMs === undefined ? {} : { durationMs: step.durationMs }),
              });
              break;
            }
            case "stop": {
              const name = names[step.app];
              if (name !== undefined && session.apps.stop(name)) stopped.set(name, world.clock.now());
              break;
            }
            case "drop":
              session.glassesClosed(generation);
              await world.clock.advanceAsync(100);
              ({ glasses, generation } = reattach());
              break;
            case "wait":
              await world.clock.advanceAsync(step.ms);
          }
        }
        await world.clock.advanceAsync(20_000);
        const shown = allGlasses().flatMap((each) =>
          each.sent.filter(({ message }) => message.type === "display_event"),
        );
        for (const [i, { message, atMs }] of shown.entries()) {
          const before = shown[i - 1];
          if (before !== undefined) expect(atMs - before.atMs).toBeGreaterThanOrEqual(200);
          const end = message.type === "display_event" ? stopped.get(message.packageName) : undefined;
          if (end !== undefined) expect(atMs).toBeLessThanOrEqual(end);
        }
        for (const name of names) {
          const numbers = allGlasses()
            .flatMap((each) => each.texts)
            .filter((each) => each.startsWith(name))
            .map((each) => Number(each.split(" ")[1]));
          expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        }

        function allGlasses(): FakeGlasses[] {
          return [...former, glasses];
        }
        function reattach() {
          former.push(glasses);
          const next = new FakeGlasses(world.clock);
          return { glasses: next, generation: session.attachGlasses(next) };
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
