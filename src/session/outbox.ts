import type { ToApp } from "../wire/apps.ts";
import { NumberedMessage } from "./numbered-message.ts";

/**
 * How an event fares when its app does not get it at once.
 * - `must`: kept in order until the app has confirmed it.
 * - `newest`: only the latest of its stream is kept, and delivered after the first class.
 */
export type DeliveryClass = "must" | "newest";

/** An event on its way to an app. */
export interface OutboxEvent {
  numbered: NumberedMessage;
  /** `passing`: of use only now, and not kept once it has been sent or the socket is lost. */
  readonly deliveryClass: DeliveryClass | "passing";
  /** What a newest-wins event replaces and is replaced by; of any other, what it makes pointless, or nothing. */
  readonly slot: string;
  readonly bytes: number;
  /** When it was handed to a socket. */
  sentAtMs: number;
  /** Whether it may be sent: what must arrive is kept on the disk first. */
  ready: boolean;
}

export interface OutboxLimits {
  readonly outboxEvents: number;
  readonly outboxBytes: number;
}

/** Events that had to make room before they were sent. */
export interface Dropped {
  readonly count: number;
  /** The number of the last one among them that must arrive; undefined: none had to. */
  readonly upToSeq: number | undefined;
}

/**
 * What one app has been sent and not confirmed, and what waits to be sent, each message with its number. A socket that is
 * lost takes with it what it was given last, and nobody can tell how much; so everything stays here until the app's pong
 * says that it has come, and goes again over the next socket.
 *
 * Bounded in number and bytes. When it is full, newest-wins events go first, then the oldest that must arrive, and what the
 * app may have missed because of that is counted.
 */
export class Outbox {
  /** Tells one numbering from another: an app that comes back to another one has missed what it cannot be told. */
  readonly epoch: number;
  readonly #limits: OutboxLimits;
  #seq: number;
  /** Not on the present socket yet, in the order of sending. */
  #waiting: OutboxEvent[] = [];
  /** Sent and not confirmed, by number. */
  #unconfirmed: OutboxEvent[] = [];
  /** Newest-wins events that were sent and not confirmed, by slot. */
  readonly #latest = new Map<string, OutboxEvent>();
  #bytes = 0;
  /** Numbers of events that had to make room after they were sent: lost only if the socket is lost before they arrive. */
  #shed: number[] = [];
  #lost = 0;
  #replaying = false;
  /** Of the lost ones, how many the present socket's acknowledgement has told of. */
  #told = 0;
  #lastSent: number | undefined;

  /** @param epoch a number above all that the app has ever been sent in this user's name. */
  constructor(limits: OutboxLimits, epoch: number, seq = epoch) {
    this.#limits = limits;
    this.epoch = epoch;
    this.#seq = seq;
  }

  /** The last number given. */
  get seq(): number {
    return this.#seq;
  }

  /** Events kept. */
  get size(): number {
    return this.#waiting.length + this.#unconfirmed.length + this.#latest.size;
  }

  /** Of the events kept, as they are sent; a character outside of ASCII counts as one. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Events that the app has missed and not been told of. */
  get lost(): number {
    return this.#lost;
  }

  /** Since when the app has something to confirm that must arrive; undefined: it has nothing. */
  get owesReceiptSinceMs(): number | undefined {
    return this.#unconfirmed[0]?.sentAtMs;
  }

  /** The number of the last event that the present socket was given, or behind which it goes on; undefined: there is none. */
  get lastSent(): number | undefined {
    return this.#lastSent;
  }

