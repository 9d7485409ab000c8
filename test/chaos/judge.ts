import type { ClientJournal } from "./client-journal.ts";

/** A promise that was not kept. */
export interface Violation {
  readonly what: string;
  /** Whom it concerns; undefined: the server as a whole. */
  readonly userId: string | undefined;
  /** What had happened to that user until then. */
  readonly events: readonly string[];
}

const mostViolations = 50;

/** Keeps what has gone wrong, with what had happened before. */
export class Judge {
  readonly violations: Violation[] = [];
  /** How many there were, those beyond the kept ones included. */
  count = 0;
  readonly #said = new Set<string>();

  /** @param once what must not be said again, such as a state that goes on. */
  report(what: string, userId?: string, journal?: ClientJournal, once = `${userId} ${what}`): void {
    if (this.#said.has(once)) return;
    this.#said.add(once);
    this.count++;
    journal?.note(`VIOLATION: ${what}`);
    if (this.violations.length >= mostViolations) return;
    this.violations.push({ what, userId, events: journal?.lines() ?? [] });
  }
}
