import { isoTime } from "../kernel/clock.ts";
import type { GlassesPort, SendResult } from "../session/ports.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import { type GlassesMessage, parseGlassesMessage, pong, type ToGlasses } from "../wire/glasses.ts";
import { MessageRate } from "./message-rate.ts";
import { OpenSocket } from "./open-socket.ts";
import type { RawSocket } from "./send-queue.ts";
import type { AudioIntake, Session } from "./sessions.ts";
import { exceedsBytes, type SocketContext } from "./socket-context.ts";

type State =
  | { readonly name: "upgrading" }
  | { readonly name: "open"; readonly connection: OpenSocket }
  | { readonly name: "closed" };

/**
 * One connection of a pair of glasses, or of the phone that speaks for it. Its token has been checked and its session
 * loaded before it opens, so that no early frame is lost.
 */
export class GlassesSocket implements GlassesPort {
  // First what every frame of audio needs, and flat: with a thousand sockets each object is a miss in the cache.
  /** Undefined before the session has taken the socket, and after its end. */
  #generation: number | undefined;
  #framesIn = 0;
  readonly #audio: AudioIntake;
  readonly #context: SocketContext;
  readonly #session: Session;
  readonly #rate: MessageRate;
  #state: State = { name: "upgrading" };

  constructor(context: SocketContext, session: Session) {
    this.#context = context;
    this.#session = session;
    this.#audio = session.audio;
    this.#rate = new MessageRate(context, "glasses");
  }

  opened(socket: RawSocket): void {
    const context = this.#context;
    const connection = new OpenSocket({
      context,
      side: "glasses",
      socket,
      framesIn: () => this.#framesIn,
      onEnd: () => this.#ended(),
    });
    this.#state = { name: "open", connection };
    if (this.#context.draining || this.#session.disposed) {
      this.#hangUp(closes.restart, "restart");
      return;
    }
    const attached = this.#context.contain("glasses_open", this.#session.userId, () => {
      this.#generation = this.#session.attachGlasses(this);
    });
    if (!attached) this.#hangUp(closes.restart, "error");
  }

  /** One frame as it came: text is a message, bytes are audio. */
  received(frame: string | Uint8Array): void {
    const generation = this.#generation;
    if (generation === undefined) return;
    this.#framesIn++;
    if (typeof frame !== "string") {
      this.#receiveAudio(generation, frame);
      return;
    }
    const { limits } = this.#context;
    this.#context.metrics.messagesIn.inc({ side: "glasses" });
    const tooMany = () => {
      this.send({ type: "connection_error", code: "TOO_MANY_REQUESTS", message: "Too many messages" });
    };
    if (!this.#rate.admits(frame, tooMany)) return;
    if (exceedsBytes(frame, limits.glassesFrameBytes)) {
      this.#context.reject("glasses", "oversized");
      return;
    }
    const parsed = parseGlassesMessage(frame);
    if (parsed.kind === "unknown" && this.#relay(generation, parsed.type, parsed.frame)) return;
    if (parsed.kind !== "message") {
      this.#context.reject("glasses", parsed.kind, "type" in parsed ? parsed.type : undefined);
      return;
    }
    this.#act(generation, parsed.message);
  }

  /** What the transport reports to by itself: pongs, room to send, the end. Undefined before and after. */
  get connection(): OpenSocket | undefined {
    return this.#state.name === "open" ? this.#state.connection : undefined;
  }

  /** A pong. What it says is of no interest here: phones confirm nothing. */
  ponged(): void {
    this.connection?.answered();
  }

  send(message: ToGlasses): SendResult {
    const { clock, metrics } = this.#context;
    if (this.#state.name !== "open") {
      metrics.messagesDropped.inc({ side: "glasses", class: "closed" });
      return "dropped";
    }
    metrics.messagesOut.inc({ side: "glasses" });
    const text = JSON.stringify({ ...message, timestamp: isoTime(clock) });
    const { queue } = this.#state.connection;
    if (message.type !== "display_event") return queue.send(text);
    const result = queue.sendLatest(message.view, text, "display", 0);
    this.#context.display.sent();
    return result;
  }

  probe(onSilent: () => void): void {
    if (this.#state.name !== "open") return;
    this.#state.connection.probe(() => {
      this.#context.contain("glasses_probe", this.#session.userId, onSilent);
    });
  }

  close(close: Close): void {
    this.#hangUp(close, "server");
  }

  /** Closes for a restart of the server, at which every client dials again. */
  drain(): void {
    this.#hangUp(closes.restart, "restart");
  }

  /** Nothing is allocated here, and every 32nd frame is timed: this runs fifty times a second for everybody. */
  #receiveAudio(generation: number, frame: Uint8Array): void {
    const context = this.#context;
    if (frame.byteLength > context.limits.glassesFrameBytes) {
      context.reject("glasses", "oversized");
      return;
    }
    if (frame.byteLength === 0) return;
    const timed = (++context.audioFrames & 31) === 0;
    const startMs = timed ? performance.now() : 0;
    try {
      this.#audio.receive(generation, frame);
    } catch (error) {
      context.contained("glasses_audio", this.#session.userId, error);
    }
    if (timed) context.socketToRing.record((performance.now() - startMs) * 1000);
  }

  #act(generation: number, message: GlassesMessage): void {
    switch (message.type) {
      case "ping":
        this.connection?.answered();
        // Answered here and at once: phones dial again when this takes 5 s.
        this.connection?.queue.send(pong);
        return;
      case "pong":
        this.connection?.answered();
        return;
      default:
        this.#context.contain("glasses_message", this.#session.userId, () =>
          this.#session.receiveGlasses(generation, message),
        );
    }
  }

  /** Whether somebody hears messages of a type that is not known here. */
  #relay(generation: number, type: string, frame: object): boolean {
    let heard = false;
    this.#context.contain("glasses_message", this.#session.userId, () => {
      heard = this.#session.receiveUnknown(generation, type, frame);
    });
    return heard;
  }

  #hangUp(close: Close, cause: string): void {
    if (this.#state.name === "open") this.#state.connection.hangUp(close, cause);
  }

  #ended(): () => void {
    this.#state = { name: "closed" };
    return () => {
      // Read as late as this, since the session may be taking the socket at the moment of its end.
      const generation = this.#generation;
      this.#generation = undefined;
      if (generation === undefined) return;
      this.#context.contain("glasses_close", this.#session.userId, () =>
        this.#session.glassesClosed(generation),
      );
    };
  }
}
