import type { Server, ServerWebSocket } from "bun";
import {
  type DeepgramResults,
  type SimulatedListener,
  SimulatedResults,
  SimulatedSentence,
  SimulatedTurnInfo,
} from "./deepgram-turns.ts";
import { EventLog } from "./event-log.ts";

/** What goes wrong with one connection. Without any of it the service is well. */
export interface DeepgramFaults {
  /** The upgrade is refused. */
  readonly refuse?: { readonly status: number; readonly body?: string };
  /** Before the upgrade is answered. Infinity: it never is. */
  readonly openMs?: number;
  /** After so many bytes of audio, or so long after the opening: a close. */
  readonly closeAfter?: {
    readonly bytes?: number;
    readonly ms?: number;
    readonly code: number;
    readonly reason?: string;
  };
  /** After so many bytes of audio the TCP connection is cut; 0 does so at once. */
  readonly cutAfterBytes?: number;
  /** So long after the opening the TCP connection is cut. */
  readonly cutAfterMs?: number;
  /** After so many bytes of audio nothing more is said; with 0 nothing ever is. */
  readonly silentAfterBytes?: number;
  /** After so many bytes this is said, whatever it is. */
  readonly sayAfter?: { readonly bytes: number; readonly text: string | Uint8Array };
  /** Everything that is said comes so much later. */
  readonly resultMs?: number;
  /** `CloseStream` is not answered. */
  readonly silentClose?: boolean;
  /** The audio is found to be in no known encoding. */
  readonly undecodable?: boolean;
}

export interface DeepgramSimulatorSettings extends Partial<DeepgramResults> {
  readonly apiKeys?: readonly string[];
  /** Temporary tokens, each good for one connection. */
  readonly tokens?: readonly string[];
  /** More at a time are refused with 429. */
  readonly maxOpen?: number;
  /** Without audio or `KeepAlive` for so long the connection is closed. */
  readonly idleMs?: number;
  /** Hears speech instead of numbers. What comes about later goes to `tell`. */
  readonly listen?: (tell: (messages: readonly object[]) => void) => SimulatedListener;
  /** The account may use `ForceEndTurn`. */
  readonly forceEndTurn?: boolean;
  /** What goes wrong with the connection of this number, from 0. */
  readonly faults?: (connection: number) => DeepgramFaults;
}

/** A message that came, and when (`performance.now`). */
export interface DeepgramFrame {
  /** `audio`, the type of a control message, or `invalid`. */
  readonly type: string;
  readonly bytes: number;
  readonly at: number;
}

/** One attempt to connect, refused ones included. */
export interface DeepgramVisit {
  readonly number: number;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly keyterms: readonly string[];
  readonly languageHints: readonly string[];
  readonly authorization: string | null;
  readonly frames: DeepgramFrame[];
  closed: boolean;
}

interface Connection {
  readonly visit: DeepgramVisit;
  readonly faults: DeepgramFaults;
  /** Undefined until the connection is open. */
  listener: SimulatedListener | undefined;
  readonly timers: Set<Timer>;
  state: "open" | "mute" | "closed";
  audioBytes: number;
  idle: Timer | undefined;
  saidGarbage: boolean;
}

type Socket = ServerWebSocket<Connection>;

/** Deepgram's `v1/listen` and `v2/listen`. Its words are the numbers in the audio. */
export class DeepgramSimulator {
  readonly visits: DeepgramVisit[] = [];
  /** Openings and ends, to wait for. */
  readonly happened = new EventLog<{ readonly kind: "opened" | "closed"; readonly visit: DeepgramVisit }>();
  settings: DeepgramSimulatorSettings;
  /** The most connections that were open at one time. */
  mostOpen = 0;
  readonly #server: Server<Connection>;
  readonly #tokens: Set<string>;
  #open = 0;

