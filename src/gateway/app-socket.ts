import { isoTime } from "../kernel/clock.ts";
import { Fault } from "../kernel/faults.ts";
import { canonicalUserId } from "../kernel/identity.ts";
import type { Stop } from "../kernel/stop.ts";
import { TokenBucket } from "../kernel/token-bucket.ts";
import type { NumberedMessage } from "../session/numbered-message.ts";
import type { AppPort, MessageClass, SendResult } from "../session/ports.ts";
import { type AppMessage, parseAppMessage, type ToApp } from "../wire/apps.ts";
import { answerToBadRequest } from "../wire/bad-requests.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import { refusalError } from "../wire/refusals.ts";
import type { AppCredentials } from "./app-token.ts";
import { MessageRate } from "./message-rate.ts";
import { OpenSocket } from "./open-socket.ts";
import type { RawSocket } from "./send-queue.ts";
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
      readonly connection: OpenSocket;
      phase: Phase;
    }
  | { readonly name: "closed" };

type Open = State & { name: "open" };

type BadRequest = Extract<ReturnType<typeof parseAppMessage>, { kind: "invalid" }>;

/**
 * One connection of an app. Who it is, is settled once, by its first message or by its upgrade headers; from then on
 * nothing that a frame says about its sender is believed.
 */
export class AppSocket implements AppPort {
  readonly peer: string;
  readonly #context: SocketContext;
  readonly #nonce: string | undefined;
  readonly #credentials: AppCredentials | undefined;
  readonly #rate: MessageRate;
  readonly #forgeryAnswers = new TokenBucket(1, 1);
  #state: State = { name: "upgrading" };
  #framesIn = 0;

  /**
   * @param nonce of the webhook that this dial answers, from the path.
   * @param credentials of an app that authenticated by its upgrade headers.
   * @param peer the address that it dialled from.
   */
  constructor(
    context: SocketContext,
    nonce: string | undefined,
    credentials: AppCredentials | undefined,
    peer: string,
  ) {
    this.peer = peer;
    this.#rate = new MessageRate(context, "app");
    this.#context = context;
    this.#nonce = nonce;
    this.#credentials = credentials;
  }

