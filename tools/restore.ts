import { resolve } from "node:path";
import { SystemClock } from "../src/kernel/clock.ts";
import { loadConfig } from "../src/kernel/config.ts";
import { restoreBackup } from "../src/store/backup.ts";
import { DataLock } from "../src/store/data-lock.ts";
import { CommandFailure, runCommand } from "./command.ts";
import { makeDataFolder } from "./data-folder.ts";

const usage = `usage: bun run restore FILE
Puts a backup into the data folder, whose server must not be running. What was there is set aside, not deleted.`;

/** `bun run restore FILE`: makes the data folder what it was when `bun run backup` wrote FILE. */
await runCommand(usage, async () => {
  const { dataDir, tokenSecret, adminToken } = loadConfig(process.env);
  const [file = "", ...rest] = process.argv.slice(2);
  if (file === "" || file.startsWith("-") || rest.length > 0) throw new CommandFailure(usage);
  makeDataFolder(dataDir);
  const lock = await DataLock.take(dataDir, new SystemClock(() => {}), 0);
  try {
    const stamp = `before-${new Date().toISOString().replace(/\D/g, "").slice(0, 14)}`;
    const { database, secrets } = restoreBackup(dataDir, resolve(file), stamp);
    console.log(`${dataDir} is restored from ${file}`);
    for (const aside of [database, ...secrets]) {
      if (aside !== undefined) console.log(`What was there before is kept in ${aside}`);
    }
    if ((tokenSecret ?? adminToken) !== undefined) {
      console.log("The secrets of the settings count, not those of the backup.");
    }
  } finally {
    lock.release();
  }
});
