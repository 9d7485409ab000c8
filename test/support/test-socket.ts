import { until } from "./until.ts";

export interface ReceivedMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A WebSocket client that keeps everything it was sent, and answers pings as clients do. */
export class TestSocket {
  readonly messages: ReceivedMessage[] = [];
  readonly binary: Uint8Array[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  #isOpen = true;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") this.messages.push(JSON.parse(data));
      else this.binary.push(new Uint8Array(data));
    });
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => {
        this.#isOpen = false;
        resolve({ code, reason });
      });
    });
  }

  /** Resolves when the socket is open; rejects when the upgrade is refused. */
  static async connect(url: string, headers: Record<string, string> = {}): Promise<TestSocket> {
    const socket = new WebSocket(url, { headers });
    const client = new TestSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("close", ({ code }) => reject(new Error(`refused with ${code}`)));
      socket.addEventListener("error", () => {});
    });
    return client;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Objects go as JSON, strings and bytes as they are. */
  send(frame: unknown): void {
    if (typeof frame === "string") this.#socket.send(frame);
    else if (frame instanceof Uint8Array) this.#socket.send(Uint8Array.from(frame));
    else this.#socket.send(JSON.stringify(frame));
  }

  /** The first message of a type, past or to come; `from` leaves out so many of the first messages. */
  message(type: string, from = 0): Promise<ReceivedMessage> {
    return until(`a ${type}`, () => this.messages.slice(from).find((message) => message.type === type));
  }

  /** Resolves when everything sent so far has been handled by the gateway: it answers JSON pings in order. */
  async roundTrip(): Promise<void> {
    const before = this.#pongs();
    this.send({ type: "ping" });
    await until("a pong", () => this.#pongs() > before);
  }

  #pongs(): number {
    return this.messages.filter(({ type }) => type === "pong").length;
  }

  close(): void {
    this.#socket.close();
  }
}
