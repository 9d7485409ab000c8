import { describe, expect, test } from "bun:test";
import { RingReader, RingWriter, recordBytes, recordHeaderBytes } from "../../src/audio/ring.ts";
import { guardedRing } from "../support/ring-memory.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { until } from "../support/until.ts";

function ends(dataBytes: number, counter = 0) {
  const ring = guardedRing(dataBytes, counter);
  return { ...ring, writer: new RingWriter(ring.memory), reader: new RingReader(ring.memory) };
}

/** Runs writer and reader in random turns and compares what comes out with what went in. */
function exchange(dataBytes: number, counter: number, laps: number): void {
  const random = seededRandom(`ring of ${dataBytes} bytes from ${counter}`);
  const { writer, reader, intact } = ends(dataBytes, counter);
  const inFlight: { kind: number; generation: number; stamp: number; payload: Uint8Array }[] = [];
  const into = new Uint8Array(dataBytes);
  let written = 0;
  let refused = 0;
  while (written < laps * dataBytes) {
    for (let n = random.integer(0, 12); n > 0; n--) {
      const record = {
        kind: random.integer(0, 254),
        generation: random.integer(-(2 ** 31), 2 ** 31 - 1),
        stamp: random.integer(-(2 ** 31), 2 ** 31 - 1),
        payload: random.bytes(random.chance(0.1) ? 0 : random.integer(0, writer.largestPayload)),
      };
      if (writer.write(record.kind, record.generation, record.stamp, record.payload)) {
        inFlight.push(record);
        written += recordBytes(record.payload.length);
      } else refused++;
    }
    for (let n = random.integer(0, 12); n > 0 && reader.next(); n--) {
      const expected = inFlight.shift();
      expect({ kind: reader.kind, generation: reader.generation, stamp: reader.stamp }).toEqual({
        kind: expected?.kind ?? -1,
        generation: expected?.generation ?? -1,
        stamp: expected?.stamp ?? -1,
      });
      const length = reader.take(into);
      expect(Buffer.compare(into.subarray(0, length), expected?.payload ?? new Uint8Array(1))).toBe(0);
    }
  }
  while (reader.next()) {
    inFlight.shift();
    reader.drop();
  }
  expect(inFlight).toBeEmpty();
  expect(refused).toBeGreaterThan(0);
  expect(intact()).toBeTrue();
}

describe("a ring in one thread", () => {
  test("hands over random records in order and writes nothing outside of its memory", () => {
    for (const size of [64, 128, 1024, 8192, 65_536]) exchange(size, 0, 60);
  });

  test("goes on when its 32-bit counters pass 2^31 and 2^32", () => {
    exchange(1024, 2 ** 31 - 1024, 20);
    exchange(1024, 2 ** 32 - 1024, 20);
    exchange(1024, 2 ** 32 - 16, 20);
  });

  test("refuses when full, leaves what is in it alone, and accepts again once there is room", () => {
    const { writer, reader, memory } = ends(256);
    const payload = new Uint8Array(48).fill(7);
    let accepted = 0;
    while (writer.write(1, 1, 0, payload)) accepted++;
    expect(accepted).toBe(256 / recordBytes(48));
    const tail = memory.control[memory.tailWord];
    for (let i = 0; i < 100; i++) expect(writer.write(1, 1, 0, payload)).toBeFalse();
    expect(memory.control[memory.tailWord]).toBe(tail ?? -1);
    expect(reader.next()).toBeTrue();
    expect(reader.sequence).toBe(0);
    reader.drop();
    expect(writer.write(1, 1, 0, payload)).toBeTrue();
  });

  test("accepts a payload of half its size wherever the positions of an empty ring stand", () => {
    for (let counter = 0; counter < 256; counter += 16) {
      const { writer, reader } = ends(256, counter);
      expect(writer.write(1, 1, 0, new Uint8Array(writer.largestPayload))).toBeTrue();
      expect(reader.next()).toBeTrue();
      expect(reader.length).toBe(128 - recordHeaderBytes);
    }
  });

  test("refuses a payload that would only fit at some positions", () => {
    const { writer } = ends(256);
    expect(writer.write(1, 1, 0, new Uint8Array(writer.largestPayload + 1))).toBeFalse();
  });

  test("keeps what a stalled reader has not taken", () => {
    const { writer, reader } = ends(1024);
    for (let i = 0; i < 5_000; i++) writer.write(1, 1, i, new Uint8Array(20).fill(i));
    for (let i = 0; i < Math.floor(1024 / recordBytes(20)); i++) {
      expect(reader.next()).toBeTrue();
      expect(reader.stamp).toBe(i);
      reader.drop();
    }
    expect(reader.next()).toBeFalse();
  });

  test("is seen by a reader made later just as its predecessor left it", () => {
    const { writer, reader, memory } = ends(1024);
    for (let i = 0; i < 10; i++) writer.write(1, 1, i, new Uint8Array(20));
    for (let i = 0; i < 4 && reader.next(); i++) reader.drop();
    const successor = new RingReader(memory);
    expect(successor.next()).toBeTrue();
    expect(successor.stamp).toBe(4);
  });

  test("is only made with a size that is a power of two", () => {
    expect(() => new RingWriter(guardedRing(1000).memory)).toThrow(RangeError);
  });
});

