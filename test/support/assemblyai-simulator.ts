import type { Server, ServerWebSocket } from "bun";
import { type AssemblyAiTurns, SimulatedTurns } from "./assemblyai-turns.ts";
import { EventLog } from "./event-log.ts";
import { tlsCertificate } from "./tls-certificate.ts";

/** What goes wrong with one connection. Without any of it the service is well. */
export interface AssemblyAiFaults {
  /** The upgrade is refused. */
  readonly refuse?: { readonly status: number; readonly body?: string };
  /** From the upgrade to `Begin`. Infinity: it never comes. */
  readonly beginMs?: number;
  /** Instead of `Begin`: an error, and a close with its code. */
  readonly errorAtOpen?: { readonly code: number; readonly error: string };
  /** Instead of `Begin`: a close without a word. */
  readonly closeAtOpen?: { readonly code: number; readonly reason: string };
  /** After so many bytes of audio: an error, if there is a text, and a close. */
  readonly closeAfter?: {
    readonly bytes: number;
    readonly code: number;
    readonly reason?: string;
    readonly error?: string;
  };
  /** After so many bytes the TCP connection is cut. */
  readonly cutAfterBytes?: number;
  /** After so many bytes nothing more is said. */
  readonly silentAfterBytes?: number;
  /** After so many bytes this is said, whatever it is. */
  readonly sayAfter?: { readonly bytes: number; readonly text: string };
  /** Every turn comes so much later. */
  readonly resultMs?: number;
  /** `Terminate` is not answered. */
  readonly silentTerminate?: boolean;
  /** Turns end without their formatted version. */
  readonly unformatted?: boolean;
}

export interface AssemblyAiSettings extends Partial<AssemblyAiTurns> {
  readonly apiKeys?: readonly string[];
  /** Each good for one connection. */
  readonly tokens?: readonly string[];
  /** More at a time are refused with 3009. */
  readonly maxOpen?: number;
  /** More a minute are refused with 3009. */
  readonly opensPerMinute?: number;
  readonly sessionMs?: number;
  /** Audio that comes faster than so many times real time is refused with 3007, after a second of grace. */
  readonly maxSpeed?: number;
  /** What goes wrong with the connection of this number, from 0. */
  readonly faults?: (connection: number) => AssemblyAiFaults;
}

/** A message that came, and when (`performance.now`). */
export interface ReceivedFrame {
  readonly type: string;
  readonly bytes: number;
  readonly at: number;
}

/** One attempt to connect, refused ones included. */
export interface AssemblyAiVisit {
  readonly number: number;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly authorization: string | null;
  readonly frames: ReceivedFrame[];
  closed: boolean;
}

interface Connection {
  readonly visit: AssemblyAiVisit;
  readonly faults: AssemblyAiFaults;
  readonly turns: SimulatedTurns;
  readonly timers: Set<Timer>;
  state: "opening" | "open" | "mute" | "closed";
  audioBytes: number;
  firstAudioAt: number | undefined;
  inactivity: Timer | undefined;
}

type Socket = ServerWebSocket<Connection>;

const sampleBytes = 2;
const bytesPerMs = 32;

/**
 * AssemblyAI's streaming service, version 3, over TLS with a certificate that nobody has signed. Its words are the
 * numbers in the audio.
 */
export class AssemblyAiSimulator {
  readonly visits: AssemblyAiVisit[] = [];
  /** The visits again, to wait for; reported as they begin and as they end. */
  readonly happened = new EventLog<{ readonly kind: "opened" | "closed"; readonly visit: AssemblyAiVisit }>();
  settings: AssemblyAiSettings;
  readonly #server: Server<Connection>;
  readonly #openedAt: number[] = [];
  readonly #tokens: Set<string>;
  readonly #sockets = new Map<number, Socket>();
  /** The most connections that were open at one time. */
  mostOpen = 0;

