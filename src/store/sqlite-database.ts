import { Database } from "bun:sqlite";
import { chmodSync, closeSync, existsSync, openSync, statSync } from "node:fs";
import { type AudioFormat, defaultAudioFormat } from "../wire/audio-format.ts";
import { checkDatabase } from "./database-check.ts";
import { migrate, tablesOfUsers } from "./schema.ts";
import type {
  AppRecord,
  JournalBatch,
  KeptEvent,
  KeptSessions,
  SettingScope,
  StorageRoom,
  UserRecord,
  UserSettings,
  Values,
} from "./store.ts";

/** How long a write waits for another process to finish its own. */
const busyMs = 5_000;

/** The same for a commit, whose caller goes on without it before long and tries again: reads must not wait behind it. */
const commitBusyMs = 200;

interface AppRow {
  package_name: string;
  name: string;
  public_url: string;
  type: AppRecord["type"];
  api_key_hash: string;
  permissions: string;
  details: string;
}

interface SettingRow {
  scope: string;
  key: string;
  value: string;
}

/**
 * The database file, synchronously: for the store's own thread and for command-line tools. Several processes may have it
 * open at once.
 */
export class SqliteDatabase {
  readonly #database: Database;
  #closed = false;

  /**
   * Opens the file, makes it on first use, and brings its schema up to date.
   * @throws Error with one line for the operator when it cannot be opened, is damaged or was written by a newer version.
   * Then nothing of it has been changed.
   */
  constructor(file: string) {
    let database: Database | undefined;
    try {
      keepPrivate(file);
      if (statSync(file).size > 0) checkDatabase(file);
      database = new Database(file, { create: true, readwrite: true, strict: true });
      database.run(`PRAGMA busy_timeout = ${busyMs}`);
      database.run("PRAGMA journal_mode = WAL");
      database.run("PRAGMA synchronous = NORMAL");
      // What was said passes through here: what is deleted is to be gone.
      database.run("PRAGMA secure_delete = ON");
      migrate(database);
    } catch (error) {
      database?.close();
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`The database ${file} cannot be used: ${reason}`, { cause: error });
    }
    this.#database = database;
  }

  /** Changes whenever another connection, of this process or another, has committed something. */
  dataVersion(): number {
    const row = this.#database.query<{ data_version: number }, []>("PRAGMA data_version").get();
    return row?.data_version ?? 0;
  }

  /** All apps, by package name. */
  apps(): AppRecord[] {
    return this.#database
      .query<AppRow, []>("SELECT * FROM app ORDER BY package_name")
      .all()
      .map((row) => ({
        packageName: row.package_name,
        name: row.name,
        publicUrl: row.public_url,
        type: row.type,
        apiKeyHash: row.api_key_hash,
        permissions: JSON.parse(row.permissions),
        ...JSON.parse(row.details),
      }));
  }

  saveApp(app: AppRecord): void {
    const { packageName, name, publicUrl, type, apiKeyHash, permissions, ...details } = app;
    this.#database
      .query(
        `INSERT OR REPLACE INTO app (package_name, name, public_url, type, api_key_hash, permissions, details)
         VALUES ($packageName, $name, $publicUrl, $type, $apiKeyHash, $permissions, $details)`,
      )
      .run({
        packageName,
        name,
        publicUrl,
        type,
        apiKeyHash,
        permissions: JSON.stringify(permissions),
        details: JSON.stringify(details),
      });
  }

  /** Whether there was one to remove. */
  removeApp(packageName: string): boolean {
    return this.#database.query("DELETE FROM app WHERE package_name = ?").run(packageName).changes > 0;
  }

  user(userId: string): UserRecord {
    const row = this.#database
      .query<{ audio_format: string }, [string]>("SELECT audio_format FROM user WHERE user_id = ?")
      .get(userId);
    const wanted = this.#database
      .query<{ package_name: string }, [string]>(
        "SELECT package_name FROM wanted_app WHERE user_id = ? ORDER BY position",
      )
      .all(userId);
    return {
      userId,
      audioFormat: row === null ? defaultAudioFormat : readFormat(row.audio_format),
      wantedApps: wanted.map(({ package_name }) => package_name),
      settings: this.#settings(userId),
      installations: this.#installations(userId),
    };
  }

  /** Ids of all users of whom something is kept, in order. */
  userIds(): string[] {
    return this.#database
      .query<{ user_id: string }, []>(
        `${tablesOfUsers.map((table) => `SELECT user_id FROM ${table}`).join(" UNION ")} ORDER BY user_id`,
      )
      .all()
      .map(({ user_id }) => user_id);
  }

  /** Whether anything is kept of a user. */
  knowsUser(userId: string): boolean {
    const sql = tablesOfUsers.map((table) => `EXISTS (SELECT 1 FROM ${table} WHERE user_id = $userId)`);
    const row = this.#database
      .query<{ known: number }, { userId: string }>(`SELECT ${sql.join(" OR ")} AS known`)
      .get({ userId });
    return row?.known === 1;
  }

  /** Forgets all but revocations. Whether there was anything. */
  removeUser(userId: string): boolean {
    let removed = 0;
    this.#database
      .transaction(() => {
        for (const table of tablesOfUsers) {
          removed += this.#database.query(`DELETE FROM ${table} WHERE user_id = ?`).run(userId).changes;
        }
      })
      .immediate();
    return removed > 0;
  }

  /** From when on tokens are good, by user, in seconds since 1970. */
  revocations(): Map<string, number> {
    const rows = this.#database
      .query<{ user_id: string; not_before: number }, []>("SELECT user_id, not_before FROM revocation")
      .all();
    return new Map(rows.map(({ user_id, not_before }) => [user_id, not_before]));
  }

  revokeTokens(userId: string, notBefore: number): void {
    this.#database
      .query("INSERT OR REPLACE INTO revocation (user_id, not_before) VALUES (?, ?)")
      .run(userId, notBefore);
  }

  saveUser(userId: string): void {
    // Most are known: looking needs no turn to write, for which one may have to wait.
    if (this.#database.query("SELECT 1 FROM user WHERE user_id = ?").get(userId) !== null) return;
    this.#database
      .query("INSERT OR IGNORE INTO user (user_id, audio_format) VALUES (?, ?)")
      .run(userId, writeFormat(defaultAudioFormat));
  }

  /** Keeps one value; `undefined` forgets it. */
  saveSetting(userId: string, scope: SettingScope, key: string, value: unknown): void {
    const column = writeScope(scope);
    if (value === undefined) {
      this.#database
        .query("DELETE FROM setting WHERE user_id = ? AND scope = ? AND key = ?")
        .run(userId, column, key);
      return;
    }
    this.#database
      .query("INSERT OR REPLACE INTO setting (user_id, scope, key, value) VALUES (?, ?, ?, ?)")
      .run(userId, column, key, JSON.stringify(value));
  }

  saveInstallation(userId: string, packageName: string, installed: boolean): void {
    this.#database
      .query("INSERT OR REPLACE INTO installation (user_id, package_name, installed) VALUES (?, ?, ?)")
      .run(userId, packageName, installed ? 1 : 0);
  }

  /** What an app keeps for a user. */
  storage(userId: string, packageName: string): Record<string, string> {
    const rows = this.#database
      .query<{ key: string; value: string }, [string, string]>(
        "SELECT key, value FROM storage WHERE user_id = ? AND package_name = ? ORDER BY key",
      )
      .all(userId, packageName);
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
  }

  /** Adds and replaces entries, all or none. Returns whether they fit together with what was there. */
  saveStorage(
    userId: string,
    packageName: string,
    entries: Readonly<Record<string, string>>,
    most: StorageRoom,
  ): boolean {
    const insert = this.#database.query(
      "INSERT OR REPLACE INTO storage (user_id, package_name, key, value) VALUES (?, ?, ?, ?)",
    );
    const size = this.#database.query<{ bytes: number | null }, [string, string]>(
      `SELECT SUM(octet_length(key) + octet_length(value)) AS bytes
       FROM storage WHERE user_id = ? AND package_name = ?`,
    );
    const sizeOfApp = this.#database.query<{ bytes: number | null }, [string]>(
      "SELECT SUM(octet_length(key) + octet_length(value)) AS bytes FROM storage WHERE package_name = ?",
    );
    const tooMuch = Symbol("too much");
    try {
      this.#database
        .transaction(() => {
          for (const [key, value] of Object.entries(entries)) insert.run(userId, packageName, key, value);
          if ((size.get(userId, packageName)?.bytes ?? 0) > most.userBytes) throw tooMuch;
          if ((sizeOfApp.get(packageName)?.bytes ?? 0) > most.appBytes) throw tooMuch;
        })
        .immediate();
    } catch (error) {
      if (error === tooMuch) return false;
      throw error;
    }
    return true;
  }

  deleteStorage(userId: string, packageName: string, key: string | undefined): void {
    if (key === undefined) {
      this.#database
        .query("DELETE FROM storage WHERE user_id = ? AND package_name = ?")
        .run(userId, packageName);
    } else {
      this.#database
        .query("DELETE FROM storage WHERE user_id = ? AND package_name = ? AND key = ?")
        .run(userId, packageName, key);
    }
  }

  saveAudioFormat(userId: string, format: AudioFormat): void {
    this.#database
      .query(
        `INSERT INTO user (user_id, audio_format) VALUES (?, ?)
         ON CONFLICT (user_id) DO UPDATE SET audio_format = excluded.audio_format`,
      )
      .run(userId, writeFormat(format));
  }

  saveWantedApp(userId: string, packageName: string, wanted: boolean): void {
    const sql = wanted
      ? "INSERT OR IGNORE INTO wanted_app (user_id, package_name) VALUES (?, ?)"
      : "DELETE FROM wanted_app WHERE user_id = ? AND package_name = ?";
    this.#database.query(sql).run(userId, packageName);
  }

  /** Commits a batch, all or nothing. While another process writes, it soon gives up. */
  commit(batch: JournalBatch, wallMs = Date.now()): void {
    this.#database.run(`PRAGMA busy_timeout = ${commitBusyMs}`);
    try {
      this.#commit(batch, wallMs);
    } finally {
      this.#database.run(`PRAGMA busy_timeout = ${busyMs}`);
    }
  }

  /** What the process before this one has left. */
  keptSessions(): KeptSessions {
    const db = this.#database;
    const alive = db
      .query<{ alive_ms: number; wall_ms: number }, []>("SELECT alive_ms, wall_ms FROM process")
      .get();
    const events = new Map<string, KeptEvent[]>();
    const rows = db
      .query<{ user_id: string; package_name: string; seq: number; body: string }, []>(
        "SELECT * FROM event ORDER BY user_id, package_name, seq",
      )
      .all();
    for (const { user_id: userId, package_name: packageName, seq, body } of rows) {
      const ofUser = events.get(userId);
      const event = { userId, packageName, seq, body };
      if (ofUser === undefined) events.set(userId, [event]);
      else ofUser.push(event);
    }
    return {
      aliveMs: alive?.alive_ms,
      aheadMs: alive === null ? 0 : alive.wall_ms - alive.alive_ms,
      sessions: db
        .query<{ user_id: string; saved_ms: number; body: string }, []>(
          "SELECT * FROM session ORDER BY user_id",
        )
        .all()
        .map(({ user_id: userId, saved_ms: savedMs, body }) => ({
          userId,
          savedMs,
          body,
          user: this.user(userId),
          events: events.get(userId) ?? [],
        })),
    };
  }

  /**
   * Brings everything into the file itself and empties the log beside it, in which what was deleted is still to be read.
   * Does nothing while somebody else reads.
   */
  truncateLog(): void {
    this.#database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#database.close();
  }

  #commit({ ended, settled, events, sessions, aliveMs }: JournalBatch, wallMs: number): void {
    const db = this.#database;
    const endSession = db.query("DELETE FROM session WHERE user_id = ?");
    const endEvents = db.query("DELETE FROM event WHERE user_id = ?");
    const settle = db.query("DELETE FROM event WHERE user_id = ? AND package_name = ? AND seq <= ?");
    const keep = db.query(
      "INSERT OR REPLACE INTO event (user_id, package_name, seq, body) VALUES (?, ?, ?, ?)",
    );
    const save = db.query("INSERT OR REPLACE INTO session (user_id, saved_ms, body) VALUES (?, ?, ?)");
    const alive = db.query("INSERT OR REPLACE INTO process (id, alive_ms, wall_ms) VALUES (1, ?, ?)");
    db.transaction(() => {
      for (const userId of ended) {
        endSession.run(userId);
        endEvents.run(userId);
      }
      for (const { userId, packageName, upToSeq } of settled) settle.run(userId, packageName, upToSeq);
      for (const { userId, packageName, seq, body } of events) keep.run(userId, packageName, seq, body);
      for (const { userId, savedMs, body } of sessions) save.run(userId, savedMs, body);
      alive.run(aliveMs, wallMs);
    }).immediate();
  }

  #settings(userId: string): UserSettings {
    const rows = this.#database
      .query<SettingRow, [string]>("SELECT scope, key, value FROM setting WHERE user_id = ? ORDER BY key")
      .all(userId);
    const of = (scope: string): Values =>
      Object.fromEntries(
        rows.filter((row) => row.scope === scope).map(({ key, value }) => [key, JSON.parse(value)]),
      );
    const apps = new Set(rows.map(({ scope }) => scope).filter((scope) => scope.startsWith(appScope)));
    return {
      system: of("system"),
      phone: of("phone"),
      apps: Object.fromEntries([...apps].map((scope) => [scope.slice(appScope.length), of(scope)])),
    };
  }

  #installations(userId: string): Record<string, boolean> {
    const rows = this.#database
      .query<{ package_name: string; installed: number }, [string]>(
        "SELECT package_name, installed FROM installation WHERE user_id = ?",
      )
      .all(userId);
    return Object.fromEntries(rows.map(({ package_name, installed }) => [package_name, installed === 1]));
  }
}

