/** Takes apart what a server sends over a WebSocket, in whatever pieces it comes. */
export class ServerFrames {
  #rest: Uint8Array = nothing;

  /** Calls `onFrame` for every frame that is complete now. The payload is valid during the call. */
  push(chunk: Uint8Array, onFrame: (opcode: number, payload: Uint8Array) => void): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const short = (bytes[at + 1] ?? 0) & 127;
      const payloadAt = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
      if (payloadAt > bytes.length) break;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const length =
        short === 126 ? view.getUint16(at + 2) : short === 127 ? Number(view.getBigUint64(at + 2)) : short;
      if (payloadAt + length > bytes.length) break;
      onFrame((bytes[at] ?? 0) & 15, bytes.subarray(payloadAt, payloadAt + length));
      at = payloadAt + length;
    }
    // A copy: the socket may use the chunk's memory again.
    this.#rest = at === bytes.length ? nothing : bytes.slice(at);
  }
}

const nothing = new Uint8Array(0);
