import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { restoreBackup, writeBackup } from "../../src/store/backup.ts";
import { checkDatabase } from "../../src/store/database-check.ts";
import { schemaVersion } from "../../src/store/schema.ts";
import { SqliteDatabase } from "../../src/store/sqlite-database.ts";

const userId = "user@example.com";
let folder: string;
let data: string;
let other: string;
let backup: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "browline-backup-"));
  data = join(folder, "data");
  other = join(folder, "other");
  backup = join(folder, "the.backup");
  mkdirSync(data);
  mkdirSync(other);
  writeFileSync(join(data, "token-secret"), "the secret of the first folder\n");
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(of: string): SqliteDatabase {
  return new SqliteDatabase(join(of, "browline.db"));
}

function colour(of: string): unknown {
  const database = open(of);
  try {
    return database.user(userId).settings.phone["colour"];
  } finally {
    database.close();
  }
}

function fill(of: string, value: string): void {
  const database = open(of);
  database.saveSetting(userId, "phone", "colour", value);
  database.close();
}

/** Every file in a folder with its bytes. */
function contents(of: string): Record<string, string> {
  const names = readdirSync(of).filter((name) => !/-(wal|shm)$/.test(name));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(of, name), "hex")]));
}

describe("a backup", () => {
  test("is one private file, taken while a server writes, and makes another folder what the first one was", () => {
    const server = open(data);
    server.saveSetting(userId, "phone", "colour", "green");
    server.commit({
      ended: [],
      settled: [],
      events: [{ userId, packageName: "com.example.app", seq: 1, body: "what somebody has said" }],
      sessions: [{ userId, savedMs: 1, body: "{}" }],
      aliveMs: 1,
    });
    writeBackup(data, backup, false);
    server.saveSetting(userId, "phone", "colour", "red");
    server.close();

    expect(statSync(backup).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(["data", "other", "the.backup"]);
    expect(restoreBackup(other, backup, "before")).toEqual({ database: undefined, secrets: [] });
    expect(colour(other)).toBe("green");
    expect(readFileSync(join(other, "token-secret"), "utf8")).toBe("the secret of the first folder\n");
    expect(statSync(join(other, "token-secret")).mode & 0o777).toBe(0o600);
    expect(statSync(join(other, "browline.db")).mode & 0o777).toBe(0o600);
    expect(colour(data)).toBe("red");
  });

  test("holds nothing of what was being said, and a restored database nothing of the secrets", () => {
    const server = open(data);
    server.commit({
      ended: [],
      settled: [],
      events: [{ userId, packageName: "com.example.app", seq: 1, body: "what somebody has said" }],
      sessions: [],
      aliveMs: 1,
    });
    writeBackup(data, backup, false);
    server.close();
    expect(readFileSync(backup).includes("what somebody has said")).toBe(false);
    restoreBackup(other, backup, "before");
    expect(readFileSync(join(other, "browline.db")).includes("the secret of the first folder")).toBe(false);
    const restored = open(other);
    expect(restored.keptSessions()).toEqual({ aliveMs: undefined, aheadMs: 0, sessions: [] });
    restored.close();
  });

  test("replaces no file unless it is told to", () => {
    fill(data, "green");
    writeFileSync(backup, "something dear");
    expect(() => writeBackup(data, backup, false)).toThrow(`${backup} is there already; --force replaces it`);
    expect(readFileSync(backup, "utf8")).toBe("something dear");
    writeBackup(data, backup, true);
    restoreBackup(other, backup, "before");
    expect(colour(other)).toBe("green");
  });

  test.each<[string, () => void, RegExp]>([
    ["there is no database", () => {}, /^There is no database in the data folder/],
    [
      "the database is damaged",
      () => {
        fill(data, "green");
        damage(join(data, "browline.db"));
      },
      /browline\.db was not backed up: in .*browline\.db, it is damaged \(/,
    ],
    [
      "its folder is not there",
      () => {
        fill(data, "green");
        backup = join(folder, "nowhere", "the.backup");
      },
      /was not backed up: ENOENT/,
    ],
  ])("is not made, and leaves nothing behind, where %s", (_what, arrange, problem) => {
    arrange();
    expect(() => writeBackup(data, backup, false)).toThrow(problem);
    expect(readdirSync(folder).sort()).toEqual(["data", "other"]);
  });
});

describe("restoring", () => {
  test("sets the former database aside with what was only in its log, and the former secret", () => {
    fill(data, "green");
    writeBackup(data, backup, false);
    const folderOfKilled = join(folder, "killed");
    mkdirSync(folderOfKilled);
    // As a killed process leaves it: with a log that has not been moved into the database.
    const running = open(other);
    running.saveSetting(userId, "phone", "colour", "red");
    for (const end of ["", "-wal"]) {
      copyFileSync(join(other, `browline.db${end}`), join(folderOfKilled, `browline.db${end}`));
    }
    running.close();
    writeFileSync(join(folderOfKilled, "token-secret"), "the secret of the second folder\n");

    const aside = restoreBackup(folderOfKilled, backup, "before-1");
    expect(aside).toEqual({
      database: join(folderOfKilled, "browline.db.before-1"),
      secrets: [join(folderOfKilled, "token-secret.before-1")],
    });
    expect(readFileSync(join(folderOfKilled, "token-secret"), "utf8")).toBe(
      "the secret of the first folder\n",
    );
    expect(readFileSync(join(folderOfKilled, "token-secret.before-1"), "utf8")).toBe(
      "the secret of the second folder\n",
    );
    expect(existsSync(join(folderOfKilled, "browline.db-wal"))).toBe(false);
    expect(colour(folderOfKilled)).toBe("green");
    const former = new SqliteDatabase(join(folderOfKilled, "browline.db.before-1"));
    expect(former.user(userId).settings.phone).toEqual({ colour: "red" });
    former.close();
  });

  test("helps where the database is damaged, and keeps that as it was", () => {
    fill(data, "green");
    writeBackup(data, backup, false);
    const file = join(data, "browline.db");
    damage(file);
    const damaged = readFileSync(file);
    writeFileSync(`${file}-wal`, "a log that fits nothing");
    restoreBackup(data, backup, "before");
    expect(colour(data)).toBe("green");
    expect(readFileSync(`${file}.before`).equals(damaged)).toBe(true);
    expect(readFileSync(`${file}.before-wal`, "utf8")).toBe("a log that fits nothing");
  });

  test("takes a copy of an older version, which is then brought up to date", () => {
    fill(data, "green");
    writeBackup(data, backup, false);
    const old = new Database(backup);
    old.run("DROP TABLE session; DROP TABLE event; DROP TABLE process;");
    old.run(`PRAGMA user_version = ${schemaVersion - 1}`);
    old.close();
    restoreBackup(other, backup, "before");
    expect(colour(other)).toBe("green");
  });

  test.each<[string, () => void, RegExp]>([
    ["is not there", () => rmSync(backup), /^There is no backup .*the\.backup$/],
    ["is empty", () => writeFileSync(backup, ""), /was not restored: it was not made by bun run backup$/],
    ["is no database", () => writeFileSync(backup, "hello ".repeat(1_000)), /file is not a database$/],
    ["is damaged somewhere", () => damage(backup), /it is damaged \(/],
    [
      "is half of one",
      () => writeFileSync(backup, readFileSync(backup).subarray(0, 20_000)),
      /it is damaged \(/,
    ],
    [
      "was written by a newer version",
      () => run(backup, `PRAGMA user_version = ${schemaVersion + 1}`),
      /newer version \(schema \d+, this one knows \d+\)$/,
    ],
    ["is another program's", () => run(backup, "DROP TABLE app"), /a database of some other program$/],
    [
      "is a database, but no backup",
      () => run(backup, "DROP TABLE backup_secret"),
      /was not made by bun run backup$/,
    ],
  ])("touches nothing where the backup %s", (_what, arrange, problem) => {
    fill(data, "green");
    writeBackup(data, backup, false);
    fill(other, "red");
    writeFileSync(join(other, "token-secret"), "the secret of the second folder\n");
    arrange();
    const before = contents(other);
    expect(() => restoreBackup(other, backup, "before")).toThrow(problem);
    expect(contents(other)).toEqual(before);
  });
});

test("a check of a database finds whatever page of it is damaged, and changes nothing", () => {
  const file = join(data, "browline.db");
  const database = open(data);
  for (let i = 0; i < 500; i++) {
    database.saveSetting(`${i}@example.com`, "phone", "key", "a value of some length ".repeat(10));
  }
  database.close();
  const good = readFileSync(file);
  checkDatabase(file);
  const pages = good.length / pageBytes;
  for (let page = 0; page < pages; page++) {
    const bad = Buffer.from(good);
    bad.fill(0xa5, page * pageBytes, (page + 1) * pageBytes);
    writeFileSync(file, bad);
    expect(() => checkDatabase(file)).toThrow(/damaged|not a database/);
    expect(() => open(data)).toThrow(
      /^The database .*browline\.db cannot be used: (it is damaged|file is not)/,
    );
    expect(readFileSync(file).equals(bad)).toBe(true);
  }
  expect(pages).toBeGreaterThan(30);
});

const pageBytes = 4_096;

/** Makes a page in the middle of a database one that means nothing. */
function damage(file: string): void {
  const bytes = readFileSync(file);
  const page = Math.floor(bytes.length / pageBytes / 2);
  bytes.fill(0xa5, page * pageBytes, (page + 1) * pageBytes);
  writeFileSync(file, bytes);
}

function run(file: string, sql: string): void {
  const database = new Database(file);
  database.run(sql);
  database.close();
}
