import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { registerApp, ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";
import { WireApp } from "../support/wire-app.ts";

const packageName = "com.example.app";
const apiKey = "the app's key";
const acquaintance = "acquaintance@example.com";

/** What a person may wait for a button to have its effect, on a machine that is busy with other tests. */
const boundMs = 3_000;

describe("a server whose disk is in trouble", () => {
  let folder: string;
  let dataDir: string;
  let server: ServerProcess;
  let app: WireApp;
  let glasses: SimulatedGlasses;
  let presses = 0;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "browline-disk-"));
    dataDir = join(folder, "data");
    app = new WireApp(packageName, apiKey, ["button_press", "audio_chunk"]);
    registerApp(dataDir, packageName, app.url, apiKey);
    server = await ServerProcess.start(dataDir);
    (await server.glasses(acquaintance)).close();
    glasses = await server.glasses("user@example.com");
    glasses.startApp(packageName);
    await glasses.until(() => glasses.microphoneOn, "the app to run and to hear", 30_000);
    await press();
  });
  afterEach(async () => {
    glasses.close();
    await app.close();
    await server.kill();
    rmSync(folder, { recursive: true });
  });

  /** Presses a button, and waits until the app has that. Resolves with the milliseconds it took. */
  async function press(): Promise<number> {
    const buttonId = `press-${++presses}`;
    const startedMs = performance.now();
    glasses.pressButton("short", buttonId);
    const [session] = app.sessions.events;
    await session?.messages.until(
      (message) =>
        message.type === "data_stream" &&
        typeof message.data === "object" &&
        message.data !== null &&
        "buttonId" in message.data &&
        message.data.buttonId === buttonId,
    );
    return performance.now() - startedMs;
  }

  /** The button's way to the app while the disk is in trouble, and what the server says of it; then the trouble ends. */
  async function through(reason: RegExp, heal: () => void): Promise<void> {
    const first = await press();
    await until("the reason in /health", async () => reason.test(await server.degraded()));
    expect(await server.metric("browline_durability_degraded")).toBe(1);
    const next = await press();
    const startedMs = performance.now();
    const known = await server.glasses(acquaintance);
    const connected = performance.now() - startedMs;
    known.close();
    const ms = [first, next, connected].map((took) => took.toFixed());
    process.stdout.write(`a press took ${ms[0]} ms, then ${ms[1]} ms; a user came in ${ms[2]} ms\n`);
    expect(Math.max(first, next, connected)).toBeLessThan(boundMs);
    heal();
    await until("the disk to be used again", async () => !reason.test(await server.degraded()), 20_000);
    expect(await server.metric("browline_durability_degraded")).toBe(0);
    await press();
    const told = server.log.events
      .map(({ msg }) => msg)
      .filter((msg) => msg.startsWith("what must not be lost"));
    expect(told).toEqual([
      "what must not be lost is delivered without being committed; service goes on",
      "what must not be lost is committed again",
    ]);
  }

  test("because it takes no more serves everybody, says what is at risk, and returns to keeping everything by itself", async () => {
    // The system refuses every write beyond this size to the server, as a disk without room does.
    limitFiles(server.pid, String(statSync(join(dataDir, "browline.db-wal")).size));
    await through(/a crash would lose it: (disk I\/O error|database or disk is full)/, () =>
      limitFiles(server.pid, "unlimited"),
    );
    const database = new Database(join(dataDir, "browline.db"), { readonly: true });
    expect(database.query("PRAGMA quick_check").get()).toEqual({ quick_check: "ok" });
    database.close();
  }, 60_000);

  test("because another process holds it serves everybody, says what is at risk, and returns to keeping everything by itself", async () => {
    const other = new Database(join(dataDir, "browline.db"));
    other.run("BEGIN IMMEDIATE");
    await through(/a crash would lose it: (the disk is too slow|database is locked)/, () =>
      other.run("ROLLBACK"),
    );
    other.close();
  }, 60_000);
});

function limitFiles(pid: number, bytes: string): void {
  const { exitCode, stderr } = Bun.spawnSync(["prlimit", `--pid=${pid}`, `--fsize=${bytes}:unlimited`]);
  if (exitCode !== 0) throw new Error(`prlimit failed: ${stderr}`);
}
