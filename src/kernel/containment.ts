import type { Clock } from "./clock.ts";
import { LineLimit } from "./line-limit.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/**
 * Keeps what goes wrong on behalf of one owner, such as a session, away from everybody else: it is counted, logged as that
 * owner's, and goes no further. What many share calls nobody without one.
 */
export class Containment {
  readonly #metrics: Pick<Metrics, "errors">;
  readonly #log: Logger;
  readonly #lines: LineLimit;

  /** @param log says whose it is. */
  constructor(clock: Clock, metrics: Pick<Metrics, "errors">, log: Logger) {
    this.#lines = new LineLimit(clock);
    this.#metrics = metrics;
    this.#log = log;
  }

  /** Returns whether it went through. */
  run(where: string, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.report(where, error);
      return false;
    }
  }

  /** For what nobody waits for. */
  watch(where: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => this.report(where, error));
  }

  /** Counts what has been caught, and logs it unless the same place has been in the log just now. */
  report(where: string, error: unknown): void {
    this.#metrics.errors.inc({ where });
    const leftOut = this.#lines.admit(where);
    if (leftOut !== undefined) this.#log.error({ err: error, where, leftOut }, "an error was contained");
  }
}
