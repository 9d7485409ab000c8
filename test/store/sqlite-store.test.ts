import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { SqliteDatabase } from "../../src/store/sqlite-database.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import type { AppRecord } from "../../src/store/store.ts";
import { settle } from "../support/fake-clock.ts";
import { until } from "../support/until.ts";

const captions: AppRecord = {
  packageName: "com.example.captions",
  name: "Captions",
  publicUrl: "http://127.0.0.1:7010",
  type: "standard",
  apiKeyHash: "ab".repeat(32),
  permissions: ["MICROPHONE"],
};

let folder: string;
let file: string;
let metrics: Metrics;
const stores: SqliteStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "browline-sqlite-"));
  file = join(folder, "browline.sqlite");
  metrics = new Metrics();
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(folder, { recursive: true });
});

async function open(): Promise<SqliteStore> {
  const log = createLog({ level: "silent", format: "json" });
  const store = await SqliteStore.open(file, { log, metrics });
  stores.push(store);
  return store;
}

describe("the SQLite store", () => {
  test("has everything again after a restart", async () => {
    const first = await open();
    await first.saveApp(captions);
    first.saveWantedApp("user@example.com", captions.packageName, true);
    first.saveAudioFormat("user@example.com", { codec: "lc3", frameBytes: 60 });
    await first.close();
    const second = await open();
    expect(second.apps.all()).toEqual([captions]);
    expect(await second.loadUser("user@example.com")).toEqual({
      userId: "user@example.com",
      audioFormat: { codec: "lc3", frameBytes: 60 },
      wantedApps: [captions.packageName],
    });
  });

  test("notices an app that another process adds, changes or removes while it runs", async () => {
    const store = await open();
    const tool = new SqliteDatabase(file);
    tool.saveApp(captions);
    await until("the added app", () => store.apps.get(captions.packageName));
    tool.saveApp({ ...captions, name: "Subtitles" });
    await until("the new name", () => store.apps.get(captions.packageName)?.name === "Subtitles");
    expect(tool.removeApp(captions.packageName)).toBe(true);
    await until("the removal", () => store.apps.get(captions.packageName) === undefined);
    tool.close();
  });

  test("a save that fails is counted and rejects nothing", async () => {
    const store = await open();
    const other = new Database(file);
    other.run("DROP TABLE wanted_app");
    store.saveWantedApp("user@example.com", "com.example.a", true);
    await store.flush();
    other.close();
    const { values } = await metrics.errors.get();
    expect(values).toEqual([{ labels: { where: "store" }, value: 1 }]);
    expect(store.pending).toBe(0);
  });

  test("a save after closing is counted", async () => {
    const store = await open();
    await store.close();
    store.saveWantedApp("user@example.com", "com.example.a", true);
    await settle();
    const { values } = await metrics.errors.get();
    expect(values).toEqual([{ labels: { where: "store" }, value: 1 }]);
    await expect(store.loadUser("user@example.com")).rejects.toThrow("the store is closed");
  });

  test("refuses a database of a newer version, and leaves it as it is", async () => {
    const newer = new Database(file);
    newer.run("PRAGMA user_version = 99");
    newer.close();
    await expect(open()).rejects.toThrow(
      `The database ${file} cannot be used: it was written by a newer version (schema 99, this one knows 1)`,
    );
    const after = new Database(file);
    expect(after.query("SELECT name FROM sqlite_master").all()).toEqual([]);
    after.close();
  });

  test("refuses what is no database in one line", async () => {
    writeFileSync(file, "not a database ".repeat(1000));
    await expect(open()).rejects.toThrow(/^The database .* cannot be used: [^\n]+$/);
  });

  test("refuses a folder that is not there in one line", async () => {
    file = join(folder, "missing", "browline.sqlite");
    await expect(open()).rejects.toThrow(/^The database .* cannot be used: [^\n]+$/);
  });

  test("two processes may open a new file at once", async () => {
    const [a, b] = await Promise.all([open(), open()]);
    await a.saveApp(captions);
    await until("the other to see it", () => b.apps.get(captions.packageName));
  });
});
