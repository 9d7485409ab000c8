import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { ToApp } from "../wire/apps.ts";

/** Who may be handed a message. */
export interface Receiver {
  receive(message: ToApp): void;
}

interface Job {
  readonly targets: readonly Receiver[];
  readonly message: ToApp;
  next: number;
}

/** What waits to be handed out for one app, oldest first. */
export type MessageLine = Job[];

/**
 * Hands messages out to few at once and to many in pieces, a piece each turn of the loop, so that nobody else has to wait.
 * Messages of one line stay in order; the lines take turns, so that none has to wait for all of another's.
 */
export class MessageTurns {
  readonly #clock: Clock;
  readonly #limits: Limits;
  /** Lines that are not empty, in the order of their turns. */
  readonly #turns: MessageLine[] = [];
  #scheduled = false;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /**
   * @param kind a `notice` of this server, on who comes and goes, is never refused: there are no more of those than joins
   * and leaves, which are refused where they are too many.
   * @returns false when too many messages wait in the same line.
   */
  hand(line: MessageLine, targets: readonly Receiver[], message: ToApp, kind: "message" | "notice"): boolean {
    if (kind === "message" && line.length >= this.#limits.appMessageQueue) return false;
    const job: Job = { targets, message, next: 0 };
    if (line.length === 0 && this.#handPiece(job)) return true;
    line.push(job);
    if (line.length === 1) this.#turns.push(line);
    this.#schedule();
    return true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#turns.length === 0) return;
    this.#scheduled = true;
    this.#clock.after(0, () => {
      this.#scheduled = false;
      this.#takeTurn();
      this.#schedule();
    });
  }

  #takeTurn(): void {
    const line = this.#turns.shift();
    const [job] = line ?? [];
    if (line === undefined || job === undefined) return;
    if (this.#handPiece(job)) line.shift();
    if (line.length > 0) this.#turns.push(line);
  }

  /** Whether that was all. */
  #handPiece(job: Job): boolean {
    const end = job.next + this.#limits.appMessageBatch;
    for (const target of job.targets.slice(job.next, end)) target.receive(job.message);
    job.next = end;
    return end >= job.targets.length;
  }
}
