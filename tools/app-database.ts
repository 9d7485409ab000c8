import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SqliteDatabase } from "../src/store/sqlite-database.ts";
import { CommandFailure } from "./command.ts";

/**
 * Opens the database in a data folder, for the length of one call; makes folder and database on first use. A running
 * server sees what is changed.
 * @throws Error with one line when the folder or the file cannot be used.
 */
export function withAppDatabase<Result>(dataDir: string, use: (database: SqliteDatabase) => Result): Result {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`The data folder ${dataDir} cannot be made: ${why}`);
  }
  const database = new SqliteDatabase(join(dataDir, "browline.db"));
  try {
    return use(database);
  } finally {
    database.close();
  }
}
