import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "../../src/kernel/clock.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import type { AppRecord, Store } from "../../src/store/store.ts";

const captions: AppRecord = {
  packageName: "com.example.captions",
  name: "Captions",
  publicUrl: "http://127.0.0.1:7010",
  type: "standard",
  apiKeyHash: "ab".repeat(32),
  permissions: ["MICROPHONE"],
};
/** As much as anybody could want. */
const room = { userBytes: 1_000, appBytes: 100_000 };
const notes: AppRecord = { ...captions, packageName: "com.example.a-notes", name: "Notes", permissions: [] };

const systemClock = new SystemClock((error) => {
  throw error;
});
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const implementations: Record<string, () => Promise<Store>> = {
  memory: () => Promise.resolve(new MemoryStore()),
  sqlite: async () => {
    const folder = mkdtempSync(join(tmpdir(), "browline-store-"));
    cleanUps.push(() => rmSync(folder, { recursive: true }));
    return SqliteStore.open(join(folder, "browline.sqlite"), {
      clock: systemClock,
      log: createLog({ level: "silent", format: "json" }),
      metrics: new Metrics(),
    });
  },
};

describe.each(Object.keys(implementations))("the %s store", (name) => {
  async function open(): Promise<Store> {
    const store = await implementations[name]?.();
    if (store === undefined) throw new Error(`no store ${name}`);
    cleanUps.push(() => store.close());
    return store;
  }

  test("knows no app at first", async () => {
    const store = await open();
    expect(store.apps.all()).toEqual([]);
    expect(store.apps.get(captions.packageName)).toBeUndefined();
  });

  test("finds a saved app at once, with every field as it was", async () => {
    const store = await open();
    await store.saveApp(captions);
    expect(store.apps.get(captions.packageName)).toEqual(captions);
  });

  test("announces each app that is new, gone or another than before, when look-ups know it", async () => {
    const store = await open();
    const changes: unknown[] = [];
    const stop = store.apps.onChange((change) => {
      changes.push([change, store.apps.get(change.packageName)]);
    });
    const { packageName } = captions;
    const renamed = { ...captions, name: "Subtitles" };
    await store.saveApp(captions);
    await store.saveApp(notes);
    await store.saveApp(renamed);
    await store.saveApp({ ...renamed, permissions: [...renamed.permissions] });
    await store.removeApp(packageName);
    stop();
    stop();
    await store.removeApp(notes.packageName);
    expect(changes).toEqual([
      [{ packageName, former: undefined, app: captions }, captions],
      [{ packageName: notes.packageName, former: undefined, app: notes }, notes],
      [{ packageName, former: captions, app: renamed }, renamed],
      [{ packageName, former: renamed, app: undefined }, undefined],
    ]);
  });

  test("lists apps by package name", async () => {
    const store = await open();
    await store.saveApp(captions);
    await store.saveApp(notes);
    expect(store.apps.all()).toEqual([notes, captions]);
  });

  test("replaces an app of the same package name", async () => {
    const store = await open();
    await store.saveApp(captions);
    const moved: AppRecord = { ...captions, publicUrl: "http://127.0.0.1:7011", type: "background" };
    await store.saveApp(moved);
    expect(store.apps.all()).toEqual([moved]);
  });

  test("removes an app and says whether there was one", async () => {
    const store = await open();
    await store.saveApp(captions);
    expect(await store.removeApp(captions.packageName)).toBe(true);
    expect(await store.removeApp(captions.packageName)).toBe(false);
    expect(store.apps.all()).toEqual([]);
  });

  test("gives a user never seen before the defaults", async () => {
    const store = await open();
    expect(await store.loadUser("user@example.com")).toEqual({
      userId: "user@example.com",
      audioFormat: { codec: "pcm" },
      wantedApps: [],
      settings: { system: {}, phone: {}, apps: {} },
      installations: {},
    });
  });

  test("keeps the audio format of each user", async () => {
    const store = await open();
    store.saveAudioFormat("a@example.com", { codec: "opus" });
    store.saveAudioFormat("b@example.com", { codec: "opus" });
    store.saveAudioFormat("b@example.com", { codec: "lc3", frameBytes: 40 });
    await store.flush();
    expect((await store.loadUser("a@example.com")).audioFormat).toEqual({ codec: "opus" });
    expect((await store.loadUser("b@example.com")).audioFormat).toEqual({ codec: "lc3", frameBytes: 40 });
  });

  test("keeps the wanted apps in the order in which they were wanted first", async () => {
    const store = await open();
    for (const packageName of ["com.example.z", "com.example.a", "com.example.m", "com.example.z"]) {
      store.saveWantedApp("user@example.com", packageName, true);
    }
    store.saveWantedApp("user@example.com", "com.example.a", false);
    store.saveWantedApp("user@example.com", "com.example.never", false);
    await store.flush();
    const { wantedApps } = await store.loadUser("user@example.com");
    expect(wantedApps).toEqual(["com.example.z", "com.example.m"]);
  });

  test("a save is seen by the load that follows it", async () => {
    const store = await open();
    store.saveWantedApp("user@example.com", "com.example.a", true);
    expect((await store.loadUser("user@example.com")).wantedApps).toEqual(["com.example.a"]);
  });

  test("keeps whatever else an app's record holds", async () => {
    const store = await open();
    const app: AppRecord = {
      ...captions,
      description: "d",
      webviewUrl: "http://127.0.0.1:7010/page",
      settings: [
        { type: "group", title: "Looks" },
        { key: "bold", type: "toggle", defaultValue: false },
      ],
      hardware: [{ type: "DISPLAY", level: "REQUIRED" }],
      phrases: ["write it down"],
    };
    await store.saveApp(app);
    expect(store.apps.get(captions.packageName)).toEqual(app);
  });

  test("keeps settings by user and scope, any JSON, and forgets what is undefined", async () => {
    const store = await open();
    const a = "a@example.com";
    store.saveSetting(a, "system", "brightness", 70);
    store.saveSetting(a, "phone", "brightness", { deep: [1, null, "x"] });
    store.saveSetting(a, { packageName: "com.example.a" }, "size", "big");
    store.saveSetting(a, { packageName: "system" }, "brightness", false);
    store.saveSetting("b@example.com", "system", "brightness", 1);
    store.saveSetting(a, "phone", "gone", 1);
    store.saveSetting(a, "phone", "gone", undefined);
    store.saveSetting(a, "phone", "never", undefined);
    expect((await store.loadUser(a)).settings).toEqual({
      system: { brightness: 70 },
      phone: { brightness: { deep: [1, null, "x"] } },
      apps: { "com.example.a": { size: "big" }, system: { brightness: false } },
    });
  });

  test("remembers what a user installed and took off", async () => {
    const store = await open();
    store.saveInstallation("a@example.com", "com.example.a", true);
    store.saveInstallation("a@example.com", "com.example.b", true);
    store.saveInstallation("a@example.com", "com.example.b", false);
    expect((await store.loadUser("a@example.com")).installations).toEqual({
      "com.example.a": true,
      "com.example.b": false,
    });
    expect((await store.loadUser("b@example.com")).installations).toEqual({});
  });

  test("keeps the storage of each user and app apart", async () => {
    const store = await open();
    const put = (user: string, app: string, key: string) =>
      store.writeStorage(user, app, { [key]: `${user} ${app}` }, room);
    for (const user of ["a@example.com", "b@example.com"]) {
      for (const app of ["com.example.a", "com.example.b"]) expect(await put(user, app, "k.e.y")).toBe(true);
    }
    await store.deleteStorage("a@example.com", "com.example.a", undefined);
    await store.deleteStorage("b@example.com", "com.example.b", "k.e.y");
    await store.deleteStorage("b@example.com", "com.example.b", "never");
    expect(await store.readStorage("a@example.com", "com.example.a")).toEqual({});
    expect(await store.readStorage("b@example.com", "com.example.b")).toEqual({});
    expect(await store.readStorage("a@example.com", "com.example.b")).toEqual({
      "k.e.y": "a@example.com com.example.b",
    });
  });

  test("takes a batch for storage as a whole or not at all, by its size as UTF-8 with what is there", async () => {
    const store = await open();
    const write = (entries: Record<string, string>) =>
      store.writeStorage("a@example.com", "app", entries, { ...room, userBytes: 20 });
    expect(await write({ a: "123456789", b: "ééé" })).toBe(true);
    expect(await write({ a: "123", c: "x".repeat(8) })).toBe(true);
    expect(await write({ d: "1", e: "x" })).toBe(false);
    expect(await store.readStorage("a@example.com", "app")).toEqual({ a: "123", b: "ééé", c: "x".repeat(8) });
    expect(await write({ a: "", d: "" })).toBe(true);
  });

  test("lists every user of whom it keeps something", async () => {
    const store = await open();
    store.saveAudioFormat("d@example.com", { codec: "opus" });
    store.saveWantedApp("c@example.com", "com.example.a", true);
    store.saveSetting("b@example.com", "phone", "k", 1);
    store.saveInstallation("b@example.com", "com.example.a", true);
    await store.writeStorage("a@example.com", "com.example.a", { k: "v" }, room);
    expect(await store.userIds()).toEqual([
      "a@example.com",
      "b@example.com",
      "c@example.com",
      "d@example.com",
    ]);
  });

  test("takes no more from one app than it may keep for all of its users, whatever other apps keep", async () => {
    const store = await open();
    const write = (user: string, app: string, length: number) =>
      store.writeStorage(user, app, { k: "x".repeat(length - 1) }, { userBytes: 60, appBytes: 100 });
    expect(await write("a@example.com", "com.example.a", 60)).toBe(true);
    expect(await write("b@example.com", "com.example.a", 41)).toBe(false);
    expect(await write("b@example.com", "com.example.a", 40)).toBe(true);
    expect(await write("c@example.com", "com.example.b", 60)).toBe(true);
    expect(await store.readStorage("b@example.com", "com.example.a")).toEqual({ k: "x".repeat(39) });
  });

  test("knows a user who was there once, and forgets a user whole", async () => {
    const store = await open();
    const [user, other] = ["a@example.com", "b@example.com"];
    expect(await store.knowsUser(user)).toBe(false);
    store.saveUser(user);
    expect(await store.knowsUser(user)).toBe(true);
    for (const each of [user, other]) {
      store.saveAudioFormat(each, { codec: "opus" });
      // What is kept stays as it is.
      store.saveUser(each);
      store.saveWantedApp(each, "com.example.a", true);
      store.saveSetting(each, "phone", "k", 1);
      store.saveInstallation(each, "com.example.a", true);
      await store.writeStorage(each, "com.example.a", { k: "v" }, room);
    }
    const kept = await store.loadUser(other);
    expect(kept.audioFormat).toEqual({ codec: "opus" });
    expect(await store.removeUser(user)).toBe(true);
    expect(await store.removeUser(user)).toBe(false);
    expect(await store.knowsUser(user)).toBe(false);
    expect(await store.loadUser(user)).toEqual({
      userId: user,
      audioFormat: { codec: "pcm" },
      wantedApps: [],
      settings: { system: {}, phone: {}, apps: {} },
      installations: {},
    });
    expect(await store.readStorage(user, "com.example.a")).toEqual({});
    expect(await store.loadUser(other)).toEqual(kept);
    expect(await store.readStorage(other, "com.example.a")).toEqual({ k: "v" });
  });

  test("knows at once from when on a user's tokens are good, and after the user is forgotten too", async () => {
    const store = await open();
    store.saveUser("a@example.com");
    expect(store.revocations.get("a@example.com")).toBeUndefined();
    await store.revokeTokens("a@example.com", 100);
    await store.revokeTokens("a@example.com", 200);
    await store.removeUser("a@example.com");
    expect(store.revocations.get("a@example.com")).toBe(200);
    expect(store.revocations.get("b@example.com")).toBeUndefined();
  });

  test("can be closed twice", async () => {
    const store = await open();
    await store.close();
    await store.close();
  });

  describe("of sessions", () => {
    const alice = "alice@example.com";
    const bob = "bob@example.com";
    const event = (userId: string, seq: number, packageName = captions.packageName) => ({
      userId,
      packageName,
      seq,
      body: JSON.stringify({ seq }),
    });
    const session = (userId: string, body = "{}") => ({ userId, savedMs: 1.5, body });
    const nothing = { ended: [], settled: [], events: [], sessions: [] };

    test("has none at first", async () => {
      expect(await (await open()).loadSessions()).toEqual({ aliveMs: undefined, aheadMs: 0, sessions: [] });
    });

    test("gives back sessions with their users, and events by app and number", async () => {
      const store = await open();
      store.saveWantedApp(alice, captions.packageName, true);
      await store.commit({
        ...nothing,
        events: [event(alice, 3), event(alice, 1_767_225_600_000_001), event(alice, 2, "com.example.a")],
        sessions: [session(bob), session(alice, '{"version":1}')],
        aliveMs: 10.25,
      });
      const { aliveMs, sessions } = await store.loadSessions();
      expect(aliveMs).toBe(10.25);
      expect(
        sessions.map(({ userId, body, events }) => [userId, body, events.map(({ seq }) => seq)]),
      ).toEqual([
        [alice, '{"version":1}', [2, 3, 1_767_225_600_000_001]],
        [bob, "{}", []],
      ]);
      expect(sessions[0]?.user.wantedApps).toEqual([captions.packageName]);
      expect(sessions[0]?.savedMs).toBe(1.5);
    });

    test("forgets events that were settled, of that app and user only, and what belongs to a session that has ended", async () => {
      const store = await open();
      const other = "com.example.other";
      await store.commit({
        ...nothing,
        events: [event(alice, 1), event(alice, 2), event(alice, 1, other), event(bob, 1)],
        sessions: [session(alice), session(bob)],
        aliveMs: 1,
      });
      await store.commit({
        ...nothing,
        settled: [{ userId: alice, packageName: captions.packageName, upToSeq: 1 }],
        ended: [bob],
        aliveMs: 2,
      });
      const { sessions } = await store.loadSessions();
      expect(sessions.map(({ userId }) => userId)).toEqual([alice]);
      expect(sessions[0]?.events).toEqual([event(alice, 2), event(alice, 1, other)]);
    });

    test("replaces the state of a session, and begins anew where it ended in the same batch", async () => {
      const store = await open();
      await store.commit({
        ...nothing,
        sessions: [session(alice, "old")],
        events: [event(alice, 1)],
        aliveMs: 1,
      });
      await store.commit({
        ended: [alice],
        settled: [],
        sessions: [session(alice, "new")],
        events: [event(alice, 2)],
        aliveMs: 2,
      });
      const { sessions } = await store.loadSessions();
      expect(sessions).toMatchObject([{ body: "new", events: [event(alice, 2)] }]);
    });

    test("forgets a removed user's", async () => {
      const store = await open();
      store.saveUser(alice);
      await store.commit({ ...nothing, sessions: [session(alice)], events: [event(alice, 1)], aliveMs: 1 });
      await store.removeUser(alice);
      expect((await store.loadSessions()).sessions).toEqual([]);
    });
  });
});
