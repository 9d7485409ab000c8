import { beforeEach, describe, expect, test } from "bun:test";
import { type RawSocket, SendQueue } from "../../src/gateway/send-queue.ts";
import { limits } from "../../src/kernel/limits.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A socket whose reader takes what `take` lets it. */
class FakeSocket implements RawSocket {
  readonly written: (string | Uint8Array)[] = [];
  blocked = false;
  #buffered = 0;

  send(data: string | Uint8Array): number {
    this.written.push(data);
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.byteLength;
    if (!this.blocked) return bytes;
    this.#buffered += bytes;
    return -1;
  }

  /** The reader takes this much. */
  take(bytes: number): void {
    this.#buffered = Math.max(0, this.#buffered - bytes);
    this.blocked = this.#buffered > 0;
  }

  getBufferedAmount(): number {
    return this.#buffered;
  }

  ping(): number {
    return 1;
  }
  close(): void {}
  terminate(): void {}
}

const bound = limits.socketQueueBytes;
let clock: FakeClock;
let metrics: Metrics;
let socket: FakeSocket;
let queue: SendQueue;
let givenUp: number;

beforeEach(() => {
  clock = new FakeClock();
  metrics = new Metrics();
  socket = new FakeSocket();
  givenUp = 0;
  queue = new SendQueue({ socket, side: "app", clock, limits, metrics, onTooSlow: () => givenUp++ });
});

/** Fills the queue with `bytes` that the reader does not take. */
function block(bytes: number): void {
  socket.blocked = true;
  queue.send("x".repeat(bytes));
}

function drain(): void {
  socket.take(Number.POSITIVE_INFINITY);
  queue.drained();
}

async function dropped(messageClass: string): Promise<number> {
  const { values } = await metrics.messagesDropped.get();
  return values.find(({ labels }) => labels.class === messageClass)?.value ?? 0;
}

describe("what a later message replaces", () => {
  test("goes out at once while the reader keeps up", () => {
    expect(queue.sendLatest("en", "one", "interim", 0)).toBe("sent");
    expect(queue.sendLatest("en", "two", "interim", 0)).toBe("sent");
    expect(socket.written).toEqual(["one", "two"]);
  });

  test("waits while the reader is behind, and only the newest of a key goes out", async () => {
    block(100);
    for (const text of ["one", "two", "three"])
      expect(queue.sendLatest("en", text, "interim", 0)).toBe("sent");
    queue.sendLatest("fr", "un", "interim", 0);
    expect(socket.written).toHaveLength(1);
    drain();
    expect(socket.written.slice(1)).toEqual(["three", "un"]);
    expect(await dropped("interim")).toBe(2);
  });

  test("goes out below its threshold although something is queued", () => {
    block(100);
    queue.sendLatest("en", "one", "interim", 100);
    expect(socket.written).toHaveLength(2);
  });

  test("never comes after what has overtaken it", async () => {
    block(100);
    queue.sendLatest("en", "interim", "interim", 0);
    queue.forget("en");
    queue.send("final");
    drain();
    expect(socket.written.slice(1)).toEqual(["final"]);
    expect(await dropped("interim")).toBe(1);
  });

  test("waits under a bounded number of keys", async () => {
    block(100);
    for (let key = 0; key < 200; key++) queue.sendLatest(String(key), "text", "interim", 0);
    expect(await dropped("interim")).toBe(200 - limits.subscriptionsPerApp);
  });
});

describe("audio", () => {
  test("goes out at once while the reader keeps up", () => {
    queue.sendAudio(Uint8Array.of(1));
    expect(socket.written).toEqual([Uint8Array.of(1)]);
  });

  test("loses its oldest when the reader is behind, and goes on in order", async () => {
    block(bound / 2);
    const frameBytes = 640;
    const frames = 1_000;
    const frame = new Uint8Array(frameBytes);
    const view = new DataView(frame.buffer);
    for (let number = 0; number < frames; number++) {
      view.setUint32(0, number);
      expect(queue.sendAudio(frame)).toBe("sent");
    }
    drain();
    const numbers = socket.written
      .slice(1)
      .map((written) => (typeof written === "string" ? -1 : new DataView(written.buffer).getUint32(0)));
    const kept = Math.floor(bound / 4 / frameBytes);
    expect(numbers).toEqual(Array.from({ length: kept }, (_, i) => frames - kept + i));
    expect(await dropped("audio")).toBe(frames - kept);
  });

  test("never gives the socket up", () => {
    block(bound);
    for (let i = 0; i < 10_000; i++) queue.sendAudio(new Uint8Array(640));
    expect(givenUp).toBe(0);
  });
});

describe("what must arrive", () => {
  test("is queued up to the bound, and then the socket is given up", async () => {
    socket.blocked = true;
    const kilobyte = "x".repeat(1024);
    let sent = 0;
    while (queue.send(kilobyte) === "sent") sent++;
    expect(sent).toBe(bound / 1024);
    expect(givenUp).toBe(1);
    expect(queue.send("more")).toBe("dropped");
    expect(queue.sendLatest("en", "more", "interim", 0)).toBe("dropped");
    expect(queue.sendAudio(Uint8Array.of(1))).toBe("dropped");
    expect(givenUp).toBe(1);
    expect(await dropped("control")).toBe(2);
  });

  test("is measured in bytes, not in characters", () => {
    socket.blocked = true;
    queue.send("x");
    expect(queue.send("ü".repeat(bound / 2))).toBe("dropped");
  });

  test("may be larger than the bound, if alone, and what comes behind it still has its room", () => {
    block(8 * bound);
    expect(queue.send("small")).toBe("sent");
    drain();
    block(10);
    expect(queue.send("x".repeat(bound))).toBe("dropped");
  });

  test("that the socket itself drops gives it up", () => {
    socket.send = () => 0;
    expect(queue.send("text")).toBe("dropped");
    expect(givenUp).toBe(1);
  });
});

describe("a reader that takes nothing", () => {
  test("is given up after 10 s", () => {
    block(100);
    clock.advance(9_999);
    expect(givenUp).toBe(0);
    clock.advance(1);
    expect(givenUp).toBe(1);
  });

  test("has 10 s more whenever it takes something", () => {
    block(1_000);
    for (let i = 0; i < 9; i++) {
      clock.advance(9_000);
      socket.take(100);
      queue.drained();
    }
    expect(givenUp).toBe(0);
    clock.advance(10_000);
    expect(givenUp).toBe(1);
  });

  test("leaves no timer behind once it has caught up or is gone", () => {
    block(100);
    drain();
    expect(clock.pending).toBe(0);
    block(100);
    queue.close();
    queue.close();
    expect(clock.pending).toBe(0);
    expect(givenUp).toBe(0);
  });
});
