import { join } from "node:path";
import { SqliteDatabase } from "../src/store/sqlite-database.ts";
import { makeDataFolder } from "./data-folder.ts";

/**
 * Opens the database in a data folder, for the length of one call; makes folder and database on first use. A running
 * server sees what is changed.
 * @throws Error with one line when the folder or the file cannot be used.
 */
export function withAppDatabase<Result>(dataDir: string, use: (database: SqliteDatabase) => Result): Result {
  makeDataFolder(dataDir);
  const database = new SqliteDatabase(join(dataDir, "browline.db"));
  try {
    return use(database);
  } finally {
    database.close();
  }
}
