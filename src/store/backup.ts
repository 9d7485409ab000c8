import { Database } from "bun:sqlite";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { checkDatabase } from "./database-check.ts";

/** How long another process may keep the database to itself. */
const busyMs = 5_000;

/** What a data folder holds beside the database that a copy of the database is of no use without. */
const secretNames = ["token-secret", "admin-token"] as const;

/**
 * Writes a copy of a data folder into one file, readable by its owner only: the database as it is at one moment, and the
 * secrets that are kept beside it. A server may be running on the folder. Left out is what only the next second needs: the
 * sessions of the moment, and with them what people have just said.
 * @param replace whether a file that is there may be replaced. It is, or is not, at once.
 * @throws Error of one line for the operator; then nothing is left behind.
 */
export function writeBackup(folder: string, file: string, replace: boolean): void {
  const source = databaseIn(folder);
  if (!existsSync(source)) throw new Error(`There is no database in the data folder ${folder}`);
  if (existsSync(file) && !replace) throw new Error(`${file} is there already; --force replaces it`);
  const draft = `${file}.${process.pid}.draft`;
  try {
    check(source);
    makePrivate(draft);
    using live = new Database(source, { readonly: true });
    live.run(`PRAGMA busy_timeout = ${busyMs}`);
    live.query("VACUUM INTO ?").run(draft);
    using copy = new Database(draft);
    copy.run("PRAGMA secure_delete = ON");
    copy.transaction(() => {
      for (const table of ["session", "event", "process"]) {
        if (hasTable(copy, table)) copy.run(`DELETE FROM ${table}`);
      }
      copy.run("CREATE TABLE backup_secret (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
      const keep = copy.query("INSERT INTO backup_secret (name, value) VALUES (?, ?)");
      for (const name of secretNames) {
        const secret = join(folder, name);
        if (existsSync(secret)) keep.run(name, readFileSync(secret, "utf8"));
      }
    })();
    copy.close();
    check(draft);
    sync(draft);
    // Whoever makes it is the only one to replace it: what another process has put there meanwhile stays.
    if (!replace) closeSync(openSync(file, "wx", 0o600));
    renameSync(draft, file);
    sync(dirname(file));
  } catch (error) {
    throw new Error(`${source} was not backed up: ${messageOf(error)}`, { cause: error });
  } finally {
    for (const end of ["", "-journal"]) rmSync(`${draft}${end}`, { force: true });
  }
}

/** What a restore has set aside, by path. */
export interface SetAside {
  readonly database: string | undefined;
  readonly secrets: readonly string[];
}

/**
 * Puts a copy into a data folder that no server uses: whoever calls this holds the folder's lock. What was there before is
 * set aside, with what had not yet been moved from its log into it.
 * @param stamp is added to the names of what is set aside.
 * @throws Error of one line for the operator. Before the copy has been found good and is complete, nothing is touched.
 */
export function restoreBackup(folder: string, file: string, stamp: string): SetAside {
  if (!existsSync(file)) throw new Error(`There is no backup ${file}`);
  const target = databaseIn(folder);
  const draft = `${target}.restoring`;
  try {
    check(file);
    makePrivate(draft);
    copyFileSync(file, draft);
    chmodSync(draft, 0o600);
    const secrets = takeSecrets(draft);
    check(draft);
    sync(draft);
    const database = setDatabaseAside(target, stamp);
    const formerSecrets = secrets.flatMap(({ name, value }) => {
      const path = join(folder, name);
      const former = existsSync(path) ? readFileSync(path, "utf8") : undefined;
      if (former === value) return [];
      writeFileSync(`${path}.restoring`, value, { mode: 0o600 });
      sync(`${path}.restoring`);
      if (former !== undefined) linkSync(path, `${path}.${stamp}`);
      renameSync(`${path}.restoring`, path);
      return former === undefined ? [] : [`${path}.${stamp}`];
    });
    renameSync(draft, target);
    sync(folder);
    return { database, secrets: formerSecrets };
  } catch (error) {
    throw new Error(`${file} was not restored: ${messageOf(error)}`, { cause: error });
  } finally {
    for (const end of ["", "-journal", "-wal", "-shm"]) rmSync(`${draft}${end}`, { force: true });
  }
}

/** Takes the secrets out of a copy, which is to be an ordinary database, and makes it ready for a server. */
function takeSecrets(draft: string): { name: string; value: string }[] {
  using copy = new Database(draft);
  if (!hasTable(copy, "backup_secret")) throw new Error("it was not made by bun run backup");
  const secrets = copy
    .query<{ name: string; value: string }, []>("SELECT name, value FROM backup_secret")
    .all()
    .filter(({ name }) => secretNames.some((known) => known === name));
  copy.run("PRAGMA secure_delete = ON");
  copy.run("DROP TABLE backup_secret");
  return secrets;
}

/** Leaves the former database under its own name as well, so that at no time there is none. Its log must not stay. */
function setDatabaseAside(target: string, stamp: string): string | undefined {
  if (!existsSync(target)) return undefined;
  try {
    checkDatabase(target);
    // The last to close it moves everything from the log into the file, and removes the log.
    using former = new Database(target, { create: false, readwrite: true });
    former.run("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch {
    // It is damaged, or another version's: it is set aside as it is.
  }
  const aside = `${target}.${stamp}`;
  linkSync(target, aside);
  for (const end of ["-wal", "-shm"]) {
    if (existsSync(`${target}${end}`)) renameSync(`${target}${end}`, `${aside}${end}`);
  }
  return aside;
}

function databaseIn(folder: string): string {
  return join(folder, "browline.db");
}

function check(file: string): void {
  try {
    checkDatabase(file);
  } catch (error) {
    throw new Error(`in ${file}, ${messageOf(error)}`, { cause: error });
  }
}

function hasTable(database: Database, name: string): boolean {
  return database.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== null;
}

function makePrivate(file: string): void {
  rmSync(file, { force: true });
  closeSync(openSync(file, "wx", 0o600));
}

/** Once this returns, a file or the names in a folder survive a power cut. */
function sync(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
