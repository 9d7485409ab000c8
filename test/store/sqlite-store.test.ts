import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "../../src/kernel/clock.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { schemaVersion } from "../../src/store/schema.ts";
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

const clock = new SystemClock((error) => {
  throw error;
});
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
  const store = await SqliteStore.open(file, { clock, log, metrics });
  stores.push(store);
  return store;
}

function makeForeign(): void {
  const foreign = new Database(file);
  foreign.run("CREATE TABLE song (title TEXT)");
  foreign.close();
}

function makeDamaged(): void {
  const database = new SqliteDatabase(file);
  for (let n = 0; n < 100; n++) database.saveSetting(`${n}@example.com`, "phone", "key", "x".repeat(500));
  database.close();
  const bytes = readFileSync(file);
  const page = 4_096 * Math.floor(bytes.length / 4_096 / 2);
  writeFileSync(file, bytes.fill(0xa5, page, page + 4_096));
}

async function restarts(): Promise<number> {
  const { values } = await metrics.workerRestarts.get();
  return values.reduce((sum, { labels, value }) => sum + (labels.kind === "store" ? value : 0), 0);
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
      settings: { system: {}, phone: {}, apps: {} },
      installations: {},
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

  test("is for its owner's eyes only, with the files beside it, even if somebody opened them", async () => {
    const modes = () =>
      readdirSync(folder).map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]);
    const closed = ["", "-shm", "-wal"].map((end) => [`browline.sqlite${end}`, "600"]);
    const before = process.umask(0);
    try {
      const store = await open();
      store.saveUser("a@example.com");
      await store.flush();
      expect(modes().sort()).toEqual(closed);
      for (const [name = ""] of modes()) chmodSync(join(folder, name), 0o644);
      const tool = new SqliteDatabase(file);
      expect(modes().sort()).toEqual(closed);
      tool.close();
    } finally {
      process.umask(before);
    }
  });

  test("remembers after a restart whose tokens were revoked", async () => {
    const first = await open();
    await first.revokeTokens("a@example.com", 1_700_000_000);
    await first.close();
    expect((await open()).revocations.get("a@example.com")).toBe(1_700_000_000);
  });

  test("refuses a database of a newer version, and leaves it as it is, with what is only in its log", async () => {
    const newer = new SqliteDatabase(join(folder, "newer.sqlite"));
    newer.saveApp(captions);
    const raw = new Database(join(folder, "newer.sqlite"));
    raw.run("CREATE TABLE future (a TEXT) STRICT");
    raw.run("PRAGMA user_version = 99");
    // As a killed process leaves it.
    for (const end of ["", "-wal"]) copyFileSync(join(folder, `newer.sqlite${end}`), `${file}${end}`);
    raw.close();
    newer.close();
    const bytes = () => ["", "-wal"].map((end) => readFileSync(`${file}${end}`, "hex"));
    const before = bytes();
    await expect(open()).rejects.toThrow(
      `The database ${file} cannot be used: it was written by a newer version (schema 99, this one knows ${schemaVersion})`,
    );
    expect(bytes()).toEqual(before);
  });

  test.each<[string, () => void, RegExp]>([
    ["no database", () => writeFileSync(file, "not a database ".repeat(1000)), /file is not a database$/],
    ["another program's", () => makeForeign(), /it is a database of some other program$/],
    ["damaged beyond its first page", () => makeDamaged(), /it is damaged \(.*bun run restore FILE$/],
  ])("refuses in one line what is %s, and leaves it as it is", async (_what, make, problem) => {
    make();
    const before = readFileSync(file);
    const opening = open();
    await expect(opening).rejects.toThrow(/^The database .* cannot be used: [^\n]+$/);
    await expect(opening).rejects.toThrow(problem);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test("refuses a folder that is not there in one line", async () => {
    file = join(folder, "missing", "browline.sqlite");
    await expect(open()).rejects.toThrow(/^The database .* cannot be used: [^\n]+$/);
  });

  test("whose thread dies refuses what it has not answered, and goes on with another", async () => {
    const store = await open();
    await store.saveApp(captions);
    for (const deaths of [1, 2, 3]) {
      const unanswered = store.loadUser("user@example.com");
      store.injectDeath();
      await expect(unanswered).rejects.toThrow("the store's thread has died");
      expect([store.available, store.pending]).toEqual([false, 0]);
      await until("the next thread", () => store.available, 30_000);
      expect(await restarts()).toBe(deaths);
      expect(store.apps.all()).toEqual([captions]);
      store.saveWantedApp("user@example.com", `com.example.a${deaths}`, true);
      expect((await store.loadUser("user@example.com")).wantedApps).toHaveLength(deaths);
    }
  });

  test("whose thread dies in the midst of its work leaves nothing half done, and nothing locked", async () => {
    const store = await open();
    const users = Array.from({ length: 2_000 }, (_, n) => `${n}@example.com`);
    for (let round = 1; round <= 3; round++) {
      const sessions = users.map((userId) => ({ userId, savedMs: round, body: String(round) }));
      const commit = store.commit({ ended: [], settled: [], events: [], sessions, aliveMs: round });
      // Time for the thread to be in the middle of it, though not for certain.
      for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve));
      store.injectDeath();
      await commit.catch(() => undefined);
      await until("the next thread", () => store.available, 30_000);
      const { sessions: kept } = await store.loadSessions();
      expect(new Set(kept.map(({ body }) => body)).size).toBeLessThanOrEqual(1);
      // It would wait for five seconds, and then fail, if the dead thread still held the database.
      await store.commit({ ended: users, settled: [], events: [], sessions: [], aliveMs: round });
    }
  });

  test("whose file cannot be opened again tries until it can, and is closed all the same", async () => {
    const store = await open();
    await store.saveApp(captions);
    const aside = `${file}.aside`;
    renameSync(file, aside);
    mkdirSync(file);
    store.injectDeath();
    await until("some restarts", async () => (await restarts()) >= 3, 30_000);
    expect(store.available).toBe(false);
    await expect(store.loadUser("user@example.com")).rejects.toThrow();
    rmdirSync(file);
    renameSync(aside, file);
    await until("the file to be open", () => store.available, 30_000);
    expect((await store.loadUser("user@example.com")).userId).toBe("user@example.com");
    store.injectDeath();
    await store.close();
    expect(store.available).toBe(false);
  });

  test("two processes may open a new file at once", async () => {
    const [a, b] = await Promise.all([open(), open()]);
    await a.saveApp(captions);
    await until("the other to see it", () => b.apps.get(captions.packageName));
  });

  test("leaves nothing of a user who is forgotten to be read, neither in the file nor in the log beside it", async () => {
    const store = await open();
    const words = "what nobody is to read any more";
    const userId = "user@example.com";
    const event = { userId, packageName: captions.packageName, seq: 1, body: words };
    const nothing = { ended: [], settled: [], sessions: [], aliveMs: 1 };
    await store.commit({ ...nothing, events: [event] });
    const onDisk = () =>
      readdirSync(folder).some((name) => readFileSync(join(folder, name), "latin1").includes(words));
    expect(onDisk()).toBe(true);
    await store.removeUser(userId);
    expect(onDisk()).toBe(false);
  });
});
