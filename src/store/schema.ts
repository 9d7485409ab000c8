import type { Database } from "bun:sqlite";

/** Each entry takes the schema from its index to the next; `user_version` says how many have run. Append only. */
const migrations = [
  `CREATE TABLE app (
     package_name TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     public_url TEXT NOT NULL,
     type TEXT NOT NULL CHECK (type IN ('standard', 'background')),
     api_key_hash TEXT NOT NULL,
     permissions TEXT NOT NULL
   ) STRICT;
   CREATE TABLE user (
     user_id TEXT PRIMARY KEY,
     audio_format TEXT NOT NULL
   ) STRICT;
   CREATE TABLE wanted_app (
     position INTEGER PRIMARY KEY AUTOINCREMENT,
     user_id TEXT NOT NULL,
     package_name TEXT NOT NULL,
     UNIQUE (user_id, package_name)
   ) STRICT;`,
  // What an app's record holds beside the columns, what users have set, what they installed, what apps keep for them.
  `ALTER TABLE app ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
   CREATE TABLE setting (
     user_id TEXT NOT NULL,
     scope TEXT NOT NULL,
     key TEXT NOT NULL,
     value TEXT NOT NULL,
     PRIMARY KEY (user_id, scope, key)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE installation (
     user_id TEXT NOT NULL,
     package_name TEXT NOT NULL,
     installed INTEGER NOT NULL CHECK (installed IN (0, 1)),
     PRIMARY KEY (user_id, package_name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE storage (
     user_id TEXT NOT NULL,
     package_name TEXT NOT NULL,
     key TEXT NOT NULL,
     value TEXT NOT NULL,
     PRIMARY KEY (user_id, package_name, key)
   ) STRICT;`,
  // How much an app keeps for all of its users, and from when on tokens of a user are good.
  `CREATE INDEX storage_of_app ON storage (package_name, octet_length(key) + octet_length(value));
   CREATE TABLE revocation (
     user_id TEXT PRIMARY KEY,
     not_before INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  // What a server needs to go on where it, or another process before it, has ended: the sessions, what their apps have not
  // yet confirmed, and until when the process was alive.
  `CREATE TABLE session (
     user_id TEXT PRIMARY KEY,
     saved_ms REAL NOT NULL,
     body TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE event (
     user_id TEXT NOT NULL,
     package_name TEXT NOT NULL,
     seq INTEGER NOT NULL,
     body TEXT NOT NULL,
     PRIMARY KEY (user_id, package_name, seq)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE process (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     alive_ms REAL NOT NULL,
     wall_ms REAL NOT NULL
   ) STRICT;`,
] as const;

/** The version that this server writes. */
export const schemaVersion: number = migrations.length;

/** Tables with rows of users that go with the user. */
export const tablesOfUsers = [
  "user",
  "wanted_app",
  "setting",
  "installation",
  "storage",
  "session",
  "event",
] as const;

/**
 * Brings a database up to date.
 * @param version to which it is brought: an older one is for tests.
 * @throws Error when it was written by a newer version.
 */
export function migrate(database: Database, version = schemaVersion): void {
  // Immediate: of two processes that start at once, the second waits and then finds nothing left to do.
  database
    .transaction(() => {
      const former = versionOf(database);
      if (former > version) throw newerVersion(former);
      for (const migration of migrations.slice(former, version)) database.run(migration);
      database.run(`PRAGMA user_version = ${version}`);
    })
    .immediate();
}

/** The version of a database's schema; 0: it has none yet, or is none of this server's. */
export function versionOf(database: Database): number {
  return database.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
}

/** Why a database of that version is left alone. */
export function newerVersion(version: number): Error {
  return new Error(`it was written by a newer version (schema ${version}, this one knows ${schemaVersion})`);
}
