import type { Journal } from "../../src/store/journal.ts";
import type { KeptEvent } from "../../src/store/store.ts";

/** A journal whose disk takes no time: what is given to it is kept when the call returns. */
export class InstantJournal implements Journal {
  /** By user and package, oldest first. */
  readonly #events = new Map<string, Map<string, KeptEvent[]>>();
  readonly #sessions = new Map<string, string>();
  /** How often a session was to be kept out of its turn. */
  outOfTurn = 0;
  /** While set, events are kept only when `release` is called. */
  held: (() => void)[] | undefined;

  keep(event: KeptEvent, done: () => void): void {
    const commit = () => {
      const ofUser = this.#events.get(event.userId) ?? new Map<string, KeptEvent[]>();
      this.#events.set(event.userId, ofUser);
      const ofApp = ofUser.get(event.packageName) ?? [];
      ofUser.set(event.packageName, ofApp);
      ofApp.push(event);
      done();
    };
    if (this.held === undefined) commit();
    else this.held.push(commit);
  }

  settle(userId: string, packageName: string, upToSeq: number): void {
    const ofUser = this.#events.get(userId);
    const kept = ofUser?.get(packageName)?.filter(({ seq }) => seq > upToSeq) ?? [];
    if (kept.length > 0) ofUser?.set(packageName, kept);
    else ofUser?.delete(packageName);
  }

  /** As it is at the end of this turn: a change of which the journal is not told is not kept. */
  save(userId: string, read: () => string | undefined, atOnce = false): void {
    if (atOnce) this.outOfTurn++;
    const former = this.#sessions.get(userId) ?? "";
    this.#sessions.set(userId, former);
    queueMicrotask(() => {
      if (this.#sessions.has(userId)) this.#sessions.set(userId, read() ?? former);
    });
  }

  end(userId: string): void {
    this.#sessions.delete(userId);
    this.#events.delete(userId);
  }

  /** Commits what is held. */
  release(): void {
    for (const commit of this.held?.splice(0) ?? []) commit();
  }

  /** Events of a user that are kept, oldest first. */
  eventsOf(userId: string): readonly KeptEvent[] {
    return [...(this.#events.get(userId)?.values() ?? [])].flat();
  }

  /** A session as it is kept; undefined: nothing of it is. */
  sessionOf(userId: string): string | undefined {
    return this.#sessions.get(userId);
  }
}
