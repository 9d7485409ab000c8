import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, schemaVersion, versionOf } from "../../src/store/schema.ts";
import { SqliteDatabase } from "../../src/store/sqlite-database.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "browline-schema-"));
  file = join(folder, "browline.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What each version of the schema has brought, as that version would have written it. */
const rows = [
  `INSERT INTO app (package_name, name, public_url, type, api_key_hash, permissions)
     VALUES ('com.example.a', 'A', 'http://127.0.0.1:1', 'standard', 'ab', '["MICROPHONE"]');
   INSERT INTO user VALUES ('user@example.com', 'lc3:40');
   INSERT INTO wanted_app (user_id, package_name) VALUES ('user@example.com', 'com.example.a');`,
  `UPDATE app SET details = '{"phrases":["subtitles"]}';
   INSERT INTO setting VALUES ('user@example.com', 'phone', 'colour', '"green"');
   INSERT INTO installation VALUES ('user@example.com', 'com.example.b', 0);
   INSERT INTO storage VALUES ('user@example.com', 'com.example.a', 'key', 'value');`,
  "INSERT INTO revocation VALUES ('user@example.com', 1700000000);",
  `INSERT INTO session VALUES ('user@example.com', 1, '{}');
   INSERT INTO event VALUES ('user@example.com', 'com.example.a', 7, 'body');
   INSERT INTO process VALUES (1, 2, 5);`,
];

/** Everything in a database. */
function contents(database: SqliteDatabase) {
  return {
    apps: database.apps(),
    user: database.user("user@example.com"),
    storage: database.storage("user@example.com", "com.example.a"),
    revocations: [...database.revocations()],
    kept: database.keptSessions(),
  };
}

/** What is to be found where the first `version` of `rows` were written. */
function expected(version: number): ReturnType<typeof contents> {
  const user = {
    userId: "user@example.com",
    audioFormat: { codec: "lc3", frameBytes: 40 } as const,
    wantedApps: ["com.example.a"],
    settings: { system: {}, phone: version >= 2 ? { colour: "green" } : {}, apps: {} },
    installations: version >= 2 ? { "com.example.b": false } : {},
  };
  const event = { userId: user.userId, packageName: "com.example.a", seq: 7, body: "body" };
  return {
    apps: [
      {
        packageName: "com.example.a",
        name: "A",
        publicUrl: "http://127.0.0.1:1",
        type: "standard",
        apiKeyHash: "ab",
        permissions: ["MICROPHONE"],
        ...(version >= 2 && { phrases: ["subtitles"] }),
      },
    ],
    user,
    storage: version >= 2 ? { key: "value" } : {},
    revocations: version >= 3 ? [["user@example.com", 1_700_000_000]] : [],
    kept: {
      aliveMs: version >= 4 ? 2 : undefined,
      aheadMs: version >= 4 ? 3 : 0,
      sessions: version >= 4 ? [{ userId: user.userId, savedMs: 1, body: "{}", user, events: [event] }] : [],
    },
  };
}

test("every version of the schema has rows here that tell whether they survive", () => {
  expect(rows.length).toBe(schemaVersion);
});

test.each(rows.map((_, index) => index + 1))(
  "a database of version %i is brought up to date with everything in it, and once only",
  (version) => {
    const old = new Database(file);
    migrate(old, version);
    for (const sql of rows.slice(0, version)) old.run(sql);
    expect(versionOf(old)).toBe(version);
    old.close();
    for (let opening = 0; opening < 2; opening++) {
      const database = new SqliteDatabase(file);
      expect(contents(database)).toEqual(expected(version));
      database.close();
    }
    const raw = new Database(file);
    expect(versionOf(raw)).toBe(schemaVersion);
    raw.close();
  },
);

test("one that cannot be brought up to date stays as it was", () => {
  const old = new Database(file);
  migrate(old, 2);
  // In the way of the next version.
  old.run("CREATE TABLE revocation (a TEXT)");
  old.close();
  expect(() => new SqliteDatabase(file)).toThrow(/^The database .* cannot be used: .*revocation/);
  const raw = new Database(file);
  expect(versionOf(raw)).toBe(2);
  expect(raw.query("SELECT 1 FROM sqlite_schema WHERE name = 'storage_of_app'").get()).toBeNull();
  raw.close();
});
