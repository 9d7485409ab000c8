import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/**
 * Keeps what goes wrong on behalf of one owner, such as a session, away from everybody else: it is counted, logged as that
 * owner's, and goes no further. What many share calls nobody without one.
 */
export class Containment {
  readonly #metrics: Pick<Metrics, "errors">;
  readonly #log: Logger;

  /** @param log says whose it is. */
  constructor(metrics: Pick<Metrics, "errors">, log: Logger) {
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

  /** Counts and logs what has been caught. */
  report(where: string, error: unknown): void {
    this.#metrics.errors.inc({ where });
    this.#log.error({ err: error, where }, "an error was contained");
  }
}
