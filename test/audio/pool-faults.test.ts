import { afterEach, describe, expect, test } from "bun:test";
import { startPool } from "../support/running-pool.ts";
import { until } from "../support/until.ts";

type Running = Awaited<ReturnType<typeof startPool>>;

const pools: Running[] = [];

async function start(options: Parameters<typeof startPool>[0] = {}): Promise<Running> {
  const running = await startPool(options);
  pools.push(running);
  return running;
}

afterEach(async () => {
  for (const { pool } of pools.splice(0)) await pool.close();
});

const pcmOnly = { languages: [], pcm: true };
const poison = Uint8Array.of(0xde, 0xad, 0xbe, 0xef);

function numbered(first: number, count = 100): Uint8Array {
  return new Uint8Array(Int16Array.from({ length: count }, (_, i) => first + i).buffer);
}

function counting(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

describe("an audio worker that fails", () => {
  for (const fault of ["throw", "exit"] as const) {
    test(`is replaced after a ${fault}, and frames written while there was none are delivered`, async () => {
      const { open, pool, metrics, counted } = await start();
      const { lane, heard } = open();
      lane.setDemand(pcmOnly);
      lane.write(numbered(0));
      await until("the first PCM", () => heard.samples.length >= 100);
      pool.injectFault(0, { fault });
      await until("the death", async () => (await counted(metrics.workerRestarts, { kind: "audio" })) === 1);
      for (let i = 1; i <= 5; i++) expect(lane.write(numbered(100 * i))).toBeTrue();
      await until("the PCM of the frames written meanwhile", () => heard.samples.length >= 600);
      expect([...heard.samples]).toEqual(counting(600));
      const cause = fault === "throw" ? "error" : "exit";
      expect(await counted(metrics.workerRestarts, { kind: "audio", cause })).toBe(1);
    });
  }

  test("is replaced when it spins, and its sessions go on where they stood", async () => {
    const { open, pool, metrics, counted } = await start({ limits: { workerSilenceMs: 600 } });
    const { lane, heard } = open();
    lane.setDemand(pcmOnly);
    lane.write(numbered(0));
    await until("the first PCM", () => heard.samples.length >= 100);
    pool.injectFault(0, { fault: "spin", ms: 60_000 });
    // A worker that is well shows it every 250 ms; until it spins, it may still take what is written.
    await until("the worker to spin", () => (pool.stats().workers[0]?.heartbeatAgeMs ?? 0) > 400, 20_000);
    for (let i = 1; i <= 5; i++) lane.write(numbered(100 * i));
    await until("the PCM of the frames written meanwhile", () => heard.samples.length >= 600, 20_000);
    expect([...heard.samples]).toEqual(counting(600));
    expect(await counted(metrics.workerRestarts, { kind: "audio", cause: "silent" })).toBe(1);
  });

  test("loses nothing of a format change that had not been reached", async () => {
    const { open, pool, metrics, counted } = await start();
    const { lane, heard } = open();
    lane.setFormat({ codec: "lc3", frameBytes: 20 });
    lane.setDemand(pcmOnly);
    lane.write(new Uint8Array(20));
    await until("the first PCM", () => heard.samples.length >= 160);
    pool.injectFault(0, { fault: "exit" });
    await until("the death", async () => (await counted(metrics.workerRestarts)) === 1);
    lane.write(new Uint8Array(40));
    lane.setFormat({ codec: "pcm" });
    lane.write(numbered(1, 4));
    await until("all PCM", () => heard.samples.length >= 160 + 320 + 4);
    expect([...heard.samples.slice(480)]).toEqual([1, 2, 3, 4]);
  });

  test("does not keep a lane from being closed", async () => {
    const { open, pool } = await start();
    const { lane } = open();
    lane.setDemand(pcmOnly);
    pool.injectFault(0, { fault: "exit" });
    await lane.close(300);
    await until("the slot to be free", () => pool.stats().workers[0]?.lanes === 0, 20_000);
    expect(pool.stats().recentAudio.inUse).toBe(0);
  });

  test("cuts off the lane that kills it again and again, while its neighbours go on", async () => {
    const { open, pool, metrics, counted } = await start();
    const [hostile, neighbour] = [open(), open()];
    hostile.lane.setDemand(pcmOnly);
    neighbour.lane.setDemand(pcmOnly);
    pool.injectFault(0, { fault: "poison", frame: poison });
    neighbour.lane.write(numbered(0));
    for (let i = 0; i < 3; i++) hostile.lane.write(poison);
    await until("the quarantine", () => hostile.heard.states.at(-1)?.state === "off", 20_000);
    neighbour.lane.write(numbered(100));
    await until("the neighbour's PCM", () => neighbour.heard.samples.length >= 200, 20_000);
    expect([...neighbour.heard.samples]).toEqual(counting(200));
    expect(await counted(metrics.lanesQuarantined)).toBe(1);
    expect(await counted(metrics.workerRestarts, { kind: "audio" })).toBe(3);
    expect(hostile.lane.write(numbered(0))).toBeFalse();
    const fresh = open();
    fresh.lane.setDemand(pcmOnly);
    fresh.lane.write(numbered(0));
    await until("a new session's PCM", () => fresh.heard.samples.length >= 100, 20_000);
    await hostile.lane.close(0);
    expect(pool.stats().workers[0]?.lanes).toBe(2);
  });

  test("does not crash a second time over the frame that it died of", async () => {
    const { open, pool, metrics, counted } = await start();
    const { lane, heard } = open();
    lane.setDemand(pcmOnly);
    pool.injectFault(0, { fault: "poison", frame: poison });
    lane.write(poison);
    lane.write(numbered(0));
    await until("the PCM behind the poison", () => heard.samples.length >= 100, 20_000);
    expect(await counted(metrics.workerRestarts)).toBe(1);
  });

  test("leaves the sessions of other workers alone", async () => {
    const { open, pool } = await start({ workers: 2, limits: { workerSilenceMs: 60_000 } });
    const [one, other] = [open(), open()];
    one.lane.setDemand(pcmOnly);
    other.lane.setDemand(pcmOnly);
    pool.injectFault(0, { fault: "spin", ms: 3_000 });
    other.lane.write(numbered(0));
    one.lane.write(numbered(0));
    await until(
      "PCM from the worker that is well",
      () => one.heard.samples.length + other.heard.samples.length > 0,
    );
    expect(Math.max(one.heard.samples.length, other.heard.samples.length)).toBe(100);
    expect(Math.min(one.heard.samples.length, other.heard.samples.length)).toBe(0);
  });

  test("refuses and counts frames when its rings are full, and skips to live afterwards", async () => {
    const { open, pool, metrics, counted } = await start({
      limits: { workerSilenceMs: 60_000, audioLagMs: 1_000 },
    });
    const { lane, heard } = open();
    // In this order: no frame is touched before the demand has been carried out, and that is after the spinning.
    pool.injectFault(0, { fault: "spin", ms: 2_500 });
    lane.setDemand(pcmOnly);
    let refused = 0;
    for (let i = 0; i < 800; i++) if (!lane.write(numbered(10_000))) refused++;
    expect(refused).toBeGreaterThan(0);
    const skipped = () => counted(metrics.audioLost, { cause: "skipped" });
    await until("all that waited to be skipped", async () => (await skipped()) === 800 - refused, 20_000);
    lane.write(numbered(0));
    await until("live PCM", () => heard.samples.length >= 100);
    expect([...heard.samples]).toEqual(counting(100));
    expect(await counted(metrics.audioFrames, { fate: "refused" })).toBe(refused);
  });
});
