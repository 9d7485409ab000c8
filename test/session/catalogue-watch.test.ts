import { beforeEach, describe, expect, test } from "bun:test";
import { sha256Hex } from "../../src/kernel/identity.ts";
import { consequenceOf } from "../../src/session/catalogue-watch.ts";
import type { AppRecord } from "../../src/store/store.ts";
import { appRecord, captions, FakeWorld } from "../support/fake-world.ts";

const record = appRecord(captions);

describe("what a change of the catalogue means for an app that runs", () => {
  test.each<[string, Partial<AppRecord>]>([
    ["key", { apiKeyHash: sha256Hex("another") }],
    ["permissions", { permissions: ["MICROPHONE"] }],
    ["type", { type: "standard" }],
  ])("another %s makes it begin anew", (_what, over) => {
    expect(consequenceOf({ packageName: captions, former: record, app: { ...record, ...over } })).toBe(
      "restart",
    );
  });

  test.each<[string, AppRecord | undefined, AppRecord | undefined, ReturnType<typeof consequenceOf>]>([
    ["its removal stops it", record, undefined, "stop"],
    ["another address is nothing to it", record, { ...record, publicUrl: "http://127.0.0.1:2" }, "none"],
    ["another name is nothing to it", record, { ...record, name: "Subtitles" }, "none"],
    [
      "another order of its permissions is nothing to it",
      { ...record, permissions: ["A", "B"] },
      { ...record, permissions: ["B", "A"] },
      "none",
    ],
    ["its first registration is nothing to it", undefined, record, "none"],
  ])("%s", (_what, former, app, consequence) => {
    expect(consequenceOf({ packageName: captions, former, app })).toBe(consequence);
  });
});

describe("a change of the catalogue", () => {
  let world: FakeWorld;
  beforeEach(async () => {
    world = new FakeWorld();
    world.records.clear();
    await world.users.saveApp(record);
  });

  test("that removes an app stops it in every session, and tells its server why", async () => {
    const { session: one } = await world.connect("one@example.com");
    const { session: two } = await world.connect("two@example.com");
    const apps = [await world.runApp(one, captions, "button_press"), await world.runApp(two)];
    await world.users.removeApp(captions);
    expect(apps.map(({ closed }) => closed?.reason)).toEqual(["App stopped", "App stopped"]);
    expect([...one.apps.all(), ...two.apps.all()]).toEqual([]);
    expect(one.apps.subscriptions.match("button_press")).toEqual([]);
    expect(world.webhooks.stops.map(({ userId, reason }) => [userId, reason])).toEqual([
      ["one@example.com", "system_stop"],
      ["two@example.com", "system_stop"],
    ]);
    await world.clock.advance(120_000);
    expect(world.webhooks.starts.length).toBe(2);
  });

  test("that gives an app another key makes it begin anew: its old socket hears nothing any more", async () => {
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, "button_press");
    await world.users.saveApp({ ...record, apiKeyHash: sha256Hex("another") });
    expect(app.closed?.reason).toBe("App stopped");
    expect(world.webhooks.starts.length).toBe(2);
    expect(() => world.connectApp(session)).toThrow("INVALID_API_KEY");
  });

  test("that only renames an app leaves it alone", async () => {
    const { session } = await world.connect();
    const app = await world.runApp(session);
    await world.users.saveApp({ ...record, name: "Subtitles" });
    expect(app.closed).toBeUndefined();
    expect(world.webhooks.starts.length).toBe(1);
  });

  test("starts nothing where the app does not run", async () => {
    await world.connect();
    await world.users.saveApp({ ...record, permissions: [] });
    expect(world.webhooks.starts).toEqual([]);
  });

  test("while the glasses are away takes effect at once, and the app comes back with them", async () => {
    const { session, generation } = await world.connect();
    const app = await world.runApp(session);
    session.glassesClosed(generation);
    await world.users.saveApp({ ...record, permissions: ["MICROPHONE"] });
    expect(app.closed?.reason).toBe("App stopped");
    expect(world.webhooks.starts.length).toBe(1);
    await world.connect();
    expect(world.webhooks.starts.length).toBe(2);
    world.connectApp(session);
    expect(session.apps.all().map(({ packageName }) => packageName)).toEqual([captions]);
  });

  test("that takes an app away and puts it back while the glasses are away brings it back with them", async () => {
    const { session, generation } = await world.connect();
    await world.runApp(session);
    session.glassesClosed(generation);
    await world.users.removeApp(captions);
    await world.users.saveApp(record);
    await world.connect();
    expect(world.webhooks.starts.length).toBe(2);
  });

  test("does not bring back what the user has stopped, or another standard app into a taken foreground", async () => {
    const [map, clock] = ["com.example.map", "com.example.clock"];
    await world.users.saveApp(appRecord(map, { type: "standard" }));
    const { session, generation } = await world.connect();
    await world.runApp(session);
    await world.runApp(session, map);
    session.apps.stop(captions);
    await world.users.removeApp(map);
    await world.users.saveApp(appRecord(map, { type: "standard" }));
    await world.users.saveApp(appRecord(clock, { type: "standard" }));
    // Started, and not there yet: the map is still what the user had running last.
    void session.apps.start(clock);
    session.glassesClosed(generation);
    const starts = world.webhooks.starts.length;
    await world.connect();
    expect(world.webhooks.starts.slice(starts).map(({ sessionId }) => sessionId)).not.toContain(
      session.apps.sessionIdOf(map),
    );
    expect(session.apps.app(captions)).toBeUndefined();
  });

  test("that fails in one session takes effect in the others, and none does after the watch has ended", async () => {
    const { session: one } = await world.connect("one@example.com");
    const { session: two } = await world.connect("two@example.com");
    const app = await world.runApp(two);
    one.apps.stop = () => {
      throw new Error("a fault in one session");
    };
    await world.users.removeApp(captions);
    expect(app.closed?.reason).toBe("App stopped");
    expect(await world.count("browline_errors_total", { where: "catalogue_watch" })).toBe(1);
    await world.storage.closeAll();
    await world.users.saveApp(record);
    let looked = false;
    world.storage.all = () => {
      looked = true;
      return [];
    };
    await world.users.removeApp(captions);
    expect(looked).toBe(false);
  });
});
