import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadConfig } from "../src/kernel/config.ts";
import { writeBackup } from "../src/store/backup.ts";
import { CommandFailure, runCommand } from "./command.ts";

const usage = `usage: bun run backup FILE [--force]
Writes the database and the secrets of the data folder into one file. A server may be running on it.
  --force  replaces FILE if it is there`;

/** `bun run backup FILE`: a copy of what the server keeps, of which `bun run restore` makes a data folder. */
await runCommand(usage, () => {
  const { dataDir } = loadConfig(process.env);
  const { file, force } = readArguments();
  writeBackup(dataDir, resolve(file), force);
  console.log(`${dataDir} is backed up in ${file}. It holds secrets: whoever has it can sign in as anybody.`);
});

function readArguments(): { file: string; force: boolean } {
  try {
    const { values, positionals } = parseArgs({
      args: process.argv.slice(2),
      allowPositionals: true,
      options: { force: { type: "boolean" } },
    });
    const [file = "", ...rest] = positionals;
    if (file !== "" && rest.length === 0) return { file, force: values.force === true };
  } catch (error) {
    throw new CommandFailure(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
  throw new CommandFailure(usage);
}
