export const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Marks a payload that carries the time of its sending. As two samples of PCM it is as loud as can be, both ways. */
const stampMark = 0x8000_7fff;
/** Bytes that a stamp takes at the beginning of a payload: the mark, a time, and the frame's number in its session. */
export const stampBytes = 16;

export interface Stamp {
  readonly atMs: number;
  readonly number: number;
}

/** One WebSocket frame as a client has to send it: final, masked, with the shortest length field. */
export class MaskedFrame {
  /** What goes over the wire. */
  readonly bytes: Uint8Array;
  readonly #payloadAt: number;
  readonly #mask: Uint8Array;

  /** @param mask four bytes. */
  constructor(opcode: number, payload: Uint8Array, mask: Uint8Array) {
    const { length } = payload;
    const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
    this.#payloadAt = 2 + extended + 4;
    this.#mask = mask;
    this.bytes = new Uint8Array(this.#payloadAt + length);
    const view = new DataView(this.bytes.buffer);
    view.setUint8(0, 0x80 | opcode);
    view.setUint8(1, 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127));
    if (extended === 2) view.setUint16(2, length);
    if (extended === 8) view.setBigUint64(2, BigInt(length));
    this.bytes.set(mask, 2 + extended);
    this.#write(0, payload);
  }

  /** Overwrites the beginning of the payload, which must hold `stampBytes`, with a time and a number. */
  stamp(atMs: number, number: number): void {
    stampView.setUint32(0, stampMark, true);
    stampView.setFloat64(4, atMs, true);
    stampView.setUint32(12, number, true);
    this.#write(0, stamp);
  }

  #write(from: number, plain: Uint8Array): void {
    for (let i = 0; i < plain.length; i++) {
      this.bytes[this.#payloadAt + from + i] = (plain[i] ?? 0) ^ (this.#mask[(from + i) & 3] ?? 0);
    }
  }
}

const stamp = new Uint8Array(stampBytes);
const stampView = new DataView(stamp.buffer);

/** What was put at `at` of a payload, or undefined when there is no stamp. */
export function readStamp(payload: Uint8Array, at = 0): Stamp | undefined {
  if (payload.byteLength < at + stampBytes) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset + at, stampBytes);
  if (view.getUint32(0, true) !== stampMark) return undefined;
  return { atMs: view.getFloat64(4, true), number: view.getUint32(12, true) };
}

/** The last stamp in a payload of PCM, wherever in it a frame began. */
export function lastStamp(payload: Uint8Array): Stamp | undefined {
  for (let at = (payload.byteLength - stampBytes) & ~1; at >= 0; at -= 2) {
    if (payload[at] !== 0xff || payload[at + 1] !== 0x7f) continue;
    const found = readStamp(payload, at);
    if (found !== undefined) return found;
  }
  return undefined;
}
