import type { Clock } from "./clock.ts";

interface Step {
  readonly what: string;
  readonly run: () => Promise<void> | void;
  readonly mostMs: number;
}

/** What most steps may take; all of them together are to be done within a few seconds. */
const usualMs = 1_000;

/**
 * Closes in order what was started: what was added last comes first. A step that fails does not keep the others from being
 * done, nor does one that hangs: it is left behind when its time is over, and named.
 */
export class Closing {
  readonly #clock: Clock;
  readonly #steps: Step[] = [];
  /** Under way, or left behind. */
  readonly #unfinished = new Set<Step>();
  #closing: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param what names it for the operator, should it hang.
   * @param mostMs how long the next step waits for this one.
   */
  add(what: string, run: () => Promise<void> | void, mostMs = usualMs): void {
    this.#steps.push({ what, run, mostMs });
  }

  /** What has been begun and not done, each once: at the end, what hung. */
  get unfinished(): readonly string[] {
    return [...new Set([...this.#unfinished].map(({ what }) => what))];
  }

  /** Closes all of it. Rejects with the first failure, once everything else has been closed. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await this.#perform(step);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #perform(step: Step): Promise<void> {
    this.#unfinished.add(step);
    const late = Promise.withResolvers<void>();
    const stop = this.#clock.after(step.mostMs, late.resolve);
    const done = (async () => {
      try {
        await step.run();
      } finally {
        this.#unfinished.delete(step);
      }
    })();
    try {
      await Promise.race([done, late.promise]);
    } finally {
      stop();
    }
    // Should it fail after all, there is nobody left to hear of it.
    done.catch(() => undefined);
  }
}