  opened(socket: RawSocket): void {
    const context = this.#context;
    const { clock, limits } = context;
    const connection = new OpenSocket({
      context,
      side: "app",
      socket,
      framesIn: () => this.#framesIn,
      onEnd: () => this.#ended(),
    });
    const state: Open = {
      name: "open",
      connection,
      phase: {
        name: "greeting",
        bytes: 0,
        stopDeadline: clock.after(limits.appInitMs, () => this.#hangUp(closes.silent, "no_init")),
      },
    };
    this.#state = state;
    if (this.#context.draining) this.#hangUp(closes.restart, "restart");
    else if (this.#credentials !== undefined) this.#greet(state, this.#credentials);
  }

  /** One frame as it came. Apps send text only. */
  received(frame: string | Uint8Array): void {
    const state = this.#state;
    if (state.name !== "open") return;
    this.#framesIn++;
    if (state.phase.name === "greeting" && !this.#withinGreeting(state.phase, frame)) return;
    if (typeof frame !== "string") {
      this.#context.reject("app", "binary");
      return;
    }
    this.#context.metrics.messagesIn.inc({ side: "app" });
    if (!this.#isReadable(frame)) return;
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
      if (parsed.kind === "invalid") {
        this.#refuse(state.phase, parsed);
      }
      return;
    }
    this.#act(state.phase, parsed.message);
  }

  /** What the transport reports to by itself: pongs, room to send, the end. Undefined before and after. */
  get connection(): OpenSocket | undefined {
    return this.#state.name === "open" ? this.#state.connection : undefined;
  }

  get queuedBytes(): number {
    return this.#state.name === "open" ? this.#state.connection.queue.queuedBytes : 0;
  }

  /** A pong, with what the ping had said. */
  ponged(payload: string): void {
    const state = this.#state;
    if (state.name !== "open") return;
    state.connection.answered();
    const seq = Number(payload);
    const { phase } = state;
    if (phase.name !== "accepted" || !Number.isSafeInteger(seq)) return;
    this.#context.contain("app_receipt", phase.session.userId, () =>
      phase.session.apps.confirmed(phase.packageName, phase.generation, seq),
    );
  }

  askReceipt(seq: number): void {
    this.connection?.askReceipt(seq);
  }

  send(numbered: NumberedMessage, messageClass: MessageClass, slot = ""): SendResult {
    const { metrics, limits } = this.#context;
    if (this.#state.name !== "open") {
      metrics.messagesDropped.inc({ side: "app", class: messageClass });
      return "dropped";
    }
    metrics.messagesOut.inc({ side: "app" });
    const { text } = numbered;
    const { queue } = this.#state.connection;
    if (messageClass === "interim") {
      return queue.sendLatest(slot, text, "interim", limits.socketQueueBytes / 4);
    }
    // A waiting interim must not come after the final that ends it.
    if (slot !== "") queue.forget(slot);
    return queue.send(text, messageClass);
  }

  sendAudio(pcm: Uint8Array): SendResult {
    if (this.#state.name === "open") return this.#state.connection.queue.sendAudio(pcm);
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

  /** Whether a frame is worth the reading: nobody may keep the main loop busy with it. */
  #isReadable(frame: string): boolean {
    const { appFrameBytes } = this.#context.limits;
    const tooMany = () => {
      this.#say(refusalError("TOO_MANY_REQUESTS", "This app sends too many messages"));
    };
    if (!this.#rate.admits(frame, tooMany)) return false;
    if (!exceedsBytes(frame, appFrameBytes) || isDisplay(frame)) return true;
    this.#context.reject("app", "oversized");
    const problem = `Only a display may have more than ${appFrameBytes} bytes`;
    this.#say(refusalError("BAD_REQUEST", problem));
    return false;
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

  #enter(
    state: Open,
    { sessionId, packageName, apiKey, userId, lastSeq }: AppCredentials,
  ): Fault | undefined {
    const session = this.#findSession(sessionId, packageName, userId);
    if (session === undefined) return new Fault("SESSION_NOT_FOUND");
    const accepted = session.apps.accept(packageName, apiKey, this.#nonce, this, lastSeq);
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
      if (this.#forgeryAnswers.take(this.#context.clock.now())) {
        this.#say(refusalError("PERMISSION_DENIED", "The message names another app as its sender"));
      }
      return;
    }
    const { display } = this.#context;
    if (message.type === "display_event") display.asked();
    this.#context.contain("app_message", phase.session.userId, () =>
      phase.session.apps.receive(phase.packageName, phase.generation, message),
    );
    display.done();
  }

  /** Where the app waits for the answer elsewhere than on its socket, its session sees to that. */
  #refuse(phase: Phase & { name: "accepted" }, { type, frame, problem }: BadRequest): void {
    const { session, packageName, generation } = phase;
    let answered = false;
    this.#context.contain("app_message", session.userId, () => {
      answered = session.apps.receiveBad(packageName, generation, type, frame, problem);
    });
    if (!answered) this.#say(answerToBadRequest(type, frame, problem, packageName));
  }

  #answer(state: Open, fault: Fault): void {
    this.#write(state, { type: "tpa_connection_error", code: fault.code, message: fault.message });
  }

  /** What the socket itself has to say, under a number once its app is known. */
  #say(message: ToApp): void {
    const state = this.#state;
    if (state.name !== "open") return;
    const { phase } = state;
    if (phase.name === "accepted") phase.session.apps.tell(phase.packageName, phase.generation, message);
    else this.#write(state, message);
  }

  #write(state: Open, message: ToApp): void {
    state.connection.queue.send(JSON.stringify({ ...message, timestamp: isoTime(this.#context.clock) }));
  }

  #hangUp(close: Close, cause: string): void {
    if (this.#state.name === "open") this.#state.connection.hangUp(close, cause);
  }

  /** Who the peer was at its end is settled here: an acknowledgement may be under way, and sees to its own. */
  #ended(): () => void {
    const state = this.#state;
    this.#state = { name: "closed" };
    if (state.name !== "open") return () => {};
    const { phase } = state;
    if (phase.name === "greeting") phase.stopDeadline();
    return () => this.#tellApps(phase);
  }

  #tellApps(phase: Phase): void {
    if (phase.name !== "accepted") return;
    this.#context.contain("app_close", phase.session.userId, () =>
      phase.session.apps.closed(phase.packageName, phase.generation),
    );
  }
}

/** Where apps write what a message is: behind no more than a timestamp, two ids and a package name. */
const headChars = 512;

/** Whether a frame says at its beginning that it is a display, found without reading the rest. */
function isDisplay(frame: string): boolean {
  return /"type"\s*:\s*"display_event"/.test(frame.slice(0, headChars));
}
