import type { Stop } from "../kernel/stop.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import { PeerLife } from "./peer-life.ts";
import { type RawSocket, SendQueue } from "./send-queue.ts";
import type { SocketContext } from "./socket-context.ts";

export interface OpenSocketParts {
  readonly context: SocketContext;
  readonly side: "glasses" | "app";
  readonly socket: RawSocket;
  /** How many frames have come in. */
  framesIn(): number;
  /**
   * The connection has ended, whoever ended it. What is returned tells those whom it concerns; it is called later where the
   * end came from this side, since whoever wanted it may be in the middle of something.
   */
  onEnd(): () => void;
}

/** An open connection of either side: its queue, its heartbeat, and its end, which comes once. */
export class OpenSocket {
  readonly queue: SendQueue;
  readonly #parts: OpenSocketParts;
  readonly #life: PeerLife;
  readonly #stopBeat: Stop;
  readonly #probes = new Set<Stop>();
  #beats = 0;
  /** What the peer is asked to confirm; with every beat once more, since a proxy may have swallowed the pong. */
  #receipt: number | undefined;
  #open = true;

  constructor(parts: OpenSocketParts) {
    const { context, side, socket } = parts;
    this.#parts = parts;
    this.queue = new SendQueue({
      ...context,
      socket,
      side,
      onTooSlow: () => this.hangUp(closes.tooSlow, "too_slow"),
    });
    this.#life = new PeerLife(context.clock.now(), () => parts.framesIn());
    this.#stopBeat = context.heartbeat.add((nowMs) => this.#beat(nowMs));
    this.#gauge.inc();
  }

  /** A pong came, or a ping of the peer's own. */
  answered(): void {
    this.#life.answered();
  }

  /**
   * Pings at once, and calls back if nothing at all comes for `probeAnswerMs`. Does nothing where pongs are not known to
   * arrive: silence proves nothing there.
   */
  probe(onSilent: () => void): void {
    const { clock, limits } = this.#parts.context;
    if (!this.#open || !this.#life.answers) return;
    const { signs } = this.#life;
    this.#parts.socket.ping(String(++this.#beats));
    const arm = (delayMs: number, then: () => void) => {
      const stop = clock.after(delayMs, () => {
        this.#probes.delete(stop);
        if (this.#life.signs === signs) then();
      });
      this.#probes.add(stop);
    };
    // After a stall of this loop the answer may be waiting to be read: it is, before the second time comes.
    arm(limits.probeAnswerMs, () => arm(0, onSilent));
  }

  /** Asks the peer to send this number back, behind everything that was sent before: pings and pongs keep their order. */
  askReceipt(seq: number): void {
    if (!this.#open) return;
    this.#receipt = seq;
    this.#parts.socket.ping(String(seq));
  }

  /** Ends the connection from this side. Without a close code it is cut: a dead peer reads none. Safe to call twice. */
  hangUp(close: Close | undefined, cause: string): void {
    if (!this.#open) return;
    const tell = this.#end(cause);
    const { socket } = this.#parts;
    if (close === undefined) socket.terminate();
    else socket.close(close.code, close.reason);
    queueMicrotask(tell);
  }

  /** The socket is gone. Does nothing where that is this side's own doing. */
  closed(): void {
    if (this.#open) this.#end("peer")();
  }

  get #gauge() {
    const { context, side } = this.#parts;
    return side === "app" ? context.metrics.appSockets : context.metrics.glassesSockets;
  }

  #end(cause: string): () => void {
    const { context, side, onEnd } = this.#parts;
    context.metrics.socketsClosed.inc({ side, cause });
    this.#open = false;
    this.#stopBeat();
    for (const stop of this.#probes) stop();
    this.#probes.clear();
    this.queue.close();
    this.#gauge.dec();
    return onEnd();
  }

  #beat(nowMs: number): void {
    if (this.#life.isDead(nowMs, this.#parts.context.limits)) this.hangUp(undefined, "silent");
    else this.#parts.socket.ping(String(this.#receipt ?? ++this.#beats));
  }
}