describe("a ring between two threads", () => {
  test("hands over every record whole and in order, through wraps and a full ring", async () => {
    const random = seededRandom("ring between two threads");
    const dataBytes = 4096;
    const records = 60_000;
    const buffer = new SharedArrayBuffer(3 * 256 + dataBytes);
    const ring = guardedRing(dataBytes, 2 ** 32 - 65_536, buffer);
    const writer = new RingWriter(ring.memory);
    const thread = new Worker(new URL("../support/ring-reader-thread.ts", import.meta.url));
    let result: { read: number; bad: number } | undefined;
    thread.onmessage = (event: MessageEvent<{ read: number; bad: number }>) => {
      result = event.data;
    };
    thread.postMessage({ buffer, dataBytes });
    let refused = 0;
    let number = 0;
    while (number < records) {
      const payload = new Uint8Array(random.integer(0, 300));
      for (let at = 0; at < payload.length; at++) payload[at] = (number * 31 + at) & 0xff;
      while (!writer.write(1, 1, number * 7, payload)) {
        refused++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      number++;
    }
    while (!writer.write(2, 1, 0, new Uint8Array(0))) await new Promise((resolve) => setImmediate(resolve));
    const seen = await until("the reading thread's result", () => result, 30_000);
    thread.terminate();
    expect(seen).toEqual({ read: records, bad: 0 });
    expect(refused).toBeGreaterThan(0);
    expect(ring.intact()).toBeTrue();
  });

  test("of 128 KiB stays in its first part while the reader keeps up, and uses all of it when it does not", () => {
    const { memory, writer, reader } = ends(128 * 1024);
    const touched = () => memory.data.findLastIndex((byte) => byte === 7);
    const payload = new Uint8Array(640).fill(7);
    for (let i = 0; i < 1_000; i++) {
      expect(writer.write(1, 1, i, payload)).toBeTrue();
      expect(reader.next()).toBeTrue();
      expect(reader.stamp).toBe(i);
      reader.drop();
    }
    expect(touched()).toBeLessThan(34 * 1024);
    writer.mayRewind = false;
    let held = 0;
    while (writer.write(1, 1, held, payload)) held++;
    expect(held * recordBytes(640)).toBeGreaterThan(126 * 1024);
    for (let i = 0; i < held; i++) {
      expect(reader.next()).toBeTrue();
      expect(reader.stamp).toBe(i);
      reader.drop();
    }
    expect(reader.next()).toBeFalse();
  });
});
