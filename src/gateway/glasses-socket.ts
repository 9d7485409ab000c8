import { isoTime } from "../kernel/clock.ts";
import type { Stop } from "../kernel/stop.ts";
import type { GlassesPort, SendResult } from "../session/ports.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import { type GlassesMessage, parseGlassesMessage, pong, type ToGlasses } from "../wire/glasses.ts";
import { PeerLife } from "./peer-life.ts";
import { type RawSocket, SendQueue } from "./send-queue.ts";
import type { Session } from "./sessions.ts";
import { exceedsBytes, type SocketContext } from "./socket-context.ts";

type State =
  | { readonly name: "upgrading" }
  | {
      readonly name: "open";
      readonly socket: RawSocket;
      readonly queue: SendQueue;
      readonly life: PeerLife;
      readonly stopBeat: Stop;
      /** Undefined while the session is taking the socket. */
      generation: number | undefined;
    }
  | { readonly name: "closed" };

/**
 * One connection of a pair of glasses, or of the phone that speaks for it. Its token has been checked and its session
 * loaded before it opens, so that no early frame is lost.
 */
export class GlassesSocket implements GlassesPort {
  readonly kind = "glasses";
  readonly #context: SocketContext;
  readonly #session: Session;
  #state: State = { name: "upgrading" };
  #beats = 0;

  constructor(context: SocketContext, session: Session) {
    this.#context = context;
    this.#session = session;
  }

  opened(socket: RawSocket): void {
    const { clock, heartbeat, metrics } = this.#context;
    const queue = new SendQueue({
      ...this.#context,
      socket,
      side: "glasses",
      onTooSlow: () => this.#hangUp(closes.tooSlow, "too_slow"),
    });
    this.#state = {
      name: "open",
      socket,
      queue,
      life: new PeerLife(clock.now()),
      stopBeat: heartbeat.add((nowMs) => this.#beat(nowMs)),
      generation: undefined,
    };
    metrics.glassesSockets.inc();
    if (this.#context.draining || this.#session.disposed) {
      this.#hangUp(closes.restart, "restart");
      return;
    }
    const state = this.#state;
    const attached = this.#context.contain("glasses_open", this.#session.userId, () => {
      state.generation = this.#session.attachGlasses(this);
    });
    if (!attached) this.#hangUp(closes.restart, "error");
  }

  /** One frame as it came: text is a message, bytes are audio. */
  received(frame: string | Uint8Array): void {
    const state = this.#state;
    if (state.name !== "open" || state.generation === undefined) return;
    const { clock, limits } = this.#context;
    state.life.heard(clock.now());
    const generation = state.generation;
    if (typeof frame !== "string") {
      if (frame.byteLength > limits.glassesFrameBytes) this.#context.reject("glasses", "oversized");
      else if (frame.byteLength > 0) {
        this.#context.contain("glasses_audio", this.#session.userId, () =>
          this.#session.receiveAudio(generation, frame),
        );
      }
      return;
    }
    this.#context.metrics.messagesIn.inc({ side: "glasses" });
    if (exceedsBytes(frame, limits.glassesFrameBytes)) {
      this.#context.reject("glasses", "oversized");
      return;
    }
    const parsed = parseGlassesMessage(frame);
    if (parsed.kind !== "message") {
      this.#context.reject("glasses", parsed.kind, "type" in parsed ? parsed.type : undefined);
      return;
    }
    this.#act(state, generation, parsed.message);
  }

  /** A protocol pong came. */
  ponged(): void {
    if (this.#state.name === "open") this.#state.life.answered(this.#context.clock.now());
  }

  drained(): void {
    if (this.#state.name === "open") this.#state.queue.drained();
  }

  /** The connection has ended, whoever ended it. */
  closed(): void {
    const state = this.#state;
    if (state.name !== "open") return;
    this.#context.metrics.socketsClosed.inc({ side: "glasses", cause: "peer" });
    this.#leave(state);
    this.#tellSession(state.generation);
  }

  send(message: ToGlasses): SendResult {
    const { clock, metrics } = this.#context;
    if (this.#state.name !== "open") {
      metrics.messagesDropped.inc({ side: "glasses", class: "closed" });
      return "dropped";
    }
    metrics.messagesOut.inc({ side: "glasses" });
    const text = JSON.stringify({ ...message, timestamp: isoTime(clock) });
    return message.type === "display_event"
      ? this.#state.queue.sendLatest(message.view, text, "display", 0)
      : this.#state.queue.send(text);
  }

  close(close: Close): void {
    this.#hangUp(close, "server");
  }

  /** Closes for a restart of the server, at which every client dials again. */
  drain(): void {
    this.#hangUp(closes.restart, "restart");
  }

  #act(state: State & { name: "open" }, generation: number, message: GlassesMessage): void {
    switch (message.type) {
      case "ping":
        state.life.answered(this.#context.clock.now());
        // Answered here and at once: phones dial again when this takes 5 s.
        state.queue.send(pong);
        return;
      case "pong":
        state.life.answered(this.#context.clock.now());
        return;
      default:
        this.#context.contain("glasses_message", this.#session.userId, () =>
          this.#session.receiveGlasses(generation, message),
        );
    }
  }

  #beat(nowMs: number): void {
    if (this.#state.name !== "open") return;
    if (this.#state.life.isDead(nowMs, this.#context.limits)) {
      this.#hangUp(undefined, "silent");
      return;
    }
    this.#state.socket.ping(String(++this.#beats));
  }

  /** Ends the connection from this side. Without a close code it is cut: a dead peer reads none. */
  #hangUp(close: Close | undefined, cause: string): void {
    const state = this.#state;
    if (state.name !== "open") return;
    this.#context.metrics.socketsClosed.inc({ side: "glasses", cause });
    this.#leave(state);
    if (close === undefined) state.socket.terminate();
    else state.socket.close(close.code, close.reason);
    // Later, since whoever asked for this may be in the middle of something.
    queueMicrotask(() => this.#tellSession(state.generation));
  }

  #leave(state: State & { name: "open" }): void {
    this.#state = { name: "closed" };
    state.stopBeat();
    state.queue.close();
    this.#context.metrics.glassesSockets.dec();
  }

  #tellSession(generation: number | undefined): void {
    if (generation === undefined) return;
    this.#context.contain("glasses_close", this.#session.userId, () =>
      this.#session.glassesClosed(generation),
    );
  }
}
