import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServerProcess } from "../support/server-process.ts";
import { Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const apps = join(import.meta.dir, "..", "..", "tools", "apps.ts");
const inUse =
  /^The data folder [^\n]+ is in use by another server; stop that one, or set BROWLINE_DATA_DIR[^\n]+\n$/;

describe("a data folder", () => {
  let folder: string;
  const servers: ServerProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "browline-folder-"));
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.kill();
    rmSync(folder, { recursive: true });
  });

  function begin(dataDir: string): ServerProcess {
    const server = ServerProcess.begin(dataDir);
    servers.push(server);
    return server;
  }

  test("belongs to one server: the second ends with one line, and the first goes on, also beside a command", async () => {
    const first = begin(folder);
    await first.listens();
    const glasses = await first.glasses("user@example.com");
    const [{ code, errors }, command] = await Promise.all([
      begin(folder).ended,
      Bun.spawn([process.execPath, apps, "list"], {
        env: { PATH: process.env["PATH"] ?? "", BROWLINE_DATA_DIR: folder },
        stdio: ["ignore", "ignore", "pipe"],
      }).exited,
    ]);
    expect(code).toBe(1);
    expect(errors).toMatch(inUse);
    expect(command).toBe(0);
    await glasses.roundTrip();
    glasses.close();
  }, 60_000);

  test("is free at once when its server is killed", async () => {
    const first = begin(folder);
    await first.listens();
    await first.kill();
    const second = begin(folder);
    await second.listens();
    process.stdout.write(`listening again ${second.bootMs.toFixed()} ms after exec\n`);
  }, 60_000);

  test("stays its server's when the store's thread dies and opens the database again", async () => {
    const stage = await Stage.open({ recogniser: "off" });
    try {
      stage.server.store.injectDeath();
      await until("the death", () => !stage.server.store.available);
      await until("the database to be open again", () => stage.server.store.available, 30_000);
      const { code, errors } = await begin(stage.environment["BROWLINE_DATA_DIR"] ?? "").ended;
      expect(code).toBe(1);
      expect(errors).toMatch(inUse);
    } finally {
      await stage.close();
    }
  }, 60_000);
});