  /** Whether something waits to be sent. */
  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  /** Numbers a message that is sent right away and not kept. */
  number(message: ToApp, timestamp: string): NumberedMessage {
    return new NumberedMessage(message, ++this.#seq, timestamp);
  }

  /**
   * Numbers a message that overtakes what waits, and is not kept: with the last number up to which the app has been sent
   * everything, so that an app that keeps count cannot take what was overtaken for something that it has.
   */
  aside(message: ToApp, timestamp: string): NumberedMessage {
    return new NumberedMessage(message, this.#lastSent ?? this.#seq, timestamp);
  }

  /**
   * Takes an event, behind all that waits.
   * @param supersedes a slot whose newest-wins event this one makes pointless, as a final does its interims.
   * @returns the event, and what had to go to make room.
   */
  add(
    message: ToApp,
    deliveryClass: OutboxEvent["deliveryClass"],
    slot: string,
    timestamp: string,
    supersedes?: string,
  ): { readonly event: OutboxEvent; readonly dropped: Dropped } {
    if (supersedes !== undefined) this.#forgetNewest(supersedes);
    if (deliveryClass === "newest") this.#forgetNewest(slot);
    const ownSlot = deliveryClass === "newest" ? slot : (supersedes ?? "");
    const event = this.#event(this.number(message, timestamp), deliveryClass, ownSlot);
    this.#insert(event);
    return { event, dropped: this.#makeRoom() };
  }

  /**
   * Takes an event that must arrive and that a former process has left. To be called in order, before anything else.
   * @returns the number of the last event that had to make room, if any.
   */
  restore(seq: number, text: string): number | undefined {
    this.#replaying = true;
    const numbered = NumberedMessage.kept(seq, text);
    this.#seq = Math.max(this.#seq, numbered.seq);
    const event = this.#event(numbered, "must", "");
    event.ready = true;
    this.#waiting.push(event);
    return this.#makeRoom().upToSeq;
  }

  /** There is a new socket. Returns the number behind which it goes on: everything up to it has come, or is not to come. */
  opened(): number {
    const first = this.#waiting.find(({ deliveryClass }) => deliveryClass === "must");
    this.#lastSent = first === undefined ? this.#seq : first.numbered.seq - 1;
    return this.#lastSent;
  }

  /** What is next in the order of sending, if it may be sent; it stays until `sent` or `skip`. */
  get next(): OutboxEvent | undefined {
    const [event] = this.#waiting;
    if (!event?.ready) return undefined;
    const { message, seq, timestamp } = event.numbered;
    // On one socket numbers only rise, and this one has been overtaken by what must arrive.
    const overtaken = isNewest(event) && seq < (this.#lastSent ?? 0);
    if (overtaken) event.numbered = this.number(message, timestamp);
    return event;
  }

  /** All that was to be sent again has been: from now on events are sent in the order in which they come. */
  replayed(): void {
    this.#replaying = false;
  }

  /** The next one has been handed to the socket. */
  sent(nowMs: number): void {
    const event = this.#waiting.shift();
    if (event === undefined) return;
    event.sentAtMs = nowMs;
    this.#lastSent = event.numbered.seq;
    if (event.deliveryClass === "must") this.#unconfirmed.push(event);
    else if (event.deliveryClass === "newest") this.#latest.set(event.slot, event);
    else this.#bytes -= event.bytes;
  }

  /** The next one will not be sent. */
  skip(): void {
    this.#bytes -= this.#waiting.shift()?.bytes ?? 0;
  }

  /**
   * Everything that was sent up to this number has come.
   * @returns the number of the last event that must arrive among it; undefined where there was none.
   */
  confirm(seq: number): number | undefined {
    // The acknowledgement was the first of all that has come.
    this.#lost -= this.#told;
    this.#told = 0;
    const open = this.#shed.findIndex((shed) => shed > seq);
    const came = open < 0 ? this.#shed.splice(0) : this.#shed.splice(0, open);
    let last = came.at(-1);
    while (this.#unconfirmed[0] !== undefined && this.#unconfirmed[0].numbered.seq <= seq) {
      last = this.#unconfirmed[0].numbered.seq;
      this.#bytes -= this.#unconfirmed.shift()?.bytes ?? 0;
    }
    for (const [slot, event] of this.#latest) {
      if (event.numbered.seq > seq) continue;
      this.#latest.delete(slot);
      this.#bytes -= event.bytes;
    }
    return last;
  }

  /** An app that keeps count says so itself: everything up to this number has come, sent or not. */
  confirmExactly(seq: number): number | undefined {
    let last = this.confirm(seq);
    this.#waiting = this.#waiting.filter((event) => {
      if (event.deliveryClass !== "must" || event.numbered.seq > seq) return true;
      last = Math.max(last ?? 0, event.numbered.seq);
      this.#bytes -= event.bytes;
      return false;
    });
    return last;
  }

  /** For a socket that confirms nothing: what was sent before that time counts as arrived. As `confirm`. */
  confirmSentBefore(timeMs: number): number | undefined {
    const last = this.#unconfirmed.findLast(({ sentAtMs }) => sentAtMs < timeMs);
    return last === undefined ? undefined : this.confirm(last.numbered.seq);
  }

  /**
   * The socket is lost: what was not confirmed is to be sent again. What must arrive comes first, in its order, and then the
   * newest of each stream; so does what is added before `replayed`.
   * @returns the number of the last event that has had to make room and now counts as lost; undefined: none.
   */
  rewind(): number | undefined {
    this.#replaying = true;
    this.#told = 0;
    this.#lastSent = undefined;
    const shed = this.#shed.splice(0);
    this.#lost += shed.length;
    const newest = [...this.#latest.values(), ...this.#waiting.filter(isNewest)];
    const must = [
      ...this.#unconfirmed,
      ...this.#waiting.filter(({ deliveryClass }) => deliveryClass === "must"),
    ];
    this.#latest.clear();
    this.#unconfirmed = [];
    this.#waiting = [...must, ...newest];
    this.#bytes = this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0);
    return shed.at(-1);
  }

  /** How many events the app has missed: what it is told with the acknowledgement of a new socket. */
  tellLost(): number {
    this.#told = this.#lost;
    return this.#lost;
  }

  /** Forgets everything. Returns how many events that must arrive were not confirmed. */
  clear(): number {
    const unconfirmed =
      this.#unconfirmed.length + this.#waiting.filter(({ deliveryClass }) => deliveryClass === "must").length;
    this.#waiting = [];
    this.#unconfirmed = [];
    this.#latest.clear();
    this.#shed = [];
    this.#bytes = 0;
    return unconfirmed;
  }

  /** Events that the app will not get, as far as anybody can tell. */
  noteLost(events: number): void {
    this.#lost += events;
  }

  #event(numbered: NumberedMessage, deliveryClass: OutboxEvent["deliveryClass"], slot: string): OutboxEvent {
    const bytes = numbered.text.length;
    this.#bytes += bytes;
    return { numbered, deliveryClass, slot, bytes, sentAtMs: 0, ready: deliveryClass !== "must" };
  }

  #insert(event: OutboxEvent): void {
    const newest = this.#replaying && event.deliveryClass === "must" ? this.#waiting.findIndex(isNewest) : -1;
    if (newest < 0) this.#waiting.push(event);
    else this.#waiting.splice(newest, 0, event);
  }

  #forgetNewest(slot: string): void {
    const sent = this.#latest.get(slot);
    if (sent !== undefined) {
      this.#latest.delete(slot);
      this.#bytes -= sent.bytes;
    }
    if (this.#waiting.length === 0) return;
    const index = this.#waiting.findIndex((event) => isNewest(event) && event.slot === slot);
    if (index >= 0) this.#bytes -= this.#waiting.splice(index, 1)[0]?.bytes ?? 0;
  }

  #makeRoom(): Dropped {
    let count = 0;
    let upToSeq: number | undefined;
    while (this.size > this.#limits.outboxEvents || this.#bytes > this.#limits.outboxBytes) {
      // What was sent is there, most likely; and where only the newest counts, the next one makes up for it.
      const [latest] = this.#latest;
      if (latest !== undefined) {
        this.#forgetNewest(latest[0]);
        continue;
      }
      const index = this.#waiting.findIndex(({ deliveryClass }) => deliveryClass !== "must");
      if (index >= 0) {
        this.#bytes -= this.#waiting.splice(index, 1)[0]?.bytes ?? 0;
        this.#lost++;
        count++;
        continue;
      }
      const sent = this.#unconfirmed.shift();
      if (sent !== undefined) {
        this.#bytes -= sent.bytes;
        this.#shed.push(sent.numbered.seq);
        continue;
      }
      const oldest = this.#waiting.shift();
      if (oldest === undefined) break;
      this.#bytes -= oldest.bytes;
      upToSeq = oldest.numbered.seq;
      this.#lost++;
      count++;
    }
    return { count, upToSeq };
  }
}

function isNewest({ deliveryClass }: OutboxEvent): boolean {
  return deliveryClass === "newest";
}
