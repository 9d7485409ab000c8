import type { DeepgramClient } from "@deepgram/sdk";

type Factory = NonNullable<NonNullable<ConstructorParameters<typeof DeepgramClient>[0]>["transportFactory"]>;
type Transport = Awaited<ReturnType<Factory>>;
type Message = Parameters<Transport["send"]>[0];

/** Longest reason that a close frame can carry. */
const reasonBytes = 123;

/**
 * The socket under the Deepgram SDK: Bun's own, which tells how much has not left yet, can be cut off, and takes less
 * memory than the SDK's. Errors reach the SDK only before the socket is open; afterwards there is the close alone.
 */
export class DeepgramTransport implements Transport {
  readonly #socket: WebSocket;
  #opened = false;
  #onOpen: () => void = () => {};
  #onMessage: (message: Message) => void = () => {};
  #onError: (error: Error) => void = () => {};
  #onClose: (event: { code?: number; reason?: string }) => void = () => {};

  constructor(url: string, headers: Record<string, string>) {
    this.#socket = new WebSocket(url, { headers });
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#opened = true;
      this.#onOpen();
    };
    this.#socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.#onMessage(event.data);
    this.#socket.onerror = (event: Event) => {
      const message = "message" in event ? String(event.message) : "";
      if (!this.#opened) this.#onError(new Error(message));
    };
    this.#socket.onclose = ({ code, reason }) => {
      if (this.#opened) this.#onClose({ code, reason });
      else this.#onError(new Error(`closed with ${code} before it was open`));
    };
  }

  /** Bytes handed over that have not left yet. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  send(message: Message): void {
    // The SDK hands over what our own code gave it: control messages as text, samples as a view.
    if (typeof message === "string" || message instanceof ArrayBuffer) this.#socket.send(message);
    else if (ArrayBuffer.isView(message))
      this.#socket.send(new Uint8Array(message.buffer, message.byteOffset, message.byteLength));
  }

  onOpen(listener: () => void): void {
    this.#onOpen = listener;
  }

  onMessage(listener: (message: Message) => void): void {
    this.#onMessage = listener;
  }

  onError(listener: (error: Error) => void): void {
    this.#onError = listener;
  }

  onClose(listener: (event: { code?: number; reason?: string }) => void): void {
    this.#onClose = listener;
  }

  /** Never throws: the SDK closes with codes and with whole error messages that a client must not send. */
  close(code = 1000, reason = ""): void {
    const allowed = code === 1000 || (code >= 4000 && code <= 4999) ? code : 4000;
    const short = Buffer.byteLength(reason) > reasonBytes ? "" : reason;
    try {
      this.#socket.close(allowed, short);
    } catch {
      this.terminate();
    }
  }

  /** Cuts the connection off without a closing handshake. */
  terminate(): void {
    this.#socket.terminate();
  }
}
