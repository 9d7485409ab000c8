import { Database } from "bun:sqlite";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";

/** How often a lock that another process holds is tried again. */
const retryMs = 20;

/**
 * A data folder belongs to one server at a time: two that resumed the same sessions would both call their apps. Held by a
 * transaction on a file of its own, so that the system gives it back however the process ends.
 */
export class DataLock {
  readonly #database: Database;
  #held = true;

  private constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Takes the lock, and waits for it if told to.
   * @param waitMs how long to wait for the process that holds it; 0: not at all.
   * @throws Error of one line for the operator.
   */
  static async take(folder: string, clock: Clock, waitMs: number): Promise<DataLock> {
    const untilMs = clock.now() + waitMs;
    for (;;) {
      const lock = DataLock.#tryTo(folder);
      if (lock !== undefined) return lock;
      if (clock.now() >= untilMs) {
        throw new Error(
          `The data folder ${folder} is in use by another server; stop that one, or set BROWLINE_DATA_DIR to another folder`,
        );
      }
      await new Promise<void>((resolve) => clock.after(retryMs, resolve));
    }
  }

  static #tryTo(folder: string): DataLock | undefined {
    const file = join(folder, "browline.lock");
    let database: Database | undefined;
    try {
      makePrivate(file);
      database = new Database(file, { readwrite: true });
      database.run("BEGIN EXCLUSIVE");
      return new DataLock(database);
    } catch (error) {
      database?.close();
      if (codeOf(error) === "SQLITE_BUSY") return undefined;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`The lock ${file} of the data folder cannot be used: ${reason}`, { cause: error });
    }
  }

  /** Leaves the folder to whoever waits for it. Safe to call twice. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#database.close();
  }
}

/** Never opens a file that is there: closing it would take a lock away that this process has on it. */
function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
