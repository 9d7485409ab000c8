import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const main = new URL("../../src/main.ts", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "browline-start-"));

/** The server as a process of its own, as an operator starts it. */
function start(env: Record<string, string>) {
  const child = Bun.spawn([process.execPath, main], {
    env: {
      PATH: process.env["PATH"] ?? "",
      BROWLINE_HOST: "127.0.0.1",
      BROWLINE_PORT: "0",
      BROWLINE_LIVEZ_PORT: "0",
      BROWLINE_RECOGNISER: "off",
      BROWLINE_DATA_DIR: join(folder, "data"),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  return child;
}
const children: Bun.Subprocess[] = [];

/** Reads until the greeting is complete. */
async function greeting(child: ReturnType<typeof start>): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    if (text.includes("Next:")) return text;
  }
  throw new Error(`the server ended: ${text}${await new Response(child.stderr).text()}`);
}

describe("starting the server", () => {
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill("SIGKILL");
      await child.exited;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  test("makes its folder, secret and database on first run, readable by their owner only, and says where it is", async () => {
    const child = start({});
    const text = await greeting(child);
    expect(text).toMatch(/listens on http:\/\/127\.0\.0\.1:\d+ /);
    expect(text).toContain("recogniser");
    expect(text).toMatch(/Opus \((libopus|opusscript)\)/);
    expect(statSync(join(folder, "data")).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "data", "token-secret")).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "data", "browline.db")).size).toBeGreaterThan(0);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("ends cleanly on %s and can be started again", async (signal) => {
    for (let i = 0; i < 2; i++) {
      const child = start({});
      await greeting(child);
      child.kill(signal);
      expect(await child.exited).toBe(0);
    }
  });

  test.each([
    ["a busy port", () => ({ BROWLINE_PORT: String(busy.port) }), /Port \d+ .*BROWLINE_PORT/],
    [
      "a busy liveness port",
      () => ({ BROWLINE_LIVEZ_PORT: String(busy.port) }),
      /Port \d+ .*BROWLINE_LIVEZ_PORT/,
    ],
    ["a folder that cannot be made", () => ({ BROWLINE_DATA_DIR: join(main, "data") }), /data folder/],
    ["a wrong setting", () => ({ BROWLINE_PORT: "http" }), /BROWLINE_PORT is "http"/],
    ["a setting that does not exist", () => ({ BROWLINE_PROT: "1" }), /BROWLINE_PROT is not a setting/],
    [
      "a missing certificate",
      () => ({ BROWLINE_TLS_CERT: "/none.pem", BROWLINE_TLS_KEY: "/none.key" }),
      /none\.pem/,
    ],
    ["a broken database", () => ({ BROWLINE_DATA_DIR: brokenFolder() }), /database/],
  ])("ends with one clear line for %s", async (_name, env, line) => {
    const child = start(env());
    const [code, errors] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    expect(code).toBe(1);
    expect(errors.trim().split("\n").length).toBe(1);
    expect(errors).toMatch(line);
  });

  const busy = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  function brokenFolder(): string {
    const broken = mkdtempSync(join(tmpdir(), "browline-broken-"));
    writeFileSync(join(broken, "browline.db"), "this is no database".repeat(100));
    return broken;
  }
});
