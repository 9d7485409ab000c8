import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

/** What the server says of itself when one of its small threads dies. */
describe("a server one of whose threads has died", () => {
  let stage: Stage;

  afterEach(() => stage.close());

  const degraded = async (): Promise<string> => {
    const response = await fetch(`${stage.server.url}/health`);
    const { degraded } = (await response.json()) as { degraded: string[] };
    return degraded.join("\n");
  };

  test("names the store as long as it is down, routes messages meanwhile, and takes new users afterwards", async () => {
    stage = await Stage.open({ recogniser: "off" });
    const glasses = await stage.glasses();
    expect(await degraded()).not.toContain("store");
    const file = join(stage.environment["BROWLINE_DATA_DIR"] ?? "", "browline.db");
    renameSync(file, `${file}.aside`);
    mkdirSync(file);
    stage.server.store.injectDeath();
    await until("the store in /health", async () => (await degraded()).includes("store's thread has died"));
    await glasses.roundTrip();
    rmdirSync(file);
    renameSync(`${file}.aside`, file);
    await until("the store to be back", async () => !(await degraded()).includes("store"), 30_000);
    expect(await stage.count("browline_worker_restarts_total", { kind: "store" })).toBeGreaterThan(0);
    const newcomer = await stage.glasses({}, "newcomer@example.com");
    expect([newcomer.connected, glasses.connected]).toEqual([true, true]);
  }, 60_000);

  test("has its liveness thread back on the same port, and counts that", async () => {
    stage = await Stage.open({ recogniser: "off" });
    const { livezPort, liveness } = stage.server;
    liveness.injectDeath();
    await until("the death", () => !liveness.listens);
    await until("the thread to be back", () => liveness.listens, 30_000);
    expect(await (await fetch(`http://127.0.0.1:${livezPort}/livez`)).text()).toBe("ok");
    expect(await degraded()).not.toContain("liveness");
    expect(await stage.count("browline_worker_restarts_total", { kind: "liveness" })).toBeGreaterThan(0);
  }, 60_000);
});
