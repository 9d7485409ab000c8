import { afterAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { demoScript } from "../../tools/demo-script.ts";
import { until } from "../support/until.ts";

const demo = join(import.meta.dir, "..", "..", "tools", "demo.ts");

/** Runs the demo as a user would. */
async function perform(): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([process.execPath, demo], {
    env: { PATH: process.env["PATH"] ?? "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

test("D-62: without any glasses, the demo brings every word back, in PCM, Opus and LC3, and exits with 0", async () => {
  let { code, out, err } = await perform();
  if (code !== 0) {
    // It speaks in real time: a machine that stands still for seconds loses sound, as a phone's would. Once is chance.
    process.stdout.write(`the demo exited with ${code}, and is tried once more\n${out}\n${err}\n`);
    ({ code, out, err } = await perform());
  }
  // Together, so that a failure shows what the demo said: which words were wrong, or which package is missing.
  if (code !== 0) throw new Error(`the demo exited with ${code}\n${out}\n${err}`);
  const sentences = demoScript.flatMap(({ sentences }) => sentences);
  expect(out).toContain(`${sentences.length} of ${sentences.length} sentences word for word`);
  for (const sentence of sentences) expect(out).toContain(`✓ ${sentence}`);
}, 240_000);

const home = mkdtempSync(join(tmpdir(), "browline-demo-test-"));
const temporary = mkdtempSync(join(home, "tmp-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test("one Ctrl-C while all is being started ends the demo with a word, and nothing of it is left", async () => {
  const child = spawn(process.execPath, ["run", "demo"], {
    cwd: join(import.meta.dir, "..", ".."),
    // As a session leader: its process group is what a terminal would signal, and `bun run` signals once more.
    detached: true,
    env: { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: temporary },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const group = -(child.pid ?? Number.NaN);
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const errors = text(child.stderr);
  try {
    await until("the folder of the demo's server", () => readdirSync(temporary).length > 0, 30_000);
    process.kill(group, "SIGINT");
    expect([await ended, await errors]).toEqual([1, "\nThe demo was interrupted.\n"]);
    expect(readdirSync(temporary)).toEqual([]);
  } finally {
    if (child.exitCode === null && child.signalCode === null) process.kill(group, "SIGKILL");
  }
}, 60_000);
