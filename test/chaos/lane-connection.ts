import { connect, type Socket } from "node:net";
import { ByteFlow } from "./byte-flow.ts";
import { PongFilter } from "./pong-filter.ts";

export interface LaneConnectionOptions {
  readonly client: Socket;
  /** Where it leads, on this machine. */
  readonly serverPort: number;
  readonly swallowsPongs: boolean;
  /** How much later the end of one side is told to the other, in milliseconds. */
  readonly closeDelayMs: () => number;
  readonly onEnd: () => void;
}

/** One connection through a fault lane: two sockets and the bytes between them. */
export class LaneConnection {
  readonly up: ByteFlow;
  readonly down: ByteFlow;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #options: LaneConnectionOptions;
  #swallows = false;
  #over = false;

  constructor(options: LaneConnectionOptions) {
    const { client, serverPort, swallowsPongs } = options;
    this.#options = options;
    this.#client = client;
    this.#server = connect({ host: "127.0.0.1", port: serverPort, noDelay: true, allowHalfOpen: true });
    client.setNoDelay(true);
    const filter = swallowsPongs ? new PongFilter() : undefined;
    this.up = new ByteFlow(client, this.#server, filter && ((chunk) => filter.filter(chunk)));
    this.down = new ByteFlow(this.#server, client);
    this.#follow(client, this.#server);
    this.#follow(this.#server, client);
  }

  /** Neither side has sent anything for so long, in milliseconds: the direction that is more silent. */
  idleMs(now: number): number {
    return now - Math.min(this.up.passedMs, this.down.passedMs);
  }

  /** Whether it carries nothing any more. */
  get swallows(): boolean {
    return this.#swallows;
  }

  swallow(): void {
    this.#swallows = true;
    this.up.swallow();
    this.down.swallow();
  }

  /** Ends both sides at once: with a reset, which may cost what the other side has not read yet, or in an orderly way. */
  cut(how: "reset" | "end"): void {
    this.up.stop();
    this.down.stop();
    for (const socket of [this.#client, this.#server]) {
      if (how === "reset") socket.resetAndDestroy();
      else socket.destroySoon();
    }
    this.#ended();
  }

  #follow(from: Socket, to: Socket): void {
    let told = false;
    const tell = (how: "reset" | "end") => {
      if (told) return;
      told = true;
      // Over a connection that is none, no end comes through either.
      if (this.#swallows) return;
      const pass = () => {
        if (to.destroyed) return;
        if (how === "reset") to.resetAndDestroy();
        else to.end();
      };
      const delayMs = this.#options.closeDelayMs();
      if (delayMs > 0) setTimeout(pass, delayMs);
      else pass();
    };
    from.on("end", () => tell("end"));
    from.on("error", () => tell("reset"));
    from.on("close", () => {
      tell("end");
      if (to.destroyed) this.#ended();
    });
  }

  #ended(): void {
    if (this.#over) return;
    this.#over = true;
    this.up.stop();
    this.down.stop();
    this.#options.onEnd();
  }
}
