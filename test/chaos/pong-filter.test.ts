import { expect, test } from "bun:test";
import { seededRandom } from "../support/seeded-random.ts";
import { PongFilter } from "./pong-filter.ts";

const head = Buffer.from("GET /glasses-ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");

/** A masked frame. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const header =
    length < 126 ? [0x80 | length] : length < 65_536 ? [0x80 | 126, length >> 8, length & 255] : undefined;
  const long = Buffer.alloc(9);
  long[0] = 0x80 | 127;
  long.writeBigUInt64BE(BigInt(length), 1);
  return Buffer.concat([
    Buffer.from([0x80 | opcode]),
    header ? Buffer.from(header) : long,
    Buffer.alloc(4, 7),
    payload,
  ]);
}

test("takes pongs out of a stream that is cut anywhere, and nothing else", () => {
  const random = seededRandom("the pong filter");
  for (let round = 0; round < 50; round++) {
    const frames = Array.from({ length: 20 }, () => {
      const isPong = random.chance(0.4);
      const size = isPong ? random.integer(0, 125) : random.pick([0, 3, 125, 126, 4_000, 70_000]);
      return {
        isPong,
        bytes: frame(isPong ? 10 : random.pick([1, 2, 8, 9]), Buffer.from(random.bytes(size))),
      };
    });
    const sent = Buffer.concat([head, ...frames.map(({ bytes }) => bytes)]);
    const filter = new PongFilter();
    const kept: Buffer[] = [];
    for (let at = 0; at < sent.length; ) {
      const end = at + random.integer(1, random.pick([3, 200, 50_000]));
      kept.push(filter.filter(sent.subarray(at, end)));
      at = end;
    }
    const expected = Buffer.concat([
      head,
      ...frames.filter(({ isPong }) => !isPong).map(({ bytes }) => bytes),
    ]);
    expect(Buffer.concat(kept).equals(expected)).toBe(true);
    expect(filter.swallowed).toBe(frames.filter(({ isPong }) => isPong).length);
  }
});
