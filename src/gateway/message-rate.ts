import { TokenBucket } from "../kernel/token-bucket.ts";
import type { SocketContext } from "./socket-context.ts";

/** No ping is longer, and only so much of a frame is searched for one. */
const pingChars = 256;
const ping = /"type"\s*:\s*"(?:ping|pong)"/;

/**
 * How many text frames of one socket are read. What is beyond is counted and left unread, since reading is what costs, and
 * the peer is told at most once a second. Pings are always read: without them the peer would be taken for dead.
 */
export class MessageRate {
  readonly #context: SocketContext;
  readonly #side: "glasses" | "app";
  readonly #messages: TokenBucket;
  readonly #answers = new TokenBucket(1, 1);

  constructor(context: SocketContext, side: "glasses" | "app") {
    const { messageBurst, messagesPerSecond } = context.limits;
    this.#context = context;
    this.#side = side;
    this.#messages = new TokenBucket(messageBurst, messagesPerSecond);
  }

  /** @param refuse tells the peer that it sends too much. */
  admits(frame: string, refuse: () => void): boolean {
    if (frame.length <= pingChars && ping.test(frame)) return true;
    const now = this.#context.clock.now();
    if (this.#messages.take(now)) return true;
    this.#context.reject(this.#side, "rate");
    if (this.#answers.take(now)) refuse();
    return false;
  }
}
