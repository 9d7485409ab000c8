import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./command.ts";

const root = join(import.meta.dir, "..");
const folder = join(root, "test/proof");

/**
 * `bun run proof [NAME]`: the long versions of what the tests show, which take longer than a test run may. Each prints
 * its seed; `TEST_SEED=...` repeats one.
 */
const usage = `usage: bun run proof [NAME]
  Runs the long versions of the tests, or those whose name contains NAME. TEST_SEED=... repeats one.`;

await runCommand(usage, async () => {
  const [name = ""] = process.argv.slice(2);
  const proofs = readdirSync(folder).filter((file) => file.endsWith(".proof.ts") && file.includes(name));
  const child = Bun.spawn(
    [process.execPath, "test", "--timeout=600000", ...proofs.map((file) => `./test/proof/${file}`)],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
  );
  process.exitCode = proofs.length === 0 ? 1 : await child.exited;
});
