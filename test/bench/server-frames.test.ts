import { describe, expect, test } from "bun:test";
import { opcodes } from "../../bench/macro/masked-frame.ts";
import { ServerFrames } from "../../bench/macro/server-frames.ts";

/** A frame as a server sends it: without a mask. */
function serverFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const header =
    length < 126
      ? [0x80 | opcode, length]
      : length < 65_536
        ? [0x80 | opcode, 126, length >> 8, length & 255]
        : [0x80 | opcode, 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255];
  return Buffer.concat([Uint8Array.from(header), payload]);
}

function read(chunks: Uint8Array[]): { opcode: number; payload: Buffer }[] {
  const frames = new ServerFrames();
  const found: { opcode: number; payload: Buffer }[] = [];
  for (const chunk of chunks) {
    // The chunk's memory is used again after the call, as a socket's may be.
    const lent = Uint8Array.from(chunk);
    frames.push(lent, (opcode, payload) => found.push({ opcode, payload: Buffer.from(payload) }));
    lent.fill(0xff);
  }
  return found;
}

describe("frames of a server", () => {
  const sent = [
    { opcode: opcodes.ping, payload: Buffer.from("1") },
    { opcode: opcodes.text, payload: Buffer.alloc(300, "a") },
    { opcode: opcodes.binary, payload: Buffer.alloc(0) },
    { opcode: opcodes.pong, payload: Buffer.from("end") },
  ];
  const wire = Buffer.concat(sent.map(({ opcode, payload }) => serverFrame(opcode, payload)));

  test("are found wherever the stream is cut in two", () => {
    for (let cut = 0; cut <= wire.length; cut++) {
      expect(read([wire.subarray(0, cut), wire.subarray(cut)])).toEqual(sent);
    }
  });

  test("are found when every byte comes alone", () => {
    expect(read(Array.from(wire, (byte) => Uint8Array.of(byte)))).toEqual(sent);
  });

  test("may be longer than 64 KiB", () => {
    const payload = Buffer.alloc(70_000, 3);
    const long = serverFrame(opcodes.binary, payload);
    expect(read([long.subarray(0, 1000), long.subarray(1000)])).toEqual([
      { opcode: opcodes.binary, payload },
    ]);
  });
});
