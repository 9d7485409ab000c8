import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { tlsCertificate } from "./tls-certificate.ts";

/** A WebSocket service over TLS that says one thing when it is dialled and then never reads again. */
export class UnreadingService {
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor(greeting: string) {
    this.#server = createServer({ cert: tlsCertificate.cert, key: tlsCertificate.key }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("data", (request: Buffer) => {
        const key = /^sec-websocket-key: *(\S+)/im.exec(request.toString())?.[1] ?? "";
        const accept = createHash("sha1")
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest("base64");
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        const payload = Buffer.from(greeting);
        // A text frame of less than 126 bytes.
        socket.write(Buffer.concat([Buffer.from([0x81, payload.length]), payload]));
        socket.pause();
      });
    });
  }

  /** `greeting`: at most 125 bytes. */
  static async start(greeting: string): Promise<UnreadingService> {
    const service = new UnreadingService(greeting);
    await new Promise<void>((resolve) => service.#server.listen(0, "127.0.0.1", resolve));
    return service;
  }

  get url(): string {
    return `wss://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v3/ws`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
