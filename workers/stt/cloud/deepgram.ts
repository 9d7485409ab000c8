import { DeepgramClient } from "@deepgram/sdk";
import { sampleRate, samplesPerMs } from "../../../src/audio/recent-audio.ts";
import { closeFailure, openFailure } from "./deepgram-failure.ts";
import { FluxListener } from "./deepgram-flux.ts";
import { type DeepgramListener, fieldsOf } from "./deepgram-message.ts";
import { NovaListener } from "./deepgram-nova.ts";
import { isFlux, serves, wishFor } from "./deepgram-request.ts";
import { DeepgramTransport } from "./deepgram-transport.ts";
import { ProviderTime } from "./provider-time.ts";
import type {
  CloudConnection,
  CloudVendor,
  ConnectionFailure,
  ConnectionSink,
  ConnectOptions,
  VendorCapabilities,
} from "./vendor.ts";

/** How to prove who we are: nothing at all suits a service of one's own. */
export type DeepgramCredential =
  | { readonly kind: "apiKey"; readonly apiKey: string }
  /** Asked for with every connection, as such tokens live for seconds. */
  | { readonly kind: "accessToken"; readonly accessToken: () => string | Promise<string> }
  | { readonly kind: "none" };

export interface DeepgramSettings {
  readonly credential: DeepgramCredential;
  /** `nova-3`, `flux-general-en` and the like. */
  readonly model: string;
  /** Such as `wss://api.deepgram.com`; the path is added. */
  readonly baseUrl?: string;
  /** Tells speakers apart. Off by default: far fewer such connections are allowed at a time. */
  readonly diarize?: boolean;
  /** Silence that ends an utterance. */
  readonly endpointingMs?: number;
  /** Gap between words that ends one where noise hides the silence; 1000 at least. */
  readonly utteranceEndMs?: number;
  /** The account is entitled to end a Flux turn by command; without it the service closes on the command. */
  readonly forceEndTurn?: boolean;
  /** How long a connection may take to open. */
  readonly connectTimeoutMs?: number;
  readonly maxReplaySpeed?: number;
}

/** Speech by Deepgram: the Nova models on `v1/listen`, Flux on `v2/listen`, whichever the settings name. */
export class Deepgram implements CloudVendor {
  readonly id = "deepgram";
  readonly capabilities: VendorCapabilities;
  readonly #settings: DeepgramSettings;

  constructor(settings: DeepgramSettings) {
    this.#settings = settings;
    this.capabilities = {
      minChunkMs: 20,
      maxChunkMs: 1_000,
      maxReplaySpeed: settings.maxReplaySpeed ?? 1.25,
      idleMs: 10_000,
      keepAliveMs: 4_000,
      maxSessionMs: undefined,
    };
  }

