import { afterEach, describe, expect, test } from "bun:test";
import type { CloudVendor } from "../../../workers/stt/cloud/vendor.ts";
import { countedAudio, countersIn } from "../../support/counted-audio.ts";
import { RecordedConnection } from "../../support/recorded-connection.ts";

/** What is wrong with every connection of a simulated service. */
export type VendorTrouble =
  | "none"
  /** The account is refused. */
  | "refused"
  /** A connection never gets to listen. */
  | "neverOpens"
  /** The connection is cut after some 300 ms of audio. */
  | "cut"
  /** It closes without having been asked after some 300 ms of audio, in good order (1000). */
  | "leaves"
  /** It says something that is not JSON after the first audio. */
  | "garbage"
  /** It does not answer the request to end. */
  | "silentClose";

/** A vendor in front of its simulated service. */
export interface VendorStage {
  readonly vendor: CloudVendor;
  close(): Promise<void>;
}

const sampleRate = 16_000;
const blockSamples = 1_600;

function silence(ms: number): Int16Array {
  return new Int16Array(ms * 16);
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

/**
 * What the supervisor may take for granted of any vendor. `stage` sets up the vendor and a simulated service that has the
 * trouble in question and reads counted audio.
 */
export function vendorContract(name: string, stage: (trouble: VendorTrouble) => VendorStage): void {
  const stages: VendorStage[] = [];

  async function connected(trouble: VendorTrouble = "none"): Promise<RecordedConnection> {
    return await begun(trouble).open();
  }

  function begun(trouble: VendorTrouble = "none"): RecordedConnection {
    const set = stage(trouble);
    stages.push(set);
    return new RecordedConnection(set.vendor);
  }

  /** Resolves when the loop has turned often enough for anything that was on its way. */
  async function settleDown(): Promise<void> {
    for (let turn = 0; turn < 25; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  describe(`a connection to ${name}`, () => {
    afterEach(async () => {
      for (const set of stages.splice(0)) await set.close();
    });

    test("opens, and says so once and before anything else", async () => {
      const one = await connected();
      one.write(countedAudio(1, 5), 0);
      one.write(silence(1_500), 5 * blockSamples);
      await one.untilFinals(1);
      expect(one.log.events[0]).toEqual({ kind: "open" });
      expect(one.log.events.filter(({ kind }) => kind === "open")).toHaveLength(1);
      one.connection.close(1_000);
      expect(await one.end()).toBeUndefined();
    });

    test("tells words in order, as interims that grow and then one final", async () => {
      const one = await connected();
      one.write(countedAudio(11, 12), 0);
      one.write(silence(1_500), 12 * blockSamples);
      const [final] = await one.untilFinals(1);
      expect(one.counters).toEqual(range(11, 12));
      expect(one.interims.length).toBeGreaterThan(1);
      let known = 0;
      for (const interim of one.interims.slice(0, -1)) {
        const counters = countersIn(interim.text);
        expect(counters).toEqual(range(11, counters.length));
        expect(counters.length).toBeGreaterThanOrEqual(known);
        known = counters.length;
      }
      expect(final?.startSample).toBeLessThanOrEqual(blockSamples);
      expect(Math.abs((final?.endSample ?? 0) - 12 * blockSamples)).toBeLessThanOrEqual(blockSamples);
      expect(final?.confidence).toBeGreaterThan(0);
      expect(final?.confidence).toBeLessThanOrEqual(1);
      expect(final?.words?.[3]).toMatchObject({ startMs: 300, endMs: 400 });
      await one.untilSettled(12 * blockSamples);
    });

    test("tells two utterances apart", async () => {
      const one = await connected();
      one.write(countedAudio(1, 4), 0);
      one.write(silence(1_500), 4 * blockSamples);
      await one.untilFinals(1);
      one.write(countedAudio(5, 4), 19 * blockSamples);
      one.write(silence(1_500), 23 * blockSamples);
      const finals = await one.untilFinals(2);
      expect(finals.map(({ text }) => countersIn(text))).toEqual([range(1, 4), range(5, 4)]);
      expect(finals[1]?.startSample).toBe(19 * blockSamples);
    });

    test("counts in the session's samples, wherever the connection begins", async () => {
      const one = await connected();
      const origin = 3_600 * sampleRate;
      one.write(countedAudio(1, 4), origin);
      one.write(silence(1_500), origin + 4 * blockSamples);
      const [final] = await one.untilFinals(1);
      expect(final?.startSample).toBe(origin);
      expect(final?.words?.[0]).toMatchObject({ startMs: 3_600_000, endMs: 3_600_100 });
      await one.untilSettled(origin + 4 * blockSamples);
      expect(one.settled).toBeLessThanOrEqual(origin + 4 * blockSamples + 1_500 * 16);
    });

    test("maps times over audio that was never sent", async () => {
      const one = await connected();
      one.write(countedAudio(1, 4), 0);
      one.write(silence(1_500), 4 * blockSamples);
      await one.untilFinals(1);
      const later = 60 * sampleRate;
      one.write(countedAudio(5, 4), later);
      one.write(silence(1_500), later + 4 * blockSamples);
      const finals = await one.untilFinals(2);
      expect(finals[1]?.startSample).toBe(later);
      expect(finals[1]?.endSample).toBe(later + 4 * blockSamples);
      expect(finals[1]?.words?.map(({ startMs }) => startMs)).toEqual([60_000, 60_100, 60_200, 60_300]);
      await one.untilSettled(later + 4 * blockSamples);
    });

    test("gives the pending words when it is told to finalise", async () => {
      const one = await connected();
      one.write(countedAudio(1, 6), 0);
      one.connection.finalize();
      await one.untilFinals(1);
      expect(one.counters).toEqual(range(1, 6));
      await one.untilSettled(6 * blockSamples);
      expect(one.settled).toBeLessThanOrEqual(6 * blockSamples);
    });

    test("survives to be told to finalise when nothing is pending, and hears what follows", async () => {
      const one = await connected();
      one.connection.finalize();
      one.connection.keepAlive();
      one.write(countedAudio(1, 6), 0);
      one.connection.finalize();
      await one.untilFinals(1);
      expect(one.counters).toEqual(range(1, 6));
    });

    test("gives the pending words when it is closed, then ends without a failure", async () => {
      const one = await connected();
      one.write(countedAudio(1, 6), 0);
      one.connection.close(10_000);
      expect(await one.end()).toBeUndefined();
      expect(one.counters).toEqual(range(1, 6));
      expect(one.log.events.at(-1)).toEqual({ kind: "end", failure: undefined });
    });

    test("ends within the grace where the service does not answer", async () => {
      const one = await connected("silentClose");
      one.write(countedAudio(1, 6), 0);
      one.connection.close(50);
      expect(await one.end()).toBeUndefined();
    });

    test("says nothing after its end, and takes any call", async () => {
      const one = await connected();
      one.connection.close(1_000);
      await one.end();
      const events = one.log.events.length;
      one.write(countedAudio(1, 6), 0);
      one.connection.keepAlive();
      one.connection.finalize();
      one.connection.close(10);
      one.abort();
      await settleDown();
      expect(one.log.events).toHaveLength(events);
      expect(one.connection.bufferedBytes).toBe(0);
    });

    test("takes any call before it is open, and an empty write at any time", async () => {
      const one = begun();
      one.connection.keepAlive();
      one.connection.finalize();
      one.connection.write(new Int16Array(0), 0);
      await one.open();
      one.connection.write(new Int16Array(0), 0);
      one.write(countedAudio(1, 3), 0);
      one.connection.finalize();
      await one.untilFinals(1);
      expect(one.counters).toEqual(range(1, 3));
    });

    test("ends without a failure when it is closed before it is open", async () => {
      const one = begun("neverOpens");
      one.connection.close(50);
      expect(await one.end()).toBeUndefined();
      await settleDown();
      expect(one.log.events).toHaveLength(1);
    });

    test("ends without a failure when opening it is given up", async () => {
      const one = begun("neverOpens");
      await settleDown();
      one.abort();
      expect(await one.end()).toBeUndefined();
      await settleDown();
      expect(one.log.events).toHaveLength(1);
    });

    test("fails once, as an account does, when it is refused", async () => {
      const one = begun("refused");
      expect((await one.end())?.kind).toBe("auth");
      await settleDown();
      expect(one.log.events).toHaveLength(1);
    });

    test("fails once, as may happen to anybody, when it is cut", async () => {
      const one = await connected("cut");
      one.write(countedAudio(1, 10), 0);
      expect((await one.end())?.kind).toBe("transient");
      const events = one.log.events.length;
      await settleDown();
      expect(one.log.events).toHaveLength(events);
      expect(one.ends).toHaveLength(1);
    });

    test("fails once when the service leaves of its own accord", async () => {
      const one = await connected("leaves");
      one.write(countedAudio(1, 10), 0);
      expect((await one.end())?.kind).toBe("transient");
      await settleDown();
      expect(one.ends).toHaveLength(1);
    });

    test("survives what is not JSON", async () => {
      const one = await connected("garbage");
      one.write(countedAudio(1, 6), 0);
      one.connection.finalize();
      await one.untilFinals(1);
      expect(one.counters).toEqual(range(1, 6));
    });

    test("keeps several connections apart", async () => {
      const set = stage("none");
      stages.push(set);
      const several = [0, 1, 2].map(() => new RecordedConnection(set.vendor));
      await Promise.all(several.map((one) => one.open()));
      for (const [index, one] of several.entries()) {
        one.write(countedAudio(100 * (index + 1), 4), 0);
        one.connection.finalize();
      }
      await Promise.all(several.map((one) => one.untilFinals(1)));
      expect(several.map((one) => one.counters)).toEqual([range(100, 4), range(200, 4), range(300, 4)]);
    });
  });
}
