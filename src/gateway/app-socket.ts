import { isoTime } from "../kernel/clock.ts";
import { Fault } from "../kernel/faults.ts";
import { canonicalUserId } from "../kernel/identity.ts";
import type { Stop } from "../kernel/stop.ts";
import type { AppPort, MessageClass, SendResult } from "../session/ports.ts";
import { type AppMessage, parseAppMessage, type ToApp } from "../wire/apps.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import type { AppCredentials } from "./app-token.ts";
import { PeerLife } from "./peer-life.ts";
import { type RawSocket, SendQueue } from "./send-queue.ts";
import type { Session } from "./sessions.ts";
import { exceedsBytes, type SocketContext } from "./socket-context.ts";

type Phase =
  /** Nobody yet: only an init is listened to. */
  | { readonly name: "greeting"; bytes: number; readonly stopDeadline: Stop }
  | {
      readonly name: "accepted";
      readonly session: Session;
      readonly packageName: string;
      readonly generation: number;
    };

type State =
  | { readonly name: "upgrading" }
  | {
      readonly name: "open";
      readonly socket: RawSocket;
      readonly queue: SendQueue;
      readonly life: PeerLife;
      readonly stopBeat: Stop;
      phase: Phase;
    }
  | { readonly name: "closed" };

type Open = State & { name: "open" };

/**
 * One connection of an app. Who it is, is settled once, by its first message or by its upgrade headers; from then on
 * nothing that a frame says about its sender is believed.
 */
export class AppSocket implements AppPort {
  readonly kind = "app";
  readonly #context: SocketContext;
  readonly #nonce: string | undefined;
  readonly #credentials: AppCredentials | undefined;
  #state: State = { name: "upgrading" };
  #beats = 0;

  /**
   * @param nonce of the webhook that this dial answers, from the path.
   * @param credentials of an app that authenticated by its upgrade headers.
   */
  constructor(context: SocketContext, nonce: string | undefined, credentials: AppCredentials | undefined) {
    this.#context = context;
    this.#nonce = nonce;
    this.#credentials = credentials;
  }