  constructor(settings: AssemblyAiSettings = {}) {
    this.settings = settings;
    this.#tokens = new Set(settings.tokens);
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: tlsCertificate.cert, key: tlsCertificate.key },
      fetch: (request, server) => this.#upgrade(request, server),
      websocket: {
        data: {} as Connection,
        open: (socket) => this.#begin(socket),
        message: (socket, message) => this.#receive(socket, message),
        close: (socket) => this.#forget(socket),
      },
    });
  }

  /** What to set as the service's address. */
  get url(): string {
    return `wss://127.0.0.1:${this.#server.port}/v3/ws`;
  }

  /** Connections at this moment. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Says something of the test's own on a connection. */
  say(connection: number, message: object): void {
    const socket = this.#sockets.get(connection);
    if (socket !== undefined) this.#say(socket, message);
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }

  #upgrade(request: Request, server: Server<Connection>): Response | undefined {
    const url = new URL(request.url);
    const visit: AssemblyAiVisit = {
      number: this.visits.length,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      authorization: request.headers.get("authorization"),
      frames: [],
      closed: false,
    };
    this.visits.push(visit);
    const faults = this.settings.faults?.(visit.number) ?? {};
    if (faults.refuse !== undefined) {
      return new Response(faults.refuse.body ?? "", { status: faults.refuse.status });
    }
    const connection: Connection = {
      visit,
      faults,
      turns: new SimulatedTurns({
        ...this.settings,
        formatTurns: visit.query["format_turns"] === "true" && faults.unformatted !== true,
      }),
      timers: new Set(),
      state: "opening",
      audioBytes: 0,
      firstAudioAt: undefined,
      inactivity: undefined,
    };
    if (server.upgrade(request, { data: connection })) return undefined;
    return new Response("a WebSocket is spoken here", { status: 400 });
  }

  #begin(socket: Socket): void {
    const { data: connection } = socket;
    const { faults, visit } = connection;
    this.#sockets.set(visit.number, socket);
    this.mostOpen = Math.max(this.mostOpen, this.open);
    this.happened.add({ kind: "opened", visit });
    if (faults.closeAtOpen !== undefined) {
      socket.close(faults.closeAtOpen.code, faults.closeAtOpen.reason);
      return;
    }
    const refusal = faults.errorAtOpen ?? this.#refusal(visit);
    if (refusal !== undefined) {
      this.#fail(socket, refusal.code, refusal.error);
      return;
    }
    this.#openedAt.push(performance.now());
    const beginMs = faults.beginMs ?? 0;
    if (beginMs === Number.POSITIVE_INFINITY) return;
    this.#later(socket, beginMs, () => this.#listen(socket));
  }

  #listen(socket: Socket): void {
    const { data: connection } = socket;
    if (connection.state !== "opening") return;
    connection.state = "open";
    const { sessionMs } = this.settings;
    const expires_at = Math.floor((Date.now() + (sessionMs ?? 3 * 3_600_000)) / 1000);
    this.#say(socket, { type: "Begin", id: crypto.randomUUID(), expires_at });
    if (sessionMs !== undefined) {
      const error = "Session expired: maximum session duration exceeded";
      this.#later(socket, sessionMs, () => this.#fail(socket, 3008, error));
    }
    this.#restartInactivity(socket);
  }

  /** What the service has against a visit, if anything. */
  #refusal({ query, authorization }: AssemblyAiVisit): { code: number; error: string } | undefined {
    const { apiKeys, tokens, maxOpen, opensPerMinute } = this.settings;
    const { token, sample_rate: rate, encoding } = query;
    if (apiKeys !== undefined || tokens !== undefined) {
      const known = token === undefined ? apiKeys?.includes(authorization ?? "") : this.#tokens.delete(token);
      if (known !== true) return { code: 1008, error: "Unauthorized Connection: invalid or missing key" };
    }
    if (rate !== "16000" || (encoding ?? "pcm_s16le") !== "pcm_s16le") {
      return { code: 3006, error: "Invalid sample_rate or encoding" };
    }
    if (query["speech_model"] === undefined) return { code: 3006, error: "speech_model is required" };
    const minuteAgo = performance.now() - 60_000;
    const recent = this.#openedAt.filter((at) => at > minuteAgo).length;
    if (this.open > (maxOpen ?? Number.POSITIVE_INFINITY) || recent >= (opensPerMinute ?? recent + 1)) {
      return { code: 3009, error: "Too many concurrent sessions" };
    }
    return undefined;
  }

  #receive(socket: Socket, message: string | Buffer): void {
    const { data: connection } = socket;
    if (connection.state === "closed" || connection.state === "opening") return;
    const bytes = typeof message === "string" ? Buffer.byteLength(message) : message.byteLength;
    const command = typeof message === "string" ? commandOf(message) : undefined;
    const type = typeof message === "string" ? (command?.type ?? "invalid") : "audio";
    connection.visit.frames.push({ type, bytes, at: performance.now() });
    if (connection.state === "mute") return;
    this.#restartInactivity(socket);
    if (typeof message !== "string") this.#hear(socket, message);
    else this.#obey(socket, type, command);
  }

  #obey(socket: Socket, type: string, command: Record<string, unknown> | undefined): void {
    const { data: connection } = socket;
    switch (type) {
      case "ForceEndpoint":
        this.#tell(socket, connection.turns.end());
        return;
      case "UpdateConfiguration":
        this.#say(socket, { ...command });
        return;
      case "KeepAlive":
        return;
      case "Terminate":
        if (connection.faults.silentTerminate === true) return;
        this.#tell(socket, connection.turns.end());
        this.#later(socket, connection.faults.resultMs ?? 0, () => {
          const seconds = connection.audioBytes / bytesPerMs / 1000;
          this.#say(socket, {
            type: "Termination",
            audio_duration_seconds: seconds,
            session_duration_seconds: seconds,
          });
          socket.close(1000);
        });
        return;
      default:
        this.#fail(socket, 3006, "Invalid Message Type");
    }
  }

  #hear(socket: Socket, message: Buffer): void {
    const { data: connection } = socket;
    const ms = message.byteLength / bytesPerMs;
    if (message.byteLength % sampleBytes !== 0 || ms < 50 || ms > 1_000) {
      this.#fail(socket, 3007, "Input Duration Error: between 50 and 1000 ms of audio are expected");
      return;
    }
    const now = performance.now();
    connection.firstAudioAt ??= now;
    connection.audioBytes += message.byteLength;
    const { maxSpeed } = this.settings;
    const audioMs = connection.audioBytes / bytesPerMs;
    if (maxSpeed !== undefined && audioMs - 1_000 > (now - connection.firstAudioAt) * maxSpeed) {
      this.#fail(socket, 3007, "Audio Transmission Rate Exceeded: audio came faster than real time");
      return;
    }
    // A message may begin at an odd address.
    const samples = new Int16Array(new Uint8Array(message).buffer);
    this.#tell(socket, connection.turns.hear(samples));
    this.#misbehave(socket);
  }

  #misbehave(socket: Socket): void {
    const { faults, audioBytes } = socket.data;
    const reached = (bytes: number | undefined) => bytes !== undefined && audioBytes >= bytes;
    if (reached(faults.cutAfterBytes)) socket.terminate();
    else if (faults.closeAfter !== undefined && reached(faults.closeAfter.bytes)) {
      const { code, reason, error } = faults.closeAfter;
      if (error === undefined) socket.close(code, reason ?? "");
      else this.#fail(socket, code, error);
    } else if (faults.sayAfter !== undefined && reached(faults.sayAfter.bytes)) {
      socket.send(faults.sayAfter.text);
    } else if (reached(faults.silentAfterBytes)) socket.data.state = "mute";
  }

  /** Tells turns, late where results are late. */
  #tell(socket: Socket, turns: readonly object[]): void {
    if (turns.length === 0) return;
    this.#later(socket, socket.data.faults.resultMs ?? 0, () => {
      for (const turn of turns) this.#say(socket, turn);
    });
  }

  #fail(socket: Socket, code: number, error: string): void {
    this.#say(socket, { type: "Error", error_code: code, error });
    socket.close(code, error.slice(0, 100));
  }

  #say(socket: Socket, message: object): void {
    if (socket.data.state !== "mute" && socket.data.state !== "closed") socket.send(JSON.stringify(message));
  }

  #restartInactivity(socket: Socket): void {
    const seconds = Number(socket.data.visit.query["inactivity_timeout"]);
    if (!(seconds > 0)) return;
    clearTimeout(socket.data.inactivity);
    socket.data.inactivity = setTimeout(() => this.#fail(socket, 4031, "Session Timeout"), seconds * 1000);
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
    this.#sockets.delete(connection.visit.number);
    for (const timer of connection.timers) clearTimeout(timer);
    clearTimeout(connection.inactivity);
    connection.visit.closed = true;
    this.happened.add({ kind: "closed", visit: connection.visit });
  }
}

/** The message as an object with a type, or undefined. */
function commandOf(text: string): (Record<string, unknown> & { type: string }) | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null || !("type" in parsed)) return undefined;
    return typeof parsed.type === "string" ? { ...parsed, type: parsed.type } : undefined;
  } catch {
    return undefined;
  }
}
