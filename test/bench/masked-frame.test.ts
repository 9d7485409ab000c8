import { describe, expect, test } from "bun:test";
import { lastStamp, MaskedFrame, opcodes, readStamp, stampBytes } from "../../bench/macro/masked-frame.ts";

const mask = Uint8Array.of(0x3a, 0x91, 0xc4, 0x57);

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7) & 255);
}

/** Has a real server unmask a frame. */
async function asReceived(frame: Uint8Array): Promise<Uint8Array> {
  const received = Promise.withResolvers<Uint8Array>();
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("", { status: 426 })),
    websocket: {
      maxPayloadLength: 1024 * 1024,
      message: (_socket, message) =>
        received.resolve(typeof message === "string" ? new Uint8Array() : message),
      close: (_socket, code) => received.reject(new Error(`closed with ${code}`)),
    },
  });
  const head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
  const key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  let rest = frame;
  const send = (socket: Bun.Socket) => {
    rest = rest.subarray(socket.write(rest));
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port ?? 0,
    socket: { open: (opened) => void opened.write(head + key), data: send, drain: send },
  });
  try {
    return await received.promise;
  } finally {
    socket.terminate();
  }
}

describe("a masked frame", () => {
  test.each([1, 125, 126, 640, 65_535, 65_536, 200_000])("of %p bytes arrives as it was", async (length) => {
    const payload = bytes(length);
    const arrived = await asReceived(new MaskedFrame(opcodes.binary, payload, mask).bytes);
    expect(Buffer.compare(arrived, payload)).toBe(0);
  });

  test("carries the time and the number that it was stamped with, and the rest of its payload unchanged", async () => {
    const payload = bytes(640);
    const frame = new MaskedFrame(opcodes.binary, payload, mask);
    frame.stamp(1.5, 1);
    frame.stamp(123_456.789, 70_000);
    const arrived = await asReceived(frame.bytes);
    expect(readStamp(arrived)).toEqual({ atMs: 123_456.789, number: 70_000 });
    expect(Buffer.compare(arrived.subarray(stampBytes), payload.subarray(stampBytes))).toBe(0);
  });

  test("that was not stamped has no time, nor has one that is too short", () => {
    expect(readStamp(bytes(640))).toBeUndefined();
    expect(readStamp(bytes(stampBytes - 1))).toBeUndefined();
    expect(lastStamp(bytes(640))).toBeUndefined();
  });

  test("is found among others in a stretch of audio, wherever it begins", async () => {
    const frame = new MaskedFrame(opcodes.binary, bytes(640), mask);
    const frames: Uint8Array[] = [];
    for (const number of [1, 2]) {
      frame.stamp(number * 10, number);
      frames.push(new Uint8Array(await asReceived(frame.bytes)));
    }
    const stretch = Buffer.concat([bytes(320), ...frames]);
    expect(lastStamp(stretch)).toEqual({ atMs: 20, number: 2 });
    // The end of the second frame's beginning is cut off: the first one counts.
    expect(lastStamp(stretch.subarray(0, 320 + 640 + 8))).toEqual({ atMs: 10, number: 1 });
  });
});
