import type { SessionRequest, ToApp } from "../../src/wire/apps.ts";
import { EventLog } from "./event-log.ts";

/** One session of a wire app. */
export interface WireAppSession {
  readonly userId: string;
  readonly socket: WebSocket;
  readonly messages: EventLog<ToApp>;
  /** Raw audio received, in bytes. */
  audioBytes: number;
  closed: { code: number; reason: string } | undefined;
}

/** Closes after which a client is not to dial again. */
const finalCodes = [1000, 1008, 4000, 4001];

/**
 * An app server without the SDK, for tests with many sessions: dials back on every webhook and speaks the bare protocol. If
 * it keeps count, it dials again by itself after a loss, and says then how far it has got.
 */
export class WireApp {
  readonly sessions = new EventLog<WireAppSession>();
  /** Webhooks received, by type. */
  readonly webhooks: string[] = [];
  readonly #packageName: string;
  readonly #apiKey: string;
  readonly #subscriptions: readonly string[];
  readonly #server;
  /** How soon it dials again after a loss; undefined: not by itself, and it keeps no count. */
  readonly #redialMs: number | undefined;
  /** The number up to which each session has got everything. */
  readonly #lastSeqs = new Map<string, number>();
  /** Of each session, the socket that counts: what comes over an older one does not. */
  readonly #current = new Map<string, WebSocket>();
  #closed = false;

  constructor(packageName: string, apiKey: string, subscriptions: readonly string[], redialMs?: number) {
    this.#redialMs = redialMs;
    this.#packageName = packageName;
    this.#apiKey = apiKey;
    this.#subscriptions = subscriptions;
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const body = (await request.json()) as SessionRequest | { type: "stop_request" };
        this.webhooks.push(body.type);
        if (body.type === "session_request") this.#dial(body);
        return Response.json({ status: "success" });
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  show(session: WireAppSession, text: string): void {
    session.socket.send(
      JSON.stringify({ type: "display_event", view: "main", layout: { layoutType: "text_wall", text } }),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { socket } of this.sessions.events) socket.close();
    await this.#server.stop(true);
  }

  #dial(request: SessionRequest): void {
    const socket = new WebSocket(request.mentraOSWebsocketUrl);
    socket.binaryType = "arraybuffer";
    const session: WireAppSession = {
      userId: request.userId,
      socket,
      messages: new EventLog(),
      audioBytes: 0,
      closed: undefined,
    };
    const { sessionId } = request;
    const isCurrent = () => this.#redialMs === undefined || this.#current.get(sessionId) === socket;
    this.#current.set(sessionId, socket);
    socket.onopen = () => {
      const init = {
        type: "tpa_connection_init",
        sessionId,
        packageName: this.#packageName,
        apiKey: this.#apiKey,
        ...(this.#redialMs !== undefined && { lastSeq: this.#lastSeqs.get(sessionId) ?? 0 }),
      };
      socket.send(JSON.stringify(init));
    };
    socket.onmessage = ({ data }) => {
      if (!isCurrent()) return;
      if (typeof data !== "string") {
        session.audioBytes += data.byteLength;
        return;
      }
      const message: ToApp & { readonly seq: number } = JSON.parse(data);
      // The acknowledgement is ahead of what is sent again, and says where that begins.
      const { resume } = message.type === "tpa_connection_ack" ? message : {};
      this.#lastSeqs.set(sessionId, resume?.seq ?? message.seq);
      if (message.type === "tpa_connection_ack") {
        socket.send(JSON.stringify({ type: "subscription_update", subscriptions: this.#subscriptions }));
      }
      session.messages.add(message);
    };
    socket.onclose = ({ code, reason }) => {
      session.closed = { code, reason };
      if (this.#redialMs === undefined || !isCurrent() || finalCodes.includes(code)) return;
      setTimeout(() => {
        if (!this.#closed && isCurrent()) this.#dial(request);
      }, this.#redialMs);
    };
    this.sessions.add(session);
  }
}
