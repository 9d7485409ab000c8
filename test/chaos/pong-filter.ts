const pongOpcode = 10;
const headEnd = Buffer.from("\r\n\r\n");

/**
 * Takes the pongs out of what a WebSocket client sends, as proxies do that answer pings by themselves. Fed with chunks cut
 * anywhere; what belongs to a frame whose kind is not known yet is kept back until it is.
 */
export class PongFilter {
  /** Pongs taken out. */
  swallowed = 0;
  #pending: Buffer = Buffer.alloc(0);
  /** The request that asks for the upgrade has passed. */
  #upgraded = false;
  /** Bytes of the present frame still to come, and whether they are to be kept. */
  #rest = 0;
  #keeps = true;

  /** What is left of `chunk`. */
  filter(chunk: Buffer): Buffer {
    let input = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    this.#pending = Buffer.alloc(0);
    const kept: Buffer[] = [];
    if (!this.#upgraded) {
      const end = input.indexOf(headEnd);
      if (end < 0) {
        this.#pending = input;
        return Buffer.alloc(0);
      }
      this.#upgraded = true;
      kept.push(input.subarray(0, end + headEnd.length));
      input = input.subarray(end + headEnd.length);
    }
    while (input.length > 0) {
      if (this.#rest === 0 && !this.#begin(input)) {
        this.#pending = input;
        break;
      }
      const piece = input.subarray(0, this.#rest);
      this.#rest -= piece.length;
      input = input.subarray(piece.length);
      if (this.#keeps) kept.push(piece);
    }
    return Buffer.concat(kept);
  }

  /** Reads the header of the frame that `input` begins with. False: there is not enough of it. */
  #begin(input: Buffer): boolean {
    const [first, second] = input;
    if (first === undefined || second === undefined) return false;
    const short = second & 127;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (input.length < 2 + lengthBytes) return false;
    const payload =
      lengthBytes === 2
        ? input.readUInt16BE(2)
        : lengthBytes === 8
          ? Number(input.readBigUInt64BE(2))
          : short;
    this.#rest = 2 + lengthBytes + ((second & 128) !== 0 ? 4 : 0) + payload;
    this.#keeps = (first & 15) !== pongOpcode;
    if (!this.#keeps) this.swallowed++;
    return true;
  }
}