/**
 * What users set and what apps keep for them is nobody else's on this machine. SQLite gives the files that it makes beside
 * the database the database's own mode.
 */
function keepPrivate(file: string): void {
  // Never opened if it is there: closing it would take from this process every lock that SQLite has on it.
  if (!existsSync(file)) closeSync(openSync(file, "a", 0o600));
  for (const each of [file, `${file}-wal`, `${file}-shm`]) {
    if (existsSync(each) && (statSync(each).mode & 0o077) !== 0) chmodSync(each, 0o600);
  }
}

/** Before the package name, in the scope of an app's settings. */
const appScope = "app:";

function writeScope(scope: SettingScope): string {
  return typeof scope === "string" ? scope : `${appScope}${scope.packageName}`;
}

/** `pcm`, `opus`, or `lc3:40` with the size of a frame. */
function writeFormat(format: AudioFormat): string {
  return format.codec === "lc3" ? `lc3:${format.frameBytes}` : format.codec;
}

function readFormat(text: string): AudioFormat {
  switch (text) {
    case "pcm":
    case "opus":
      return { codec: text };
    case "lc3:20":
    case "lc3:40":
    case "lc3:60":
      return { codec: "lc3", frameBytes: text === "lc3:20" ? 20 : text === "lc3:40" ? 40 : 60 };
    default:
      return defaultAudioFormat;
  }
}
