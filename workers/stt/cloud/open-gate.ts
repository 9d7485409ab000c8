import type { Clock } from "../../../src/kernel/clock.ts";
import type { Stop } from "../../../src/kernel/stop.ts";
import { TokenBucket } from "../../../src/kernel/token-bucket.ts";

export interface OpenGateOptions {
  readonly clock: Clock;
  /** Connections at one time. */
  readonly connections: number;
  /** Opens at once, and how many a second in the long run. */
  readonly openBurst: number;
  readonly opensPerSecond: number;
}

/** The right to have one connection, or a place in the queue for it. */
export interface OpenTicket {
  /** Gives the right or the place back. Safe to call twice. */
  release(): void;
}

interface Waiting {
  readonly enter: () => void;
  state: "waiting" | "inside" | "gone";
}

/**
 * The door to one account of a provider: so many connections at one time, and so many opens a minute. Who has to wait
 * does so in the order of arrival, with one place each, so that nobody is passed over.
 */
export class OpenGate {
  readonly #options: OpenGateOptions;
  readonly #bucket: TokenBucket;
  readonly #queue: Waiting[] = [];
  #inside = 0;
  #stopRetry: Stop | undefined;

  constructor(options: OpenGateOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.openBurst, options.opensPerSecond);
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether somebody who came now would enter as far as the number of connections goes. */
  get hasRoom(): boolean {
    return this.#queue.length === 0 && this.#inside < this.#options.connections;
  }

  /** Calls `enter` once it may connect: during this call, or later. */
  request(enter: () => void): OpenTicket {
    const waiting: Waiting = { enter, state: "waiting" };
    this.#queue.push(waiting);
    this.#admit();
    return {
      release: () => {
        if (waiting.state === "waiting") this.#queue.splice(this.#queue.indexOf(waiting), 1);
        if (waiting.state === "inside") this.#inside--;
        waiting.state = "gone";
        this.#admit();
      },
    };
  }

  close(): void {
    this.#queue.length = 0;
    this.#stopRetry?.();
  }

  #admit(): void {
    const { clock, connections, opensPerSecond } = this.#options;
    while (this.#inside < connections) {
      const [first] = this.#queue;
      if (first === undefined) return;
      if (!this.#bucket.take(clock.now())) {
        this.#stopRetry ??= clock.after(1_000 / opensPerSecond, () => {
          this.#stopRetry = undefined;
          this.#admit();
        });
        return;
      }
      this.#queue.shift();
      this.#inside++;
      first.state = "inside";
      first.enter();
    }
  }
}
