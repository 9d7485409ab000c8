interface Waiter<Event> {
  readonly wanted: (event: Event) => boolean;
  readonly found: (event: Event) => void;
}

/** Everything that was reported, in order, and a way to wait for something of it. */
export class EventLog<Event> {
  readonly events: Event[] = [];
  readonly #waiters = new Set<Waiter<Event>>();

  add(event: Event): void {
    this.events.push(event);
    for (const waiter of [...this.#waiters]) if (waiter.wanted(event)) waiter.found(event);
  }

  /**
   * Resolves with the first event that is wanted, one already there included.
   * @throws when none has come after `timeoutMs`.
   */
  async until(wanted: (event: Event) => boolean, timeoutMs = 30_000): Promise<Event> {
    const there = this.events.find(wanted);
    if (there !== undefined) return there;
    const { promise, resolve, reject } = Promise.withResolvers<Event>();
    const timer = setTimeout(() => reject(new Error(`not reported in ${timeoutMs} ms`)), timeoutMs);
    const waiter = { wanted, found: resolve };
    this.#waiters.add(waiter);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    }
  }

  /** Resolves when `count` events are wanted ones. */
  async untilCount(count: number, wanted: (event: Event) => boolean, timeoutMs = 30_000): Promise<Event[]> {
    const enough = () => this.events.filter(wanted);
    if (enough().length < count) await this.until(() => enough().length >= count, timeoutMs);
    return enough();
  }
}
