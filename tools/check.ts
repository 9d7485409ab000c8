import { join } from "node:path";
import { asksForHelp } from "./command.ts";

/** `bun run check`: format, lint, types, import directions and dead code. Runs all, shows what each complains about. */
if (asksForHelp(process.argv.slice(2))) {
  console.log("usage: bun run check\n  Checks format, lint, types, import directions and dead code.");
  process.exit(0);
}
const root = join(import.meta.dir, "..");
const modules = join(root, "node_modules");

const checks = [
  {
    name: "format and lint",
    command: [join(modules, "@biomejs/biome/bin/biome"), "check", "--error-on-warnings"],
  },
  { name: "types", command: [join(modules, "typescript/bin/tsc"), "--project", root] },
  { name: "import directions", command: [join(import.meta.dir, "import-directions.ts")] },
  { name: "dead code", command: [join(modules, "knip/bin/knip-bun.js"), "--no-progress"] },
];

const results = await Promise.all(
  checks.map(async ({ name, command }) => {
    const child = Bun.spawn([process.execPath, ...command], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { name, ok: exitCode === 0, output: `${stdout}${stderr}`.trimEnd() };
  }),
);
for (const { name, ok, output } of results) {
  console.log(`${ok ? "ok    " : "FAILED"} ${name}`);
  if (!ok) console.log(`${output}\n`);
}
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;
