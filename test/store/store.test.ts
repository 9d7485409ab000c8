import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
const notes: AppRecord = { ...captions, packageName: "com.example.a-notes", name: "Notes", permissions: [] };

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

  test("can be closed twice", async () => {
    const store = await open();
    await store.close();
    await store.close();
  });
});
