import { expect, test } from "bun:test";
import { join } from "node:path";

async function chaos(...args: string[]): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../../tools/chaos.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

test("says how the chaos run is used", async () => {
  const { stdout, exitCode } = await chaos("--help");
  expect(exitCode).toBe(0);
  for (const word of ["--seed", "--minutes", "storm", "--sessions"]) expect(stdout).toContain(word);
});

test.each([
  [["--minutes", "0"], "--minutes takes a number from 0.1 to 240, not 0"],
  [["--users", "many"], "--users takes a number from 1 to 1000, not many"],
  [["storm", "--rounds", "21"], "--rounds takes a number from 1 to 20, not 21"],
  [["storm", "--minutes", "1"], "usage: bun run chaos"],
  [["--sneeze"], "usage: bun run chaos"],
])("refuses %j before anything runs", async (args, complaint) => {
  const { stderr, stdout, exitCode } = await chaos(...args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain(complaint);
});
