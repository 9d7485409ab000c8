import type { Socket } from "node:net";

/** What may wait in one direction while it is held up; then its source is not read from any more. */
const mostHeldBytes = 1024 * 1024;
const paceMs = 50;

/** The bytes of one connection in one direction, and what a bad network does to them. */
export class ByteFlow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #change: (chunk: Buffer) => Buffer;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #mode: "pass" | "swallow" | "hold" = "pass";
  #pacer: ReturnType<typeof setInterval> | undefined;
  /** When something last went through, in the clock of `performance`. */
  passedMs = performance.now();

  /** @param change what the network makes of a chunk, such as one without pongs. */
  constructor(from: Socket, to: Socket, change: (chunk: Buffer) => Buffer = (chunk) => chunk) {
    this.#from = from;
    this.#to = to;
    this.#change = change;
    from.on("data", (chunk: Buffer) => this.#take(chunk));
    to.on("drain", () => {
      if (this.#mode === "pass" && this.#heldBytes === 0) from.resume();
    });
  }

  /** From now on everything is taken and nothing comes out: the peers believe in a connection that is none. */
  swallow(): void {
    this.#mode = "swallow";
    this.#forget();
    this.#from.resume();
  }

  /** Keeps everything back until `release`. */
  hold(): void {
    if (this.#mode === "pass") this.#mode = "hold";
  }

  release(): void {
    if (this.#mode === "hold") this.#mode = "pass";
    this.#flush();
  }

  /** Lets so many bytes a second through; undefined: all of them again. */
  pace(bytesPerSecond: number | undefined): void {
    clearInterval(this.#pacer);
    this.#pacer = undefined;
    if (bytesPerSecond === undefined) this.#flush();
    else {
      const most = Math.max(1, Math.round((bytesPerSecond * paceMs) / 1000));
      this.#pacer = setInterval(() => this.#drip(most), paceMs);
    }
  }

  stop(): void {
    clearInterval(this.#pacer);
    this.#mode = "swallow";
    this.#forget();
  }

  #take(raw: Buffer): void {
    if (this.#mode === "swallow") return;
    const chunk = this.#change(raw);
    if (chunk.length === 0) return;
    if (this.#mode === "pass" && this.#pacer === undefined && this.#held.length === 0) {
      this.#write(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > mostHeldBytes) this.#from.pause();
  }

  #drip(most: number): void {
    let room = this.#mode === "pass" ? most : 0;
    for (let next = this.#held[0]; next !== undefined && room > 0; next = this.#held[0]) {
      const piece = next.subarray(0, room);
      room -= piece.length;
      this.#heldBytes -= piece.length;
      if (piece.length === next.length) this.#held.shift();
      else this.#held[0] = next.subarray(piece.length);
      this.#write(piece);
    }
    if (this.#heldBytes < mostHeldBytes / 2) this.#from.resume();
  }

  #flush(): void {
    if (this.#mode !== "pass" || this.#pacer !== undefined) return;
    const held = this.#held;
    this.#forget();
    this.#from.resume();
    for (const chunk of held) this.#write(chunk);
  }

  #forget(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  #write(chunk: Buffer): void {
    this.passedMs = performance.now();
    if (!this.#to.destroyed && this.#to.writable && !this.#to.write(chunk)) this.#from.pause();
  }
}
