import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { limits } from "../../src/kernel/limits.ts";
import { hummedSamples, opusPackets } from "../support/opus-packets.ts";
import { HeardLane, startPool } from "../support/running-pool.ts";
import { seededRandom } from "../support/seeded-random.ts";
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

function numbered(first: number, count: number): Uint8Array {
  return new Uint8Array(Int16Array.from({ length: count }, (_, i) => first + i).buffer);
}

describe("the audio workers", () => {
  test("say what they can decode and that speech is off", async () => {
    const { pool } = await start();
    expect(pool.codecs()).toEqual({ opus: "libopus", lc3: true });
    expect(pool.recogniserStatus().available).toBeFalse();
    expect(pool.recogniserStatus().detail).toContain("BROWLINE_RECOGNISER");
  });

  test.if(process.platform === "linux")("stand behind the main loop where cores are scarce", async () => {
    const niceOf = (task: string) => {
      const stat = readFileSync(`/proc/self/task/${task}/stat`, "latin1");
      // The name, in brackets, may hold anything; the nice value is the seventeenth field after it.
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
    };
    const own = niceOf(String(process.pid));
    await start({ workers: 2 });
    const nice = readdirSync("/proc/self/task").map(niceOf);
    expect(nice.filter((value) => value === limits.workerNice).length).toBeGreaterThanOrEqual(2);
    expect(niceOf(String(process.pid))).toBe(own);
    expect(own).toBeLessThan(limits.workerNice);
  });

  test("send PCM back in order, each session its own, in batches of at most 20 ms", async () => {
    const random = seededRandom("PCM of several sessions");
    const { open } = await start({ workers: 2 });
    const lanes = Array.from({ length: 6 }, open);
    for (const { lane } of lanes) lane.setDemand(pcmOnly);
    const next = lanes.map((_, i) => i * 5_000);
    for (let round = 0; round < 100; round++) {
      const which = random.integer(0, lanes.length - 1);
      const count = random.integer(1, 300);
      if (lanes[which]?.lane.write(numbered(next[which] ?? 0, count)))
        next[which] = (next[which] ?? 0) + count;
    }
    for (const [i, { heard }] of lanes.entries()) {
      const expected = (next[i] ?? 0) - i * 5_000;
      await until("all PCM", () => heard.samples.length >= expected);
      expect([...heard.samples]).toEqual(Array.from({ length: expected }, (_, n) => i * 5_000 + n));
      for (const batch of heard.batches) expect(batch.length).toBeLessThanOrEqual(640);
    }
  });

  test("get frames of up to 64 KiB whole, odd sizes too, and send all of it back", async () => {
    const { open, counted, metrics } = await start();
    const { lane, heard } = open();
    lane.setDemand(pcmOnly);
    const random = seededRandom("frames of 64 KiB");
    const sent: Uint8Array[] = [];
    let length = 0;
    for (const size of [65_536, 32_753, 65_535, 32_752, 40_001, 1, 65_536]) {
      const frame = random.bytes(size);
      sent.push(frame);
      length += size;
      expect(lane.write(frame)).toBeTrue();
      const whole = length >> 1;
      await until(`the frame of ${size} bytes`, () => heard.samples.length >= whole);
    }
    const samples = heard.samples;
    const got = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    expect(Buffer.compare(got, Buffer.concat(sent).subarray(0, length & ~1))).toBe(0);
    expect(await counted(metrics.audioLost)).toBe(0);
  });

  test("decode each session in its own format, changed in the middle", async () => {
    const { open } = await start();
    const { lane, heard } = open();
    lane.setFormat({ codec: "opus" });
    lane.setDemand(pcmOnly);
    for (const packet of opusPackets(hummedSamples(3_200, 120))) lane.write(packet);
    lane.setFormat({ codec: "pcm" });
    lane.write(numbered(7, 3));
    await until("all PCM", () => heard.samples.length >= 3_203);
    expect([...heard.samples.slice(3_200)]).toEqual([7, 8, 9]);
  });

  test("hear a voice and its end by the phone's markers", async () => {
    const { open } = await start();
    const { lane, heard } = open();
    lane.setDemand(pcmOnly);
    lane.markVoice(true);
    lane.write(numbered(0, 800));
    lane.markVoice(false);
    await until("the end of the voice", () => heard.voices.length >= 2);
    expect(heard.voices).toEqual([true, false]);
  });

  test("end a voice when no more audio comes", async () => {
    const { open } = await start();
    const { lane, heard } = open();
    lane.setDemand(pcmOnly);
    lane.markVoice(true);
    lane.write(numbered(0, 800));
    await until("the end of the voice", () => heard.voices.length >= 2, 20_000);
  });

  test("give a session another worker when all others have more", async () => {
    const { open, pool } = await start({ workers: 2 });
    const lanes = Array.from({ length: 10 }, open);
    expect(pool.stats().workers.map(({ lanes }) => lanes)).toEqual([5, 5]);
    await Promise.all(lanes.map(({ lane }) => lane.close(0)));
    expect(pool.stats().workers.map(({ lanes }) => lanes)).toEqual([0, 0]);
  });

  test("have no room beyond the number of sessions allowed", async () => {
    const { open, pool } = await start({ limits: { maxSessions: 3 } });
    for (let i = 0; i < 3; i++) open();
    expect(pool.open(new HeardLane())).toBeUndefined();
  });

  test("leave no slot and no recent audio in use after 500 sessions", async () => {
    const random = seededRandom("500 lives");
    const { open, pool } = await start({ workers: 2 });
    const closing: Promise<void>[] = [];
    for (let life = 0; life < 500; life++) {
      const { lane } = open();
      if (random.chance(0.8))
        lane.setDemand(random.chance(0.5) ? pcmOnly : { languages: ["en-US"], pcm: false });
      for (let n = random.integer(0, 5); n > 0; n--) lane.write(random.bytes(random.integer(0, 700)));
      if (random.chance(0.2)) lane.setDemand({ languages: [], pcm: false });
      closing.push(lane.close(random.chance(0.5) ? 0 : 500));
      if (closing.length >= 40) await Promise.all(closing.splice(0));
    }
    await Promise.all(closing);
    await until("all slots to be free", () => pool.stats().workers.every(({ lanes }) => lanes === 0));
    expect(pool.stats().recentAudio.inUse).toBe(0);
    expect(pool.stats().recentAudio.free).toBeLessThanOrEqual(40);
    expect(pool.stats().relays).toBe(0);
  });

  test("never let a session hear the audio of the one before on its slot", async () => {
    const { open, pool, metrics, counted } = await start({ limits: { maxSessions: 1 } });
    const former = open();
    // While the worker is away, more is written than it works off in the one turn that is left to a lane closed at once.
    pool.injectFault(0, { fault: "spin", ms: 200 });
    former.lane.setDemand(pcmOnly);
    for (let i = 0; i < 60; i++) former.lane.write(numbered(1_000, 500));
    await former.lane.close(0);
    await until("the slot to be free", () => pool.stats().workers[0]?.lanes === 0);
    const { lane, heard } = open();
    lane.setDemand(pcmOnly);
    lane.write(numbered(1, 3));
    await until("its own PCM", () => heard.samples.length >= 3);
    expect([...heard.samples]).toEqual([1, 2, 3]);
    await until(
      "late frames to be counted",
      async () => (await counted(metrics.audioLost, { cause: "late" })) > 0,
    );
    expect(former.lane.write(numbered(1, 1))).toBeFalse();
  });

  test("count frames in the metrics by what became of them", async () => {
    const { open, metrics, counted, pool } = await start();
    const { lane } = open();
    lane.write(numbered(0, 1));
    lane.setDemand(pcmOnly);
    for (let i = 0; i < 5; i++) lane.write(numbered(0, 100));
    lane.write(new Uint8Array(100_000));
    await lane.close(20_000);
    await pool.close();
    const fate = (name: string) => counted(metrics.audioFrames, { fate: name });
    expect([
      await fate("unwanted"),
      await fate("accepted"),
      await fate("oversized"),
      await counted(metrics.audioFramesDecoded),
    ]).toEqual([1, 5, 1, 5]);
    // Every frame has one fate, so that their sum is what came.
    expect(await counted(metrics.audioFrames)).toBe(7);
  });

  test("end with the pool, which can be closed twice and opens nothing any more", async () => {
    const { pool, clock } = await start();
    await Promise.all([pool.close(), pool.close()]);
    expect(pool.open(new HeardLane())).toBeUndefined();
    expect(clock.pending).toBe(0);
  });
});
