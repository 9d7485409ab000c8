/** What the server says with its acknowledgement. */
export interface AppAck {
  /** Servers that keep events say here what they could not. */
  readonly resume?: {
    readonly epoch?: unknown;
    readonly seq?: number;
    readonly lost?: number;
    readonly gap?: unknown;
  };
}

export interface SdkLikeOptions {
  readonly sessionId: string;
  readonly packageName: string;
  readonly apiKey: string;
  /** The address that the webhook gave. */
  readonly url: string;
  /** How many times as fast as the SDK's its timers run. */
  readonly speed: number;
  /** What the app's handlers listen to at this moment. */
  readonly streams: () => readonly string[];
  readonly onAck: (ack: AppAck) => void;
  readonly onEvent: (streamType: string, data: unknown) => void;
  readonly onAudio: (bytes: number) => void;
  /** A socket that had been acknowledged is gone. */
  readonly onLost: (code: number, reason: string) => void;
  /** The session is over for the app: it was ended, or given up. */
  readonly onStop: (reason: string) => void;
}

const connectMs = 5_000;
const firstDelayMs = 1_000;
const mostAttempts = 3;

/**
 * One session of an app as `@mentra/sdk` 2.1.29 keeps it, its weaknesses included: it dials again 1 and 3 s after a loss,
 * and gives up when the first of those dials has been unanswered for 5 s, though the third is still to come. It sends its
 * whole list after each acknowledgement, and answers pings.
 */
export class SdkLikeSession {
  readonly #options: SdkLikeOptions;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #socket: WebSocket | undefined;
  #acked = false;
  #attempts = 0;
  #terminated = false;
  #over = false;
  /** What comes before there are handlers is nobody's. */
  #hasHandlers = false;
  /** Dials whose caller waits: an acknowledgement, of whichever socket, is good for all. */
  readonly #waiting = new Set<() => void>();

  constructor(options: SdkLikeOptions) {
    this.#options = options;
  }

  get acked(): boolean {
    return this.#acked;
  }

  /** Dials. Resolves with the acknowledgement, however late; rejects when none has come in the SDK's 5 s. */
  connect(): Promise<void> {
    const acknowledged = Promise.withResolvers<void>();
    this.#waiting.add(acknowledged.resolve);
    const socket = new WebSocket(this.#options.url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      const { packageName, sessionId, apiKey } = this.#options;
      socket.send(JSON.stringify({ type: "tpa_connection_init", packageName, sessionId, apiKey }));
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (this.#over || this.#socket !== socket) return;
      if (typeof data !== "string") {
        this.#options.onAudio(data.byteLength);
        return;
      }
      const message = JSON.parse(data);
      if (message.type === "tpa_connection_ack") {
        this.#acked = true;
        this.#options.onAck(message);
        // A fresh process says that it hears nothing yet.
        this.#list(this.#hasHandlers ? this.#options.streams() : []);
        for (const acknowledge of this.#waiting) acknowledge();
        this.#waiting.clear();
      } else if (message.type === "data_stream") {
        if (this.#hasHandlers) this.#options.onEvent(message.streamType, message.data);
      } else if (message.type === "app_stopped") {
        this.#attempts = 0;
      }
    };
    socket.onclose = ({ code, reason }) => this.#closed(socket, code, reason);
    this.#after(connectMs / this.#options.speed, () => acknowledged.reject(new Error("Connection timeout")));
    return acknowledged.promise;
  }

  /** The app registers its handlers one by one, each of which sends the list anew. */
  registerHandlers(): void {
    const streams = this.#options.streams();
    this.#hasHandlers = true;
    for (let i = 1; i <= streams.length; i++) this.#list(streams.slice(0, i));
  }

  /** The app listens to something else. */
  relist(): void {
    if (this.#acked) this.#list(this.#options.streams());
  }

  /** Says that what follows is no loss but a move. */
  release(): void {
    const { packageName, sessionId } = this.#options;
    this.#send({ type: "ownership_release", packageName, sessionId, reason: "switching_clouds" });
  }

  /** Loses the socket on this side only, as a network change does. */
  dropSocket(): void {
    this.#socket?.terminate();
  }

  /** Ends it from the app's side, in an orderly way or as the end of its process does. Nothing is called any more. */
  dispose(how: "close" | "crash"): void {
    this.#over = true;
    this.#acked = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (how === "close") this.#socket?.close();
    else this.#socket?.terminate();
  }

  #list(subscriptions: readonly string[]): void {
    const { packageName, sessionId } = this.#options;
    this.#send({ type: "subscription_update", packageName, sessionId, subscriptions });
  }

  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #closed(socket: WebSocket, code: number, reason: string): void {
    if (this.#over) return;
    // A socket that has been dialled past still makes the SDK dial, so only the news of the loss is for the latest.
    if (this.#socket === socket && this.#acked) {
      this.#acked = false;
      this.#options.onLost(code, reason);
    }
    if (this.#over) return;
    if (reason.includes("User session ended")) this.#terminated = true;
    const isFinal = code === 1000 || code === 1001 || code === 1008;
    if (!isFinal && !reason.includes("App stopped") && !this.#terminated) void this.#reconnect();
    if (this.#terminated || code === 1000 || code === 1001) this.#stop(`closed with ${code} ${reason}`);
  }

  async #reconnect(): Promise<void> {
    if (this.#attempts >= mostAttempts) {
      this.#stop("gave up");
      return;
    }
    const delayMs = (firstDelayMs * 2 ** this.#attempts) / this.#options.speed;
    this.#attempts++;
    await new Promise<void>((resolve) => this.#after(delayMs, resolve));
    try {
      await this.connect();
      this.#attempts = 0;
    } catch {
      if (this.#attempts >= mostAttempts) this.#stop("gave up");
    }
  }

  #stop(reason: string): void {
    if (this.#over) return;
    this.dispose("close");
    this.#options.onStop(reason);
  }

  #after(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }
}
