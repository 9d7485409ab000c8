import { join } from "node:path";
import { setUp } from "./setup.ts";
import { serverPackages, testPackages } from "./system-packages.ts";

/**
 * Runs one of Browline's commands on a machine that may have nothing installed yet: `bun tools/run.ts COMMAND ...`. Like
 * everything it imports, this file uses nothing but what Bun brings along.
 */
const root = join(import.meta.dir, "..");

const commands = {
  start: { script: "src/main.ts", packages: serverPackages },
  demo: { script: "tools/demo.ts", packages: serverPackages },
  bench: { script: "bench/run.ts", packages: serverPackages },
  test: { script: "tools/test.ts", packages: [...serverPackages, ...testPackages] },
  proof: { script: "tools/proof.ts", packages: [...serverPackages, ...testPackages] },
  chaos: { script: "tools/chaos.ts", packages: serverPackages },
  check: { script: "tools/check.ts", packages: [] },
  token: { script: "tools/token.ts", packages: [] },
  apps: { script: "tools/apps.ts", packages: [] },
  backup: { script: "tools/backup.ts", packages: [] },
  restore: { script: "tools/restore.ts", packages: [] },
  captions: { script: "tools/captions.ts", packages: [] },
  glasses: { script: "tools/glasses.ts", packages: [] },
  "speech-check": { script: "tools/speech-check.ts", packages: [] },
} as const;

const [name = "", ...args] = process.argv.slice(2);
if (!Object.hasOwn(commands, name)) {
  const usage = `usage: bun run ${Object.keys(commands).join("|")} ...`;
  const helps = name === "--help" || name === "-h";
  if (helps) console.log(usage);
  else console.error(usage);
  process.exit(helps ? 0 : 1);
}
const { script, packages } = commands[name as keyof typeof commands];
try {
  await setUp(root, packages);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
// The command takes this process over. A child would not hear of signals that are sent to its parent, and what Bun has
// found out about the package folder is out of date after an installation.
process.execve?.(process.execPath, [process.execPath, join(root, script), ...args], process.env);