  opened(socket: RawSocket): void {
    const { clock, heartbeat, limits, metrics } = this.#context;
    const queue = new SendQueue({
      ...this.#context,
      socket,
      side: "app",
      onTooSlow: () => this.#hangUp(closes.tooSlow, "too_slow"),
    });
    const state: Open = {
      name: "open",
      socket,
      queue,
      life: new PeerLife(clock.now()),
      stopBeat: heartbeat.add((nowMs) => this.#beat(nowMs)),
      phase: {
        name: "greeting",
        bytes: 0,
        stopDeadline: clock.after(limits.appInitMs, () => this.#hangUp(closes.silent, "no_init")),
      },
    };
    this.#state = state;
    metrics.appSockets.inc();
    if (this.#context.draining) this.#hangUp(closes.restart, "restart");
    else if (this.#credentials !== undefined) this.#greet(state, this.#credentials);
  }

  /** One frame as it came. Apps send text only. */
  received(frame: string | Uint8Array): void {
    const state = this.#state;
    if (state.name !== "open") return;
    state.life.heard(this.#context.clock.now());
    if (state.phase.name === "greeting" && !this.#withinGreeting(state.phase, frame)) return;
    if (typeof frame !== "string") {
      this.#context.reject("app", "binary");
      return;
    }
    this.#context.metrics.messagesIn.inc({ side: "app" });
    const parsed = parseAppMessage(frame);
    if (state.phase.name === "greeting") {
      if (parsed.kind === "message" && parsed.message.type === "tpa_connection_init") {
        this.#greet(state, parsed.message);
        return;
      }
      this.#context.reject("app", parsed.kind === "message" ? "before_init" : parsed.kind);
      this.#answer(state, new Fault("MALFORMED_MESSAGE", "The first message must be a tpa_connection_init"));
      return;
    }
    if (parsed.kind !== "message") {
      this.#context.reject("app", parsed.kind, "type" in parsed ? parsed.type : undefined);
      return;
    }
    this.#act(state.phase, parsed.message);
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
    this.#context.metrics.socketsClosed.inc({ side: "app", cause: "peer" });
    this.#leave(state);
    this.#tellApps(state.phase);
  }

  send(message: ToApp, messageClass: MessageClass): SendResult {
    const { clock, metrics, limits } = this.#context;
    if (this.#state.name !== "open") {
      metrics.messagesDropped.inc({ side: "app", class: messageClass });
      return "dropped";
    }
    metrics.messagesOut.inc({ side: "app" });
    const text = JSON.stringify({ ...message, timestamp: isoTime(clock) });
    const { queue } = this.#state;
    if (message.type !== "data_stream") return queue.send(text, messageClass);
    if (messageClass === "interim") {
      return queue.sendLatest(message.streamType, text, "interim", limits.socketQueueBytes / 4);
    }
    // A waiting interim must not come after the final that ends it.
    queue.forget(message.streamType);
    return queue.send(text, messageClass);
  }

  sendAudio(pcm: Uint8Array): SendResult {
    if (this.#state.name === "open") return this.#state.queue.sendAudio(pcm);
    this.#context.metrics.messagesDropped.inc({ side: "app", class: "audio" });
    return "dropped";
  }

  close(close: Close): void {
    this.#hangUp(close, "server");
  }

  /** Closes for a restart of the server, at which the SDK dials again. */
  drain(): void {
    this.#hangUp(closes.restart, "restart");
  }

  /** Counts what comes before an init. False: it was too much, and the socket is closed. */
  #withinGreeting(phase: Phase & { name: "greeting" }, frame: string | Uint8Array): boolean {
    const { appPreInitBytes } = this.#context.limits;
    if (typeof frame !== "string") phase.bytes += frame.byteLength;
    else phase.bytes += exceedsBytes(frame, appPreInitBytes) ? frame.length * 3 : Buffer.byteLength(frame);
    if (phase.bytes <= appPreInitBytes) return true;
    this.#context.reject("app", "oversized");
    this.#hangUp(closes.refused("Too much before the first tpa_connection_init"), "refused");
    return false;
  }

  #greet(state: Open, credentials: AppCredentials): void {
    let fault: Fault | undefined;
    const contained = this.#context.contain("app_init", undefined, () => {
      fault = this.#enter(state, credentials);
    });
    if (!contained) {
      this.#answer(state, new Fault("INTERNAL_ERROR"));
      this.#hangUp(closes.restart, "error");
    } else if (fault !== undefined) {
      this.#context.reject("app", fault.code);
      this.#answer(state, fault);
      this.#hangUp(fault.status >= 500 ? closes.restart : closes.refused(fault.message), "refused");
    }
  }

  #enter(state: Open, { sessionId, packageName, apiKey, userId }: AppCredentials): Fault | undefined {
    const session = this.#findSession(sessionId, packageName, userId);
    if (session === undefined) return new Fault("SESSION_NOT_FOUND");
    const accepted = session.apps.accept(packageName, apiKey, this.#nonce, this);
    if ("fault" in accepted) return accepted.fault;
    if ("close" in accepted) {
      this.#hangUp(accepted.close, "duplicate");
      return undefined;
    }
    if (state.phase.name === "greeting") state.phase.stopDeadline();
    state.phase = { name: "accepted", session, packageName, generation: accepted.generation };
    // The acknowledgement itself may have ended the socket, at a time when there was nobody to tell.
    if (this.#state !== state) this.#tellApps(state.phase);
    return undefined;
  }

  #findSession(sessionId: string, packageName: string, userId: string | undefined): Session | undefined {
    const { sessions } = this.#context;
    const found = sessions.findAppSession(sessionId, packageName);
    if (userId === undefined) return found;
    // Upgrade headers name the user as well: then both must mean the same.
    const session = sessions.getSession(canonicalUserId(userId));
    return found === undefined || found === session ? session : undefined;
  }

  #act(phase: Phase & { name: "accepted" }, message: AppMessage): void {
    if (message.type === "tpa_connection_init") {
      this.#context.reject("app", "out_of_turn", message.type);
      return;
    }
    // Only the package name tells a forgery: the SDK itself sends session ids that are empty, doubled or made up.
    if ("packageName" in message && message.packageName !== phase.packageName) {
      this.#context.reject("app", "forged", message.type);
      return;
    }
    this.#context.contain("app_message", phase.session.userId, () =>
      phase.session.apps.receive(phase.packageName, phase.generation, message),
    );
  }

  #answer(state: Open, fault: Fault): void {
    const message: ToApp = { type: "tpa_connection_error", code: fault.code, message: fault.message };
    state.queue.send(JSON.stringify({ ...message, timestamp: isoTime(this.#context.clock) }));
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
    this.#context.metrics.socketsClosed.inc({ side: "app", cause });
    this.#leave(state);
    if (close === undefined) state.socket.terminate();
    else state.socket.close(close.code, close.reason);
    // Later, since whoever asked for this may be in the middle of something.
    const { phase } = state;
    queueMicrotask(() => this.#tellApps(phase));
  }

  #leave(state: Open): void {
    this.#state = { name: "closed" };
    if (state.phase.name === "greeting") state.phase.stopDeadline();
    state.stopBeat();
    state.queue.close();
    this.#context.metrics.appSockets.dec();
  }

  #tellApps(phase: Phase): void {
    if (phase.name !== "accepted") return;
    this.#context.contain("app_close", phase.session.userId, () =>
      phase.session.apps.closed(phase.packageName, phase.generation),
    );
  }
}
