/**
 * When which session sends: every session once a period, their turns spread evenly over it, as glasses that know nothing of
 * each other do. Frames are numbered over all sessions; times are on the caller's clock.
 */
export class Pacing {
  readonly #sessions: number;
  readonly #stepMs: number;
  readonly #startMs: number;

  constructor(sessions: number, periodMs: number, startMs: number) {
    this.#sessions = sessions;
    this.#stepMs = periodMs / sessions;
    this.#startMs = startMs;
  }

  dueMs(frame: number): number {
    return this.#startMs + frame * this.#stepMs;
  }

  session(frame: number): number {
    return frame % this.#sessions;
  }
}
