import type { Journal } from "../../src/store/journal.ts";
import type { KeptEvent } from "../../src/store/store.ts";

/** A journal whose disk takes no time: what is given to it is kept when the call returns. */
export class InstantJournal implements Journal {
  /** By user and package, oldest first. */
  readonly #events = new Map<string, Map<string, KeptEvent[]>>();
  readonly #sessions = new Map<string, () => string | undefined>();
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

  save(userId: string, read: () => string | undefined): void {
    this.#sessions.set(userId, read);
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

  /** A session as it would be kept at this moment; undefined: nothing of it is. */
  sessionOf(userId: string): string | undefined {
    return this.#sessions.get(userId)?.();
  }
}
