import { expect, test } from "bun:test";
import { join } from "node:path";
import { demoScript } from "../../tools/demo-script.ts";

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