  supports(language: string): boolean {
    return serves(this.#settings.model, language);
  }

  connect(options: ConnectOptions, sink: ConnectionSink): CloudConnection {
    return new DeepgramConnection(this.#settings, options, sink);
  }
}

/** What Nova's and Flux' sockets of the SDK have in common. */
interface Socket {
  on(event: "open", handler: () => void): void;
  on(event: "message", handler: (message: unknown) => void): void;
  on(event: "close", handler: (event: { readonly code: number; readonly reason?: string }) => void): void;
  on(event: "error", handler: (error: Error) => void): void;
  connect(): unknown;
  close(): void;
  sendMedia(audio: Int16Array): void;
  sendCloseStream(message: { type: "CloseStream" }): void;
}

type Phase = "opening" | "open" | "closing" | "ended";

/** Flux knows no keep-alive: a little silence serves. */
const keepAliveSilence = new Int16Array(100 * samplesPerMs);
/** Flux ends a turn by itself after about so much silence. */
const endOfTurnSilence = new Int16Array(1_000 * samplesPerMs);

class DeepgramConnection implements CloudConnection {
  readonly #settings: DeepgramSettings;
  readonly #options: ConnectOptions;
  readonly #sink: ConnectionSink;
  readonly #time = new ProviderTime();
  readonly #listener: DeepgramListener;
  #phase: Phase = "opening";
  #socket: Socket | undefined;
  /** Control messages that only one of the two services has. */
  #controls: { keepAlive(): void; finalize(): void } | undefined;
  #transport: DeepgramTransport | undefined;
  /** Until it is open the longest wait for that, and once it is closing the longest for the last words. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #abort = (): void => this.#end(undefined);

  constructor(settings: DeepgramSettings, options: ConnectOptions, sink: ConnectionSink) {
    this.#settings = settings;
    this.#options = options;
    this.#sink = sink;
    this.#listener = isFlux(settings.model) ? new FluxListener(this.#time) : new NovaListener(this.#time);
    const timeoutMs = settings.connectTimeoutMs ?? 4_000;
    this.#timer = setTimeout(() => {
      this.#end({ kind: "transient", detail: `not open within ${timeoutMs} ms` });
    }, timeoutMs);
    options.signal.addEventListener("abort", this.#abort, { once: true });
    // Nothing ends before the caller has the connection in hand.
    queueMicrotask(() => {
      if (options.signal.aborted) this.#end(undefined);
      else void this.#open();
    });
  }

  get bufferedBytes(): number {
    return this.#phase === "ended" ? 0 : (this.#transport?.bufferedBytes ?? 0);
  }

  write(pcm: Int16Array, startSample: number): void {
    // An empty binary message would end the stream.
    if (this.#phase !== "open" || pcm.length === 0) return;
    // Counted first: an answer is never about audio that is not known.
    this.#time.sent(startSample, pcm.length);
    this.#send((socket) => socket.sendMedia(pcm));
  }

  keepAlive(): void {
    if (this.#phase === "open") this.#send(() => this.#controls?.keepAlive());
  }

  finalize(): void {
    if (this.#phase === "open") this.#send(() => this.#controls?.finalize());
  }

  close(graceMs: number): void {
    if (this.#phase === "opening") this.#end(undefined);
    if (this.#phase !== "open") return;
    this.#send((socket) => socket.sendCloseStream({ type: "CloseStream" }));
    if (this.#stillOpen()) {
      this.#phase = "closing";
      this.#timer = setTimeout(this.#abort, graceMs);
    }
  }

  async #open(): Promise<void> {
    try {
      const socket = await this.#create();
      if (this.#phase !== "opening") return;
      this.#socket = socket;
      socket.on("open", () => this.#opened());
      socket.on("message", (message) => this.#hear(message));
      socket.on("close", ({ code, reason }) => {
        if (this.#phase === "opening") this.#end(openFailure(`closed with ${code}`));
        else this.#end(this.#phase === "closing" ? undefined : closeFailure(code, reason ?? ""));
      });
      socket.on("error", ({ message }) => {
        this.#end(this.#phase === "closing" ? undefined : openFailure(message));
      });
      socket.connect();
    } catch (error) {
      this.#end(openFailure(error instanceof Error ? error.message : "no connection"));
    }
  }

  async #create(): Promise<Socket> {
    const { settings, wish } = {
      settings: this.#settings,
      wish: wishFor(this.#settings.model, this.#options),
    };
    const client = new DeepgramClient({
      ...authorisation(settings.credential),
      ...(settings.baseUrl === undefined ? {} : { baseUrl: settings.baseUrl }),
      transportFactory: (url, headers) => {
        this.#transport = new DeepgramTransport(url, headers);
        return this.#transport;
      },
    });
    const common = {
      model: settings.model,
      encoding: "linear16",
      sample_rate: sampleRate,
      // Opening again is the supervisor's: it has the audio, the SDK has not.
      reconnectAttempts: 0,
      ...(wish.keyterms.length === 0 ? {} : { keyterm: [...wish.keyterms] }),
    };
    if (isFlux(settings.model)) {
      const hints = wish.languageHints;
      const flux = await client.listen.v2.createConnection({
        ...common,
        ...(hints.length === 0 ? {} : { language_hint: [...hints] }),
      });
      this.#controls = {
        keepAlive: () => this.#pad(keepAliveSilence),
        finalize: () => {
          if (settings.forceEndTurn === true) flux.sendForceEndTurn({ type: "ForceEndTurn" });
          else this.#pad(endOfTurnSilence);
        },
      };
      return flux as Socket;
    }
    const nova = await client.listen.v1.createConnection({
      ...common,
      channels: 1,
      ...(wish.language === undefined ? {} : { language: wish.language }),
      interim_results: "true",
      smart_format: "true",
      endpointing: settings.endpointingMs ?? 400,
      utterance_end_ms: settings.utteranceEndMs ?? 1_000,
      ...(settings.diarize === true ? { diarize: "true" } : {}),
    });
    this.#controls = {
      keepAlive: () => nova.sendKeepAlive({ type: "KeepAlive" }),
      finalize: () => nova.sendFinalize({ type: "Finalize" }),
    };
    return nova as Socket;
  }

  #opened(): void {
    if (this.#phase !== "opening") return;
    clearTimeout(this.#timer);
    this.#phase = "open";
    this.#sink.onOpen();
  }

  #hear(message: unknown): void {
    if (this.#phase === "ended") return;
    const fields = fieldsOf(message);
    // What is not JSON comes as text. It says nothing, not even that somebody listens.
    if (fields === undefined) return;
    const { events, failure } = this.#listener.hear(fields);
    for (const event of events) if (this.#listens()) this.#sink.onEvent(event);
    if (failure !== undefined) this.#end(this.#phase === "closing" ? undefined : failure);
  }

  #pad(silence: Int16Array): void {
    this.#time.padded(silence.length);
    this.#send((socket) => socket.sendMedia(silence));
  }

  #send(send: (socket: Socket) => void): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    try {
      send(socket);
    } catch (error) {
      // The SDK throws where a socket has closed and nobody has been told yet.
      const detail = error instanceof Error ? error.message : "cannot be written to";
      this.#end({ kind: "transient", detail: `not writable: ${detail}` });
    }
  }

  #listens(): boolean {
    return this.#phase !== "ended";
  }

  #stillOpen(): boolean {
    return this.#phase === "open";
  }

  #end(failure: ConnectionFailure | undefined): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener("abort", this.#abort);
    this.#socket?.close();
    // A service that does not take part in the closing handshake must not hold the socket.
    this.#transport?.terminate();
    // Later, as the end may have come about within a call of the one who is to hear of it.
    queueMicrotask(() => this.#sink.onEnd(failure));
  }
}

/** What proves to the SDK who we are; a token it asks for by itself. */
function authorisation(
  credential: DeepgramCredential,
): { apiKey: string } | { accessToken: () => string | Promise<string> } | { auth: false } {
  switch (credential.kind) {
    case "apiKey":
      return { apiKey: credential.apiKey };
    case "accessToken":
      return { accessToken: credential.accessToken };
    case "none":
      return { auth: false };
  }
}
