import type { Socket } from "bun";
import { MaskedFrame, opcodes } from "./masked-frame.ts";
import { ServerFrames } from "./server-frames.ts";

/** What may wait for a server that does not read; beyond it frames are lost, and counted. */
const mostWaitingBytes = 64 * 1024;
const noMask = new Uint8Array(4);

/** One pair of glasses, on a bare TCP socket: what it costs to be a client must not be what limits the bench. */
export class GlassesConnection {
  /** Frames that the server did not take. */
  lost = 0;
  #socket: Socket | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  readonly #frames = new ServerFrames();
  #closed = false;

  /**
   * Dials and shakes hands.
   * @rejects Error with the server's answer when it is not an upgrade.
   */
  static async open(port: number, token: string, onClosed: () => void): Promise<GlassesConnection> {
    const glasses = new GlassesConnection();
    const upgraded = Promise.withResolvers<void>();
    let head = "";
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => {
          glasses.#socket = socket;
          socket.setNoDelay(true);
          socket.write(handshake(port, token));
        },
        data: (_socket, chunk) => {
          if (head.endsWith("\r\n\r\n")) {
            glasses.#receive(chunk);
            return;
          }
          const text = head + chunk.toString("latin1");
          const end = text.indexOf("\r\n\r\n");
          if (end < 0) {
            head = text;
            return;
          }
          const rest = chunk.subarray(end + 4 - head.length);
          head = text.slice(0, end + 4);
          if (head.startsWith("HTTP/1.1 101 ")) upgraded.resolve();
          else upgraded.reject(new Error(`the server refused a connection: ${head.split("\r\n")[0]}`));
          glasses.#receive(rest);
        },
        drain: () => glasses.#flush(),
        close: () => {
          upgraded.reject(new Error("the server closed a connection before its upgrade"));
          if (!glasses.#closed) onClosed();
          glasses.#closed = true;
        },
        error: (_socket, error) => upgraded.reject(error),
      },
    });
    await upgraded.promise;
    return glasses;
  }

  sendText(message: object): void {
    const payload = new TextEncoder().encode(JSON.stringify(message));
    this.send(new MaskedFrame(opcodes.text, payload, noMask).bytes);
  }

  /** Sends bytes that are a whole frame. They may be used again when this returns. */
  send(frame: Uint8Array): void {
    if (this.#waiting.length > 0) {
      this.#wait(frame);
      return;
    }
    const written = this.#socket?.write(frame) ?? 0;
    if (written < frame.length) this.#wait(frame.subarray(Math.max(0, written)));
  }

  close(): void {
    this.#closed = true;
    this.#socket?.terminate();
  }

  #wait(bytes: Uint8Array): void {
    // The rest of a frame that has begun is never left out, since the next one would be taken for it.
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > mostWaitingBytes) {
      this.lost++;
      return;
    }
    this.#waiting.push(bytes.slice());
    this.#waitingBytes += bytes.length;
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const bytes of waiting) this.send(bytes);
  }

  #receive(chunk: Uint8Array): void {
    this.#frames.push(chunk, (opcode, payload) => {
      if (opcode === opcodes.ping) this.send(new MaskedFrame(opcodes.pong, payload, noMask).bytes);
    });
  }
}

function handshake(port: number, token: string): string {
  return [
    "GET /glasses-ws HTTP/1.1",
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: YnJvd2xpbmUgYmVuY2ghIQ==",
    `Authorization: Bearer ${token}`,
    "\r\n",
  ].join("\r\n");
}
