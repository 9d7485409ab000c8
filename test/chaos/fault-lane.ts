import { createServer, type Server } from "node:net";
import { LaneConnection } from "./lane-connection.ts";

export interface FaultLaneOptions {
  /** The server's port on this machine. */
  readonly serverPort: number;
  /** Takes out the pongs of whoever dials, as some proxies do. */
  readonly swallowsPongs?: boolean;
  /** Cuts a connection on which one direction has been silent for this long. */
  readonly idleMs?: number;
}

/**
 * A TCP port that leads to the server, and everything that can go wrong on the way: one lane for each client, so that
 * what happens to one happens to nobody else.
 */
export class FaultLane {
  readonly port: number;
  readonly #options: FaultLaneOptions;
  readonly #listener: Server;
  readonly #connections = new Set<LaneConnection>();
  #refuses = false;
  #holds = false;
  #bytesPerSecond: number | undefined;
  #closeDelayMs = 0;
  /** Called when a connection is cut for having been idle. */
  onIdleCut: () => void = () => {};

  private constructor(listener: Server, port: number, options: FaultLaneOptions) {
    this.#listener = listener;
    this.port = port;
    this.#options = options;
    listener.on("connection", (client) => {
      if (this.#refuses) {
        client.on("error", () => {});
        client.resetAndDestroy();
        return;
      }
      const connection = new LaneConnection({
        client,
        serverPort: options.serverPort,
        swallowsPongs: options.swallowsPongs ?? false,
        closeDelayMs: () => this.#closeDelayMs,
        onEnd: () => this.#connections.delete(connection),
      });
      this.#connections.add(connection);
      if (this.#holds) {
        connection.up.hold();
        connection.down.hold();
      }
      if (this.#bytesPerSecond !== undefined) this.#pace(connection);
    });
  }

  static async open(options: FaultLaneOptions): Promise<FaultLane> {
    const listener = createServer({ allowHalfOpen: true });
    const listening = Promise.withResolvers<void>();
    listener.once("error", listening.reject);
    listener.listen(0, "127.0.0.1", () => listening.resolve());
    await listening.promise;
    const address = listener.address();
    if (typeof address !== "object" || address === null) throw new Error("a lane has no port");
    return new FaultLane(listener, address.port, options);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get swallowsPongs(): boolean {
    return this.#options.swallowsPongs ?? false;
  }

  /** Connections that one side still believes in. */
  get connections(): number {
    return this.#connections.size;
  }

  cut(how: "reset" | "end"): void {
    for (const connection of [...this.#connections]) connection.cut(how);
  }

  /** Whether new connections are refused. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses;
  }

  /** The present connections carry nothing any more, and neither side is told. New ones are whole. */
  swallow(): void {
    for (const connection of this.#connections) connection.swallow();
  }

  /** Cuts the connections that carry nothing any more. */
  cutSwallowed(): void {
    for (const connection of [...this.#connections]) if (connection.swallows) connection.cut("reset");
  }

  /** Keeps everything back, both ways, until it is called with false. */
  hold(holds: boolean): void {
    this.#holds = holds;
    for (const { up, down } of this.#connections) {
      if (holds) {
        up.hold();
        down.hold();
      } else {
        up.release();
        down.release();
      }
    }
  }

  /** Lets so many bytes a second through each way; undefined: all. */
  pace(bytesPerSecond: number | undefined): void {
    this.#bytesPerSecond = bytesPerSecond;
    for (const connection of this.#connections) this.#pace(connection);
  }

  /** From now on the end of one side is told to the other so much later: after the next connection, for instance. */
  delayCloses(delayMs: number): void {
    this.#closeDelayMs = delayMs;
  }

  /** To be called now and then: cuts what has been idle for too long. */
  tick(): void {
    const { idleMs } = this.#options;
    if (idleMs === undefined) return;
    const now = performance.now();
    for (const connection of [...this.#connections]) {
      if (connection.idleMs(now) < idleMs) continue;
      connection.cut("end");
      this.onIdleCut();
    }
  }

  close(): void {
    this.cut("reset");
    this.#listener.close();
  }

  #pace(connection: LaneConnection): void {
    connection.up.pace(this.#bytesPerSecond);
    connection.down.pace(this.#bytesPerSecond);
  }
}
