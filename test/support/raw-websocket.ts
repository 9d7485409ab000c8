import { connect, type Socket } from "node:net";
import { FrameSplitter, type SplitFrame } from "./frame-splitter.ts";
import { until } from "./until.ts";

export const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * A WebSocket client on a bare TCP socket: it does what a real one never would. It answers no ping, can stop to read, and
 * sends any bytes it is told to.
 */
export class RawWebSocket {
  readonly frames: SplitFrame[] = [];
  /** Status line and headers of the answer to the upgrade. */
  readonly head: string;
  readonly #socket: Socket;
  readonly #splitter = new FrameSplitter();
  #ended = false;

  private constructor(socket: Socket, head: string, rest: Buffer) {
    this.#socket = socket;
    this.head = head;
    socket.on("data", (chunk: Buffer) => {
      this.frames.push(...this.#splitter.push(chunk));
    });
    socket.on("close", () => {
      this.#ended = true;
    });
    this.frames.push(...this.#splitter.push(rest));
  }

  /** Dials and waits for the whole head of the answer, whatever it says. */
  static async connect(
    port: number,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<RawWebSocket> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    const lines = [
      `GET ${path} HTTP/1.1`,
      "Host: 127.0.0.1",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    let received = Buffer.alloc(0);
    const collect = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    };
    socket.on("data", collect);
    const end = await until("the answer to the upgrade", () => {
      const at = received.indexOf("\r\n\r\n");
      return at >= 0 && at + 4;
    });
    socket.off("data", collect);
    return new RawWebSocket(socket, received.subarray(0, end).toString(), received.subarray(end));
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Text of all text frames so far. */
  get texts(): string[] {
    return this.frames.filter(({ opcode }) => opcode === opcodes.text).map(({ payload }) => String(payload));
  }

  count(opcode: number): number {
    return this.frames.filter((frame) => frame.opcode === opcode).length;
  }

  /** Code of the close frame received, if one came. */
  get closeCode(): number | undefined {
    const close = this.frames.find(({ opcode }) => opcode === opcodes.close);
    return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined;
  }

  /** Sends one masked frame. */
  send(opcode: number, payload: Uint8Array | string): void {
    const body = Buffer.from(payload);
    const header =
      body.length < 126
        ? Buffer.from([0x80 | opcode, 0x80 | body.length])
        : body.length < 65_536
          ? Buffer.from([0x80 | opcode, 0x80 | 126, body.length >> 8, body.length & 255])
          : Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | 127, 0, 0, 0, 0]), uint32(body.length)]);
    // A mask of zeros leaves the payload as it is.
    this.write(Buffer.concat([header, Buffer.alloc(4), body]));
  }

  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Reads nothing more until `resume`, so that the server's queue fills. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
