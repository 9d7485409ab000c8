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

/** An app server without the SDK, for tests with many sessions: dials back on every webhook and speaks the bare protocol. */
export class WireApp {
  readonly sessions = new EventLog<WireAppSession>();
  /** Webhooks received, by type. */
  readonly webhooks: string[] = [];
  readonly #packageName: string;
  readonly #apiKey: string;
  readonly #subscriptions: readonly string[];
  readonly #server;

  constructor(packageName: string, apiKey: string, subscriptions: readonly string[]) {
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
    socket.onopen = () => {
      const init = {
        type: "tpa_connection_init",
        sessionId,
        packageName: this.#packageName,
        apiKey: this.#apiKey,
      };
      socket.send(JSON.stringify(init));
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") {
        session.audioBytes += data.byteLength;
        return;
      }
      const message: ToApp = JSON.parse(data);
      if (message.type === "tpa_connection_ack") {
        socket.send(JSON.stringify({ type: "subscription_update", subscriptions: this.#subscriptions }));
      }
      session.messages.add(message);
    };
    socket.onclose = ({ code, reason }) => {
      session.closed = { code, reason };
    };
    this.sessions.add(session);
  }
}
