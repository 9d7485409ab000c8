import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";

/**
 * Notices audio that goes on for `unauthorisedAudioMs` though the glasses were told to be silent: they missed it. In
 * one flat object, since this is asked many times a second for everybody.
 */
export class UnwantedAudio {
  /** Whether the present socket was told to be silent. */
  #silenced = false;
  /** When audio began that nobody wants; undefined while there is none. */
  #sinceMs: number | undefined;
  #lastMs = 0;
  #pausedUntilMs = 0;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #onGoingOn: () => boolean;

  /** @param onGoingOn tells the glasses once more; false: not now. */
  constructor(clock: Clock, limits: Limits, onGoingOn: () => boolean) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onGoingOn = onGoingOn;
  }

  /** What the present socket has been told last; undefined: nothing yet. */
  told(enabled: boolean | undefined): void {
    this.#silenced = enabled === false;
    this.#sinceMs = undefined;
  }

  /** Audio comes. To be called several times a second while it does. */
  heard(): void {
    if (!this.#silenced) return;
    const now = this.#clock.now();
    const limits = this.#limits;
    if (this.#sinceMs === undefined || now - this.#lastMs > limits.microphoneDebounceMs) this.#sinceMs = now;
    this.#lastMs = now;
    if (now < this.#pausedUntilMs || now - this.#sinceMs < limits.unauthorisedAudioMs) return;
    if (!this.#onGoingOn()) return;
    this.#pausedUntilMs = now + limits.unauthorisedPauseMs;
    this.#sinceMs = undefined;
  }
}
