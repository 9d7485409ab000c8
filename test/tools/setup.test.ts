import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { npmPackagesMatch } from "../../tools/setup.ts";

const setup = new URL("../../tools/setup.ts", import.meta.url).pathname;
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "browline-setup-test-"));
  const dependency = join(root, "dependency");
  Bun.spawnSync(["mkdir", dependency]);
  writeFileSync(join(dependency, "package.json"), JSON.stringify({ name: "some-package", version: "1.0.0" }));
  writeFileSync(
    join(root, "package.json"),
    JSON.stringify({ name: "clone", dependencies: { "some-package": "file:./dependency" } }),
  );
  Bun.spawnSync([process.execPath, "install"], { cwd: root, stdio: ["ignore", "ignore", "ignore"] });
  rmSync(join(root, "node_modules"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

/** Runs the set-up of the small clone in a process of its own. Returns what it says. */
async function setUp(): Promise<{ said: string; exitCode: number }> {
  const code = `import { setUp } from ${JSON.stringify(setup)}; await setUp(${JSON.stringify(root)}, []);`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { said: stdout + stderr, exitCode: await child.exited };
}

describe("the set-up of a clone", () => {
  test("installs what the lockfile says, and has nothing to do or say the second time", async () => {
    expect(npmPackagesMatch(root)).toBe(false);
    expect((await setUp()).said).toContain("Installing npm packages");
    expect(existsSync(join(root, "node_modules", "some-package", "package.json"))).toBe(true);
    expect(npmPackagesMatch(root)).toBe(true);
    expect(await setUp()).toEqual({ said: "", exitCode: 0 });
  });

  test("notices another lockfile", async () => {
    await setUp();
    const lockfile = join(root, "bun.lock");
    writeFileSync(lockfile, `${readFileSync(lockfile, "utf8")}\n`);
    expect(npmPackagesMatch(root)).toBe(false);
    expect((await setUp()).exitCode).toBe(0);
    expect(npmPackagesMatch(root)).toBe(true);
  });

  test("installs once when it runs twice at one moment", async () => {
    const runs = await Promise.all([setUp(), setUp(), setUp()]);
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(runs.filter(({ said }) => said.includes("Installing"))).toHaveLength(1);
  });

  test("fails with the installer's words when the lockfile does not fit", async () => {
    writeFileSync(
      join(root, "package.json"),
      JSON.stringify({
        name: "clone",
        dependencies: { "some-package": "file:./dependency", other: "file:./other" },
      }),
    );
    const { said, exitCode } = await setUp();
    expect(exitCode).not.toBe(0);
    expect(said).toContain("The npm packages could not be installed");
    expect(npmPackagesMatch(root)).toBe(false);
  });
});
