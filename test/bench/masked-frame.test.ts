import { describe, expect, test } from "bun:test";
import { MaskedFrame, opcodes, readStamp, stampBytes } from "../../bench/macro/masked-frame.ts";

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

  test("carries the time that it was stamped with, and the rest of its payload unchanged", async () => {
    const payload = bytes(640);
    const frame = new MaskedFrame(opcodes.binary, payload, mask);
    frame.stamp(1.5);
    frame.stamp(123_456.789);
    const arrived = await asReceived(frame.bytes);
    expect(readStamp(arrived)).toBe(123_456.789);
    expect(Buffer.compare(arrived.subarray(stampBytes), payload.subarray(stampBytes))).toBe(0);
  });

  test("that was not stamped has no time, nor has one that is too short", () => {
    expect(readStamp(bytes(640))).toBeUndefined();
    expect(readStamp(bytes(stampBytes - 1))).toBeUndefined();
  });
});
