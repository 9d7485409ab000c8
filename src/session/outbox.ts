/**
 * How an event fares while its app is away.
 * - `must`: kept in order and delivered when the app is back.
 * - `newest`: only the latest of its stream is kept, delivered after the first class.
 */
export type DeliveryClass = "must" | "newest";

interface Held<Message> {
  readonly message: Message;
  readonly deliveryClass: DeliveryClass;
  /** As JSON. */
  readonly bytes: number;
}

/**
 * What waits for one app that has lost its socket. Bounded in number and bytes; when full, the oldest of the newest-wins
 * class goes first, then the oldest that must arrive, and each is counted.
 */
export class Outbox<Message> {
  readonly #mostEvents: number;
  readonly #mostBytes: number;
  readonly #must: Held<Message>[] = [];
  readonly #newest = new Map<string, Held<Message>>();
  #bytes = 0;
  #lost = 0;

  constructor(limits: { readonly outboxEvents: number; readonly outboxBytes: number }) {
    this.#mostEvents = limits.outboxEvents;
    this.#mostBytes = limits.outboxBytes;
  }

  get size(): number {
    return this.#must.length + this.#newest.size;
  }

  /** Events dropped since it was last empty. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Keeps an event. `slot` names the stream of a newest-wins event: it takes the place of the one held there.
   * @returns how many older events had to go to make room.
   */
  hold(message: Message, deliveryClass: DeliveryClass, slot: string): number {
    const held = { message, deliveryClass, bytes: Buffer.byteLength(JSON.stringify(message)) };
    if (deliveryClass === "newest") {
      this.#forget(slot);
      this.#newest.set(slot, held);
    } else {
      this.#must.push(held);
    }
    this.#bytes += held.bytes;
    const before = this.#lost;
    while (this.size > this.#mostEvents || this.#bytes > this.#mostBytes) this.#dropOldest();
    return this.#lost - before;
  }

  /** Forgets the newest-wins event of a slot: something final has overtaken it. */
  supersede(slot: string): void {
    this.#forget(slot);
  }

  /** What is next in the order of delivery; it stays until it is taken out. */
  get first(): Held<Message> | undefined {
    return this.#must[0] ?? this.#newest.values().next().value;
  }

  /** Takes out what is first. */
  shift(): void {
    const held = this.#must.shift();
    if (held !== undefined) this.#bytes -= held.bytes;
    else this.#forget(this.#newest.keys().next().value);
    if (this.size === 0) this.#lost = 0;
  }

  clear(): void {
    this.#must.length = 0;
    this.#newest.clear();
    this.#bytes = 0;
    this.#lost = 0;
  }

  #forget(slot: string | undefined): void {
    const held = slot === undefined ? undefined : this.#newest.get(slot);
    if (slot === undefined || held === undefined) return;
    this.#newest.delete(slot);
    this.#bytes -= held.bytes;
  }

  #dropOldest(): void {
    const slot = this.#newest.keys().next();
    if (!slot.done) {
      this.#forget(slot.value);
    } else {
      this.#bytes -= this.#must.shift()?.bytes ?? 0;
    }
    this.#lost++;
  }
}
