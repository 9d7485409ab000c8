import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import type { SendResult } from "../session/ports.ts";

/** What is used of Bun's server-side socket. */
export interface RawSocket {
  /** Bytes sent, -1 if queued behind a slow reader, 0 if dropped. */
  send(data: string | Uint8Array): number;
  ping(data: string): number;
  close(code: number, reason: string): void;
  terminate(): void;
  /** What waits because the kernel takes no more. */
  getBufferedAmount(): number;
}

export interface SendQueueOptions {
  readonly socket: RawSocket;
  readonly side: "glasses" | "app";
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** The reader is too slow for what must reach it. Called at most once; the queue takes nothing more. */
  readonly onTooSlow: () => void;
}

interface Held {
  readonly text: string;
  readonly messageClass: string;
  /** Waits until no more than this is queued on the socket. */
  readonly thresholdBytes: number;
}

/**
 * Sends on one socket within a bound, and decides what gives way when the reader is slow: replaceable messages wait here
 * and the newest replaces the one before it, audio waits in a short queue that loses its oldest, and when something that
 * must arrive finds no room, or nothing has left for too long, the socket is given up.
 */
export class SendQueue {
  readonly #options: SendQueueOptions;
  readonly #held = new Map<string, Held>();
  #audio: Uint8Array[] = [];
  #audioBytes = 0;
  /** Size of a message that is larger than the whole bound and was taken on an empty queue; 0 once that is drained. */
  #oversizeBytes = 0;
  #progressMs = 0;
  #stopWatch: Stop | undefined;
  #closed = false;

  constructor(options: SendQueueOptions) {
    this.#options = options;
  }

  /** What waits on the socket. */
  get queuedBytes(): number {
    return this.#options.socket.getBufferedAmount();
  }

  /** What waits on the socket and here. */
  get waitingBytes(): number {
    let held = this.#audioBytes;
    for (const { text } of this.#held.values()) held += text.length;
    return this.queuedBytes + held;
  }

  /** Sends what must arrive. Finding no room for it gives the socket up. */
  send(text: string, messageClass = "control"): SendResult {
    if (this.#closed) return this.#drop(messageClass);
    const buffered = this.#options.socket.getBufferedAmount();
    const bytes = text.length * 3 <= 4096 ? text.length : Buffer.byteLength(text);
    // One message may be larger than the bound (pictures are), so an empty queue takes any.
    if (buffered > 0 && buffered + bytes > this.#options.limits.socketQueueBytes + this.#oversizeBytes) {
      this.#giveUp();
      return this.#drop(messageClass);
    }
    if (buffered === 0) this.#oversizeBytes = bytes > this.#options.limits.socketQueueBytes ? bytes : 0;
    if (this.#write(text)) return "sent";
    this.#giveUp();
    return this.#drop(messageClass);
  }

  /**
   * Sends what a later message of the same `key` replaces. While more than `thresholdBytes` are queued it waits, and only
   * the newest of its key is kept.
   */
  sendLatest(key: string, text: string, messageClass: string, thresholdBytes: number): SendResult {
    if (this.#closed) return this.#drop(messageClass);
    this.forget(key);
    if (this.#options.socket.getBufferedAmount() <= thresholdBytes) return this.send(text, messageClass);
    if (this.#held.size >= this.#options.limits.subscriptionsPerApp) return this.#drop(messageClass);
    this.#held.set(key, { text, messageClass, thresholdBytes });
    return "sent";
  }

  /** Drops what waits under `key`, since something has overtaken it. */
  forget(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.#drop(held.messageClass);
  }

  /** Sends one binary frame. The bytes are copied before this returns. */
  sendAudio(bytes: Uint8Array): SendResult {
    if (this.#closed) return this.#drop("audio");
    if (bytes.byteLength === 0) return "sent";
    if (this.#audio.length === 0 && this.#options.socket.getBufferedAmount() <= this.#quarter) {
      return this.#write(bytes) ? "sent" : this.#drop("audio");
    }
    this.#audio.push(bytes.slice());
    this.#audioBytes += bytes.byteLength;
    while (this.#audioBytes > this.#quarter) {
      this.#audioBytes -= this.#audio.shift()?.byteLength ?? 0;
      this.#drop("audio");
    }
    return "sent";
  }

  /** To be called when the socket reports that bytes have left. */
  drained(): void {
    if (this.#closed) return;
    const { socket, clock } = this.#options;
    this.#progressMs = clock.now();
    if (socket.getBufferedAmount() === 0) {
      this.#oversizeBytes = 0;
      this.#stopWatch?.();
      this.#stopWatch = undefined;
    }
    for (const [key, held] of this.#held) {
      if (socket.getBufferedAmount() > held.thresholdBytes) continue;
      this.#held.delete(key);
      this.send(held.text, held.messageClass);
    }
    while (this.#audio.length > 0 && socket.getBufferedAmount() <= this.#quarter) {
      const bytes = this.#audio.shift();
      if (bytes === undefined) break;
      this.#audioBytes -= bytes.byteLength;
      if (!this.#write(bytes)) this.#drop("audio");
    }
  }

  /** Takes nothing more and forgets what waits, counting it. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatch?.();
    this.#stopWatch = undefined;
    for (const key of [...this.#held.keys()]) this.forget(key);
    for (const _ of this.#audio.splice(0)) this.#drop("audio");
    this.#audioBytes = 0;
  }

  get #quarter(): number {
    return this.#options.limits.socketQueueBytes / 4;
  }

  /** False when the socket dropped it. */
  #write(data: string | Uint8Array): boolean {
    const result = this.#options.socket.send(data);
    if (result === -1) this.#watch();
    return result !== 0;
  }

  /** Something waits: from now on bytes must leave within the limit, again and again, until the queue is empty. */
  #watch(): void {
    if (this.#stopWatch !== undefined) return;
    const { clock, limits } = this.#options;
    this.#progressMs = clock.now();
    const check = () => {
      const deadlineMs = this.#progressMs + limits.socketBlockedMs;
      if (clock.now() >= deadlineMs) this.#giveUp();
      else this.#stopWatch = clock.at(deadlineMs, check);
    };
    this.#stopWatch = clock.after(limits.socketBlockedMs, check);
  }

  #giveUp(): void {
    if (this.#closed) return;
    this.close();
    this.#options.onTooSlow();
  }

  #drop(messageClass: string): "dropped" {
    this.#options.metrics.messagesDropped.inc({ side: this.#options.side, class: messageClass });
    return "dropped";
  }
}