  constructor(settings: DeepgramSimulatorSettings = {}) {
    this.settings = settings;
    this.#tokens = new Set(settings.tokens);
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch: (request, server) => this.#upgrade(request, server),
      websocket: {
        data: {} as Connection,
        idleTimeout: 0,
        open: (socket) => this.#begin(socket),
        message: (socket, message) => this.#receive(socket, message),
        close: (socket) => this.#forget(socket),
      },
    });
  }

  /** What to set as the service's base URL. */
  get url(): string {
    return `ws://127.0.0.1:${this.#server.port}`;
  }

  /** Connections at this moment. */
  get open(): number {
    return this.#open;
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }

  async #upgrade(request: Request, server: Server<Connection>): Promise<Response | undefined> {
    const url = new URL(request.url);
    const visit: DeepgramVisit = {
      number: this.visits.length,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      keyterms: url.searchParams.getAll("keyterm"),
      languageHints: url.searchParams.getAll("language_hint"),
      authorization: request.headers.get("authorization"),
      frames: [],
      closed: false,
    };
    this.visits.push(visit);
    const faults = this.settings.faults?.(visit.number) ?? {};
    if (faults.openMs !== undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (faults.openMs !== Number.POSITIVE_INFINITY) setTimeout(resolve, faults.openMs);
      request.signal.addEventListener("abort", () => resolve());
      await promise;
      if (request.signal.aborted) return new Response("", { status: 499 });
    }
    const refusal = faults.refuse ?? this.#refusal(visit);
    if (refusal !== undefined) {
      const body = refusal.body ?? JSON.stringify({ err_code: "REFUSED", err_msg: "simulated" });
      return new Response(body, { status: refusal.status, headers: { "dg-error": "simulated" } });
    }
    const connection: Connection = {
      visit,
      faults,
      listener: undefined,
      timers: new Set(),
      state: "open",
      audioBytes: 0,
      idle: undefined,
      saidGarbage: false,
    };
    if (server.upgrade(request, { data: connection })) return undefined;
    return new Response("a WebSocket is spoken here", { status: 400 });
  }

  #listener(socket: Socket): SimulatedListener {
    const { path, query } = socket.data.visit;
    const { sentence, listen } = this.settings;
    if (listen !== undefined) return listen((messages) => this.#tell(socket, messages));
    if (sentence !== undefined) return new SimulatedSentence(sentence);
    return path === "/v2/listen" ? new SimulatedTurnInfo(query) : new SimulatedResults(this.settings, query);
  }

  /** What the service has against a visit, if anything. */
  #refusal({ path, query, authorization }: DeepgramVisit): { status: number; body?: string } | undefined {
    const { apiKeys, tokens, maxOpen } = this.settings;
    const [scheme, secret = ""] = (authorization ?? "").split(" ");
    if (apiKeys !== undefined || tokens !== undefined) {
      const known =
        (scheme === "Token" && apiKeys?.includes(secret) === true) ||
        (scheme === "Bearer" && this.#tokens.delete(secret));
      if (!known) return { status: 401 };
    }
    const model = query["model"] ?? "";
    if (path !== "/v1/listen" && path !== "/v2/listen") return { status: 404 };
    if (model.startsWith("flux") !== (path === "/v2/listen")) return { status: 400 };
    if ((query["encoding"] === undefined) !== (query["sample_rate"] === undefined)) return { status: 400 };
    if (model.startsWith("nova-3") && query["keywords"] !== undefined) return { status: 400 };
    if (query["utterance_end_ms"] !== undefined && query["interim_results"] !== "true")
      return { status: 400 };
    if (this.#open >= (maxOpen ?? Number.POSITIVE_INFINITY)) return { status: 429 };
    return undefined;
  }

  #begin(socket: Socket): void {
    const { data: connection } = socket;
    const { faults, visit } = connection;
    const listener = this.#listener(socket);
    connection.listener = listener;
    this.#open++;
    this.mostOpen = Math.max(this.mostOpen, this.#open);
    this.happened.add({ kind: "opened", visit });
    if (faults.silentAfterBytes === 0) connection.state = "mute";
    if (listener instanceof SimulatedTurnInfo) this.#tell(socket, [listener.connected()]);
    const { closeAfter } = faults;
    if (closeAfter?.ms !== undefined) {
      const close = () => socket.close(closeAfter.code, closeAfter.reason ?? "");
      this.#later(socket, closeAfter.ms, close);
    }
    if (faults.cutAfterMs !== undefined) this.#later(socket, faults.cutAfterMs, () => socket.terminate());
    if (faults.cutAfterBytes === 0) socket.terminate();
    else this.#restartIdle(socket);
  }

  #receive(socket: Socket, message: string | Buffer): void {
    const { data: connection } = socket;
    if (connection.state === "closed") return;
    const type = typeof message === "string" ? typeOf(message) : "audio";
    const bytes = typeof message === "string" ? Buffer.byteLength(message) : message.byteLength;
    connection.visit.frames.push({ type, bytes, at: performance.now() });
    if (connection.state === "mute") return;
    if (typeof message === "string") {
      this.#obey(socket, type);
      return;
    }
    this.#restartIdle(socket);
    if (bytes === 0) socket.close(1000);
    else if (connection.faults.undecodable === true || bytes % 2 !== 0) {
      socket.close(1008, "DATA-0000: the audio could not be decoded");
    } else this.#hear(socket, message);
  }

  #obey(socket: Socket, type: string): void {
    const { listener, faults, visit } = socket.data;
    if (listener === undefined) return;
    const flux = visit.path === "/v2/listen";
    if (type === "CloseStream") {
      if (faults.silentClose === true) return;
      void this.#finish(socket, listener);
    } else if (type === "KeepAlive" && !flux) this.#restartIdle(socket);
    else if (type === "Finalize" && !flux) this.#tell(socket, listener.finalize());
    else if (type === "ForceEndTurn" && flux && this.settings.forceEndTurn === true) {
      this.#tell(socket, listener.finalize());
    } else {
      const description = "the message cannot be understood";
      this.#tell(socket, [{ type: "Error", code: "UNPARSABLE_CLIENT_MESSAGE", description }]);
      this.#later(socket, faults.resultMs ?? 0, () => socket.close(1008, "UNPARSABLE_CLIENT_MESSAGE"));
    }
  }

  async #finish(socket: Socket, listener: SimulatedListener): Promise<void> {
    this.#tell(socket, await listener.finish());
    this.#later(socket, socket.data.faults.resultMs ?? 0, () => socket.close(1000));
  }

  #hear(socket: Socket, message: Buffer): void {
    const { data: connection } = socket;
    connection.audioBytes += message.byteLength;
    // A message may begin at an odd address.
    const aligned = message.byteOffset % 2 === 0 ? message : Buffer.from(new Uint8Array(message).buffer);
    const pcm = new Int16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
    this.#tell(socket, connection.listener?.hear(pcm) ?? []);
    this.#misbehave(socket);
  }

  #misbehave(socket: Socket): void {
    const { data: connection } = socket;
    const { faults, audioBytes } = connection;
    const reached = (bytes: number | undefined) => bytes !== undefined && audioBytes >= bytes;
    if (reached(faults.sayAfter?.bytes) && !connection.saidGarbage) {
      connection.saidGarbage = true;
      socket.send(faults.sayAfter?.text ?? "");
    }
    if (reached(faults.cutAfterBytes)) socket.terminate();
    else if (reached(faults.closeAfter?.bytes)) {
      socket.close(faults.closeAfter?.code, faults.closeAfter?.reason ?? "");
    } else if (reached(faults.silentAfterBytes)) connection.state = "mute";
  }

  /** Says messages, late where they are late. */
  #tell(socket: Socket, messages: readonly object[]): void {
    if (messages.length === 0) return;
    this.#later(socket, socket.data.faults.resultMs ?? 0, () => {
      if (socket.data.state === "open") for (const message of messages) socket.send(JSON.stringify(message));
    });
  }

  #restartIdle(socket: Socket): void {
    const { data: connection } = socket;
    if (connection.idle !== undefined) {
      connection.idle.refresh();
      return;
    }
    connection.idle = setTimeout(() => {
      socket.close(1011, "NET-0001: no audio and no KeepAlive within the time allowed");
    }, this.settings.idleMs ?? 10_000);
  }

  #later(socket: Socket, ms: number, act: () => void): void {
    if (ms === 0) {
      act();
      return;
    }
    const { timers } = socket.data;
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, ms);
    timers.add(timer);
  }

  #forget(socket: Socket): void {
    const { data: connection } = socket;
    if (connection.state === "closed") return;
    connection.state = "closed";
    this.#open--;
    for (const timer of connection.timers) clearTimeout(timer);
    clearTimeout(connection.idle);
    connection.listener?.close?.();
    connection.visit.closed = true;
    this.happened.add({ kind: "closed", visit: connection.visit });
  }
}

function typeOf(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null || !("type" in parsed)) return "invalid";
    return typeof parsed.type === "string" ? parsed.type : "invalid";
  } catch {
    return "invalid";
  }
}
