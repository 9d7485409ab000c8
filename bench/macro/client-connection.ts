import type { Socket } from "bun";
import { MaskedFrame, opcodes } from "./masked-frame.ts";
import { ServerFrames } from "./server-frames.ts";

/** What may wait for a server that does not read; beyond it frames are lost, and counted. */
const mostWaitingBytes = 64 * 1024;
const noMask = new Uint8Array(4);
const encoder = new TextEncoder();

export interface ConnectionParts {
  readonly port: number;
  /** With its query. */
  readonly path: string;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
  /** A text or binary frame; the payload is valid during the call. */
  onFrame?(opcode: number, payload: Uint8Array): void;
  /** The connection has ended, and not by `close`. */
  onClosed?(): void;
}

/** A WebSocket client on a bare TCP socket: what it costs to be a client must not be what limits the bench. */
export class ClientConnection {
  /** Frames that the server did not take. */
  lost = 0;
  #socket: Socket | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  readonly #frames = new ServerFrames();
  readonly #parts: ConnectionParts;
  #closed = false;
  #onDrain: (() => void) | undefined;

  private constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /**
   * Dials and shakes hands.
   * @rejects Error with the server's answer when it is not an upgrade.
   */
  static async open(parts: ConnectionParts): Promise<ClientConnection> {
    const client = new ClientConnection(parts);
    const upgraded = Promise.withResolvers<void>();
    let head = "";
    await Bun.connect({
      hostname: "127.0.0.1",
      port: parts.port,
      socket: {
        open: (socket) => {
          client.#socket = socket;
          socket.setNoDelay(true);
          socket.write(handshake(parts));
        },
        data: (_socket, chunk) => {
          if (head.endsWith("\r\n\r\n")) {
            client.#receive(chunk);
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
          client.#receive(rest);
        },
        drain: () => client.#flush(),
        close: () => {
          upgraded.reject(new Error("the server closed a connection before its upgrade"));
          if (!client.#closed) parts.onClosed?.();
          client.#closed = true;
        },
        error: (_socket, error) => upgraded.reject(error),
      },
    });
    await upgraded.promise;
    return client;
  }

  sendText(message: object): void {
    const payload = encoder.encode(JSON.stringify(message));
    this.send(new MaskedFrame(opcodes.text, payload, noMask).bytes);
  }

  /** Sends bytes that are whole frames. They may be used again when this returns. False: they have to wait, or are lost. */
  send(frame: Uint8Array): boolean {
    if (this.#closed) return false;
    if (this.#waiting.length > 0) {
      this.#wait(frame);
      return false;
    }
    const written = this.#socket?.write(frame) ?? 0;
    if (written < frame.length) this.#wait(frame.subarray(Math.max(0, written)));
    return this.#waiting.length === 0;
  }

  /** Sends the same bytes again and again, as fast as they are taken, until it is told to stop. */
  flood(frames: Uint8Array, onSent: () => void): () => void {
    const pump = () => {
      // A turn at a time: the others flood as well.
      for (let i = 0; i < 4 && this.#onDrain === pump; i++) {
        onSent();
        if (!this.send(frames)) return;
      }
      if (this.#onDrain === pump) setImmediate(pump);
    };
    this.#onDrain = pump;
    pump();
    return () => {
      this.#onDrain = undefined;
    };
  }

  /** Reads nothing any more. */
  goDeaf(): void {
    this.#socket?.pause();
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
    if (this.#waiting.length === 0) this.#onDrain?.();
  }

  #receive(chunk: Uint8Array): void {
    this.#frames.push(chunk, (opcode, payload) => {
      if (opcode === opcodes.ping) this.send(new MaskedFrame(opcodes.pong, payload, noMask).bytes);
      else this.#parts.onFrame?.(opcode, payload);
    });
  }
}

function handshake({ port, path, token }: ConnectionParts): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: YnJvd2xpbmUgYmVuY2ghIQ==",
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    "\r\n",
  ].join("\r\n");
}
