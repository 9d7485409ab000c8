import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { newerVersion, schemaVersion, versionOf } from "./schema.ts";

/** A file up to this size is checked whole; of a larger one, what apps keep in it is left out, which may take seconds. */
const wholeBytes = 64 * 1024 * 1024;

/** How long another process may keep the file to itself. */
const busyMs = 5_000;

/**
 * Reads through a database file and changes nothing, not even what it leaves for the next to open it.
 * @throws Error that says in one line why the file is not to be used: it is damaged, is none of this server's, or was
 * written by a newer version.
 */
export function checkDatabase(file: string): void {
  const database = openToRead(file);
  try {
    const version = versionOf(database);
    if (version > schemaVersion) throw newerVersion(version);
    const tables = tablesOf(database);
    if (version === 0 ? tables.length > 0 : !tables.includes("app")) {
      throw new Error("it is a database of some other program");
    }
    const whole = statSync(file).size <= wholeBytes;
    for (const table of whole ? [undefined] : tables.filter((name) => name !== "storage")) {
      const problem = problemOf(database, table);
      if (problem !== undefined) throw damaged(problem);
    }
  } catch (error) {
    // One that was left in the middle of its making: to be rolled back by whoever may write.
    if (codeOf(error).startsWith("SQLITE_READONLY")) return;
    if (codeOf(error).startsWith("SQLITE_CORRUPT"))
      throw damaged(error instanceof Error ? error.message : "");
    throw error;
  } finally {
    database.close();
  }
}

function openToRead(file: string): Database {
  const database = new Database(file, { readonly: true });
  database.run(`PRAGMA busy_timeout = ${busyMs}`);
  return database;
}

function tablesOf(database: Database): string[] {
  return database
    .query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'")
    .all()
    .map(({ name }) => name);
}

/** What SQLite finds wrong first, in a table or in the whole file. */
function problemOf(database: Database, table: string | undefined): string | undefined {
  const pragma = table === undefined ? "PRAGMA quick_check(1)" : `PRAGMA quick_check("${table}")`;
  const found = database.query<{ quick_check: string }, []>(pragma).get()?.quick_check;
  return found === "ok" ? undefined : found;
}

function damaged(problem: string): Error {
  const [line = ""] = problem.replace(/^\*\*\* .*\*\*\*\n?/, "").split("\n");
  return new Error(`it is damaged (${line}); a backup is put in its place by: bun run restore FILE`);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
