/**
 * The thread in which everything that touches the database happens, so that a slow disk never holds up the main loop. It
 * carries out commands in order, and notices when another process has changed the catalogue.
 */
import { SqliteDatabase } from "../src/store/sqlite-database.ts";
import type { StoreAnswer, StoreCommand, StoreReport } from "../src/store/store-messages.ts";

declare const self: Worker;

/** How often other processes' changes are looked for. */
const watchMs = 1_000;
/** How often this thread collects its garbage, of which each batch leaves what sessions were like. */
const collectMs = 2_000;
/** How long what was deleted may still be read in the log beside the database. */
const tidyMs = 60_000;

let database: SqliteDatabase | undefined;
let watch: ReturnType<typeof setInterval> | undefined;
let tidy: ReturnType<typeof setInterval> | undefined;
let collection: ReturnType<typeof setInterval> | undefined;
let committed = false;
let seenVersion = 0;

self.onmessage = ({ data: command }: MessageEvent<StoreCommand>) => {
  try {
    const value = carryOut(command);
    report({ kind: "done", id: command.id, ...(value === undefined ? {} : { value }) });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    report({ kind: "failed", id: command.id, message });
  }
};

function carryOut(command: StoreCommand): StoreAnswer {
  if (command.kind === "open") {
    open(command.file);
    return undefined;
  }
  if (command.kind === "close") {
    clearInterval(watch);
    clearInterval(tidy);
    clearInterval(collection);
    database?.close();
    database = undefined;
    return undefined;
  }
  if (database === undefined) throw new Error("the store is not open");
  switch (command.kind) {
    case "loadUser":
      return { user: database.user(command.userId) };
    case "saveUser":
      database.saveUser(command.userId);
      return undefined;
    case "saveAudioFormat":
      database.saveAudioFormat(command.userId, command.format);
      return undefined;
    case "saveWantedApp":
      database.saveWantedApp(command.userId, command.packageName, command.wanted);
      return undefined;
    case "saveSetting":
      database.saveSetting(command.userId, command.scope, command.key, command.value);
      return undefined;
    case "saveInstallation":
      database.saveInstallation(command.userId, command.packageName, command.installed);
      return undefined;
    case "readStorage":
      return { entries: database.storage(command.userId, command.packageName) };
    case "writeStorage":
      return database.saveStorage(command.userId, command.packageName, command.entries, command.most);
    case "deleteStorage":
      database.deleteStorage(command.userId, command.packageName, command.key);
      return undefined;
    case "userIds":
      return { userIds: database.userIds() };
    case "knowsUser":
      return database.knowsUser(command.userId);
    case "removeUser": {
      const removed = database.removeUser(command.userId);
      tidyUp(database);
      return removed;
    }
    case "revokeTokens":
      database.revokeTokens(command.userId, command.notBefore);
      reportRevocations(database);
      return undefined;
    case "saveApp":
      database.saveApp(command.app);
      reportCatalogue(database);
      return undefined;
    case "removeApp": {
      const removed = database.removeApp(command.packageName);
      reportCatalogue(database);
      return removed;
    }
    case "commit":
      database.commit(command.batch);
      committed = true;
      return undefined;
    case "loadSessions":
      return { kept: database.keptSessions() };
    case "flush":
      return undefined;
  }
}

function open(file: string): void {
  const opened = new SqliteDatabase(file);
  database = opened;
  opened.truncateLog();
  seenVersion = opened.dataVersion();
  reportCatalogue(opened);
  reportRevocations(opened);
  tidy = setInterval(() => tidyUp(opened), tidyMs);
  collection = setInterval(() => {
    if (committed) Bun.gc(false);
    committed = false;
  }, collectMs);
  watch = setInterval(() => {
    try {
      const version = opened.dataVersion();
      if (version === seenVersion) return;
      reportCatalogue(opened);
      seenVersion = version;
    } catch {
      // A database that is busy for this long is looked at again with the next tick.
    }
  }, watchMs);
}

function tidyUp(of: SqliteDatabase): void {
  try {
    of.truncateLog();
  } catch {
    // Busy: with the next tick.
  }
}

/** Before the answer to the command, so that whoever waited for it finds the change made. */
function reportCatalogue(of: SqliteDatabase): void {
  report({ kind: "catalogue", apps: of.apps() });
}

function reportRevocations(of: SqliteDatabase): void {
  report({ kind: "revocations", notBefore: of.revocations() });
}

function report(message: StoreReport): void {
  self.postMessage(message);
}
