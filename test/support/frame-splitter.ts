/** One WebSocket frame. */
export interface SplitFrame {
  readonly opcode: number;
  /** Without the mask of a client. */
  readonly payload: Buffer;
  /** As it came. */
  readonly bytes: Buffer;
}

/** Cuts one direction of a WebSocket connection, from the end of its HTTP head on, into its frames. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** Takes bytes as they come. @returns every frame that is complete with them. */
  push(chunk: Uint8Array): SplitFrame[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const frames: SplitFrame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): SplitFrame | undefined {
    const rest = this.#rest;
    if (rest.length < 2) return undefined;
    const second = rest.readUInt8(1);
    const isMasked = second >= 128;
    const short = second & 127;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const headerBytes = 2 + lengthBytes + (isMasked ? 4 : 0);
    if (rest.length < headerBytes) return undefined;
    const length =
      short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
    if (rest.length < headerBytes + length) return undefined;
    const bytes = rest.subarray(0, headerBytes + length);
    this.#rest = rest.subarray(headerBytes + length);
    const payload = Buffer.from(bytes.subarray(headerBytes));
    if (isMasked) {
      const mask = bytes.subarray(headerBytes - 4, headerBytes);
      for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
    }
    return { opcode: bytes.readUInt8(0) & 15, payload, bytes };
  }
}
