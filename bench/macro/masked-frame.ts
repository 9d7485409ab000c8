export const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Marks a payload that carries the time of its sending. As two samples of PCM it is as loud as can be, both ways. */
const stampMark = 0x8000_7fff;
/** Bytes that a stamp takes at the beginning of a payload: the mark and a time. */
export const stampBytes = 12;

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

  /** Overwrites the beginning of the payload, which must hold `stampBytes`, with a time. */
  stamp(atMs: number): void {
    stampView.setUint32(0, stampMark, true);
    stampView.setFloat64(4, atMs, true);
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

/** The time that was put into a payload, or undefined when it does not begin with one. */
export function readStamp(payload: Uint8Array): number | undefined {
  if (payload.byteLength < stampBytes) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return view.getUint32(0, true) === stampMark ? view.getFloat64(4, true) : undefined;
}
