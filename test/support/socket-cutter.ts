import { connect, createServer, type Server, type Socket } from "node:net";
import { FrameSplitter, type SplitFrame } from "./frame-splitter.ts";
import { opcodes } from "./raw-websocket.ts";

/** What has passed on its way between the server and an app, in the order of passing. Times as of `performance.now()`. */
export type PassedFrame =
  /** A message of the server with its number. */
  | {
      readonly kind: "message";
      readonly packageName: string;
      readonly atMs: number;
      readonly message: PassedMessage;
    }
  /** The server asks how far the app has got. */
  | { readonly kind: "ping"; readonly packageName: string; readonly atMs: number; readonly seq: number }
  /** The app's answer, or what it says of its own accord: everything up to this number has come. */
  | { readonly kind: "receipt"; readonly packageName: string; readonly atMs: number; readonly seq: number }
  /** The connection was cut. */
  | { readonly kind: "cut"; readonly packageName: string; readonly atMs: number };

export interface PassedMessage {
  readonly type: string;
  readonly seq?: number;
  readonly [field: string]: unknown;
}

interface Connection {
  readonly app: Socket;
  readonly server: Socket;
  packageName: string | undefined;
  cut: boolean;
}

/**
 * Stands between the apps and the server on the level of TCP, so that pings and pongs go from end to end, and cuts
 * connections: what has not passed when it does so is lost, in both directions.
 */
export class SocketCutter {
  readonly passed: PassedFrame[] = [];
  readonly #target: number;
  readonly #listener: Server;
  readonly #connections = new Set<Connection>();

  private constructor(target: number) {
    this.#target = target;
    this.#listener = createServer({ noDelay: true }, (app) => this.#accept(app));
  }

  /** @param target the server's port; nobody need listen there yet. */
  static async open(target: number): Promise<SocketCutter> {
    const cutter = new SocketCutter(target);
    const { promise, resolve } = Promise.withResolvers<void>();
    cutter.#listener.listen(0, "127.0.0.1", resolve);
    await promise;
    return cutter;
  }

  /** Where apps are to believe the server to be. */
  get url(): string {
    const address = this.#listener.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`;
  }

  /** Whether the app has a connection that it has introduced itself on. */
  isConnected(packageName: string): boolean {
    return [...this.#connections].some(
      (connection) => connection.packageName === packageName && !connection.cut,
    );
  }

  /**
   * An app's connections are lost: from now on nothing passes, and both ends learn of it `unnoticedMs` later.
   * @param code the close code that the app then gets to see; undefined: it sees none.
   */
  cut(packageName: string, unnoticedMs: number, code?: number): void {
    for (const connection of this.#connections) {
      if (connection.packageName !== packageName || connection.cut) continue;
      this.passed.push({ kind: "cut", packageName, atMs: performance.now() });
      connection.cut = true;
      const { app, server } = connection;
      setTimeout(() => {
        this.#connections.delete(connection);
        server.destroy();
        if (code === undefined) app.destroy();
        else app.end(Buffer.from([0x80 | opcodes.close, 2, code >> 8, code & 255]));
      }, unnoticedMs);
    }
  }

  async close(): Promise<void> {
    for (const { app, server } of this.#connections) {
      app.destroy();
      server.destroy();
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#listener.close(() => resolve());
    await promise;
  }

  #accept(app: Socket): void {
    const server = connect({ port: this.#target, host: "127.0.0.1", noDelay: true });
    const connection: Connection = { app, server, packageName: undefined, cut: false };
    this.#connections.add(connection);
    const fromApp = new Direction((frame) => this.#noteOfApp(connection, frame));
    const fromServer = new Direction((frame) => this.#noteOfServer(connection, frame));
    app.on("data", (chunk: Buffer) => {
      if (connection.cut) return;
      for (const bytes of fromApp.pass(chunk)) server.write(bytes);
    });
    server.on("data", (chunk: Buffer) => {
      if (connection.cut) return;
      for (const bytes of fromServer.pass(chunk)) app.write(bytes);
    });
    for (const [one, other] of [
      [app, server],
      [server, app],
    ] as const) {
      one.on("error", () => {});
      one.on("end", () => other.end());
      one.on("close", () => {
        this.#connections.delete(connection);
        other.end();
      });
    }
  }

  #noteOfApp(connection: Connection, { opcode, payload }: SplitFrame): void {
    const atMs = performance.now();
    if (opcode === opcodes.text && connection.packageName === undefined) {
      const message = JSON.parse(payload.toString());
      if (message.type !== "tpa_connection_init") return;
      const { packageName, lastSeq } = message;
      connection.packageName = packageName;
      if (lastSeq !== undefined) this.passed.push({ kind: "receipt", packageName, atMs, seq: lastSeq });
    }
    const { packageName } = connection;
    if (opcode !== opcodes.pong || packageName === undefined) return;
    this.passed.push({ kind: "receipt", packageName, atMs, seq: Number(payload.toString()) });
  }

  #noteOfServer({ packageName }: Connection, { opcode, payload }: SplitFrame): void {
    const atMs = performance.now();
    if (packageName === undefined) return;
    if (opcode === opcodes.text) {
      this.passed.push({ kind: "message", packageName, atMs, message: JSON.parse(payload.toString()) });
    } else if (opcode === opcodes.ping) {
      this.passed.push({ kind: "ping", packageName, atMs, seq: Number(payload.toString()) });
    }
  }
}

/** One direction of a connection: the head as it comes, and then frame by frame, so that a cut is always between two. */
class Direction {
  readonly #splitter = new FrameSplitter();
  readonly #note: (frame: SplitFrame) => void;
  #head = "";
  /** Undefined until the head is complete. */
  #isSocket: boolean | undefined;

  constructor(note: (frame: SplitFrame) => void) {
    this.#note = note;
  }

  /** @returns what is to be passed on. */
  pass(chunk: Buffer): readonly Buffer[] {
    if (this.#isSocket === false) return [chunk];
    if (this.#isSocket === undefined) {
      this.#head += chunk.toString("latin1");
      const end = this.#head.indexOf("\r\n\r\n") + 4;
      if (end < 4) return [chunk];
      this.#isSocket = /^upgrade: *websocket/im.test(this.#head.slice(0, end));
      // What follows the head in the same chunk is frames already.
      const ofHead = chunk.length - (this.#head.length - end);
      return this.#isSocket ? [chunk.subarray(0, ofHead), ...this.#frames(chunk.subarray(ofHead))] : [chunk];
    }
    return this.#frames(chunk);
  }

  #frames(chunk: Buffer): Buffer[] {
    return this.#splitter.push(chunk).map((frame) => {
      this.#note(frame);
      return frame.bytes;
    });
  }
}
