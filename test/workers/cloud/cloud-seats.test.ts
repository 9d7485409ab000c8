import { afterEach, describe, expect, test } from "bun:test";
import type { SpeechAccount } from "../../../src/kernel/config.ts";
import { cloudSeats } from "../../../workers/stt/cloud/cloud-seats.ts";
import { DeepgramSimulator } from "../../support/deepgram-simulator.ts";
import { RecordedConnection } from "../../support/recorded-connection.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const account: SpeechAccount = {
  key: "a-key",
  tokenUrl: undefined,
  url: undefined,
  model: undefined,
  concurrency: 7,
  opensPerMinute: 100,
};

describe("the cloud providers of the settings", () => {
  test("stand in the order given, and only those with an account", () => {
    const order = ["assemblyai", "pocketsphinx", "deepgram"] as const;
    const both = cloudSeats({ order, deepgram: account, assemblyai: account });
    expect(both.map(({ vendor }) => vendor.id)).toEqual(["assemblyai", "deepgram"]);
    const one = cloudSeats({ order, deepgram: undefined, assemblyai: account });
    expect(one.map(({ vendor }) => vendor.id)).toEqual(["assemblyai"]);
  });

  test("open no more than the account allows in any minute, a crowd at once included", () => {
    const [seat] = cloudSeats({ order: ["assemblyai"], deepgram: undefined, assemblyai: account });
    const { connections = 0, openBurst = 0, opensPerSecond = 0 } = seat ?? {};
    expect(connections).toBe(7);
    expect(openBurst).toBeGreaterThan(10);
    expect(openBurst + 60 * opensPerSecond).toBeLessThanOrEqual(100);
  });

  test("fetch a temporary token for each connection where there is an address for it", async () => {
    let given = 0;
    const mint = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => Response.json({ access_token: `token-${++given}`, expires_in: 30 }),
    });
    cleanUps.push(() => mint.stop(true));
    const service = new DeepgramSimulator({ tokens: ["token-1", "token-2"] });
    cleanUps.push(() => service.close());
    const tokenUrl = `http://127.0.0.1:${mint.port}/`;
    const deepgram = { ...account, key: undefined, tokenUrl, url: service.url };
    const [seat] = cloudSeats({ order: ["deepgram"], deepgram, assemblyai: undefined });
    if (seat === undefined) throw new Error("no seat");
    await new RecordedConnection(seat.vendor).open();
    await new RecordedConnection(seat.vendor).open();
    expect(service.visits.map(({ authorization }) => authorization)).toEqual([
      "Bearer token-1",
      "Bearer token-2",
    ]);
  });
});
