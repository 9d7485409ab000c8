import type { Clock } from "./clock.ts";

/** What a signal to the process means at this moment. */
type ShutdownState = { readonly name: "running" } | { readonly name: "closing"; readonly sinceMs: number };

/**
 * One Ctrl-C comes more than once: the terminal signals every process of the group, and a command runner passes its own
 * on. Within this time it is still the same one.
 */
const sameSignalMs = 1_000;
/** An orderly end that takes longer than this is none. */
const deadlineMs = 5_000;

/** Decides on a signal: the first closes in order, a later one that is meant as such ends the process at once. */
function onSignal(state: ShutdownState, nowMs: number): "close" | "ignore" | "exit" {
  if (state.name === "running") return "close";
  return nowMs - state.sinceMs < sameSignalMs ? "ignore" : "exit";
}

interface ShutdownParts {
  readonly clock: Clock;
  /** Closes everything, as far as it can be. */
  close(): Promise<void>;
  /** What has not been closed: what is being closed at the moment, and what hangs. */
  unfinished(): readonly string[];
  /** Ends the process. */
  exit(code: number): void;
  /** One line for the operator, on the way out with 1. */
  complain(line: string): void;
}

/** Ends a process in order, once it is told to, and all the same when the order fails or hangs. */
export class Shutdown {
  readonly #parts: ShutdownParts;
  #state: ShutdownState = { name: "running" };
  #exited = false;

  constructor(parts: ShutdownParts) {
    this.#parts = parts;
  }

  /** A signal to end has come. */
  signal(): void {
    const { clock } = this.#parts;
    const nowMs = clock.now();
    switch (onSignal(this.#state, nowMs)) {
      case "ignore":
        return;
      case "exit":
        this.#exit(1, "Ended by a second signal, before everything was closed");
        return;
      case "close":
        this.#state = { name: "closing", sinceMs: nowMs };
        clock.after(deadlineMs, () =>
          this.#exit(
            1,
            `Not everything was closed within ${deadlineMs / 1000} s${this.#waits}; ended all the same`,
          ),
        );
        void this.#close();
    }
  }

  async #close(): Promise<void> {
    try {
      await this.#parts.close();
    } catch (error) {
      this.#exit(1, `Closing failed: ${error instanceof Error ? error.message : error}${this.#waits}`);
      return;
    }
    if (this.#waits === "") this.#exit(0);
    else this.#exit(1, `Not everything was closed${this.#waits}; ended all the same`);
  }

  get #waits(): string {
    const unfinished = this.#parts.unfinished();
    return unfinished.length === 0 ? "" : `, since this hung: ${unfinished.join(", ")}`;
  }

  #exit(code: number, problem?: string): void {
    if (this.#exited) return;
    this.#exited = true;
    if (problem !== undefined) this.#parts.complain(problem);
    this.#parts.exit(code);
  }
}
