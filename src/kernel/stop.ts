/** What every starter returns: undoes it. Safe to call twice. */
export type Stop = () => void;

/** Collects the stops of everything an owner started and runs them in reverse order, each exactly once. */
export class StopList {
  #stops: Stop[] = [];
  #stopped = false;

  /** Registers a stop. If the list has already been stopped, runs it at once, so that a late starter cannot leak. */
  add(stop: Stop): void {
    if (this.#stopped) stop();
    else this.#stops.push(stop);
  }

  /** Runs all stops, newest first. One that throws does not keep the others from running; the first error is rethrown. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    let firstError: unknown;
    for (const stop of this.#stops.splice(0).reverse()) {
      try {
        stop();
      } catch (error) {
        firstError ??= error;
      }
    }
    if (firstError !== undefined) throw firstError;
  }
}
