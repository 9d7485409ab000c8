import type { Limits } from "../kernel/limits.ts";

/**
 * Decides when a silent peer is dead. Some proxies answer pings themselves and swallow pongs, so a pong that does not
 * come proves nothing on a socket where none ever came: such a peer is given up only after a long silence.
 */
export class PeerLife {
  readonly #framesIn: () => number;
  #heardMs: number;
  /** How many signs there had been when somebody last asked. */
  #signsSeen = 0;
  #answers = 0;

  /**
   * @param framesIn how many frames have come in. Their owner counts them, and is asked at the heartbeat: for every frame
   * neither the clock nor this object is touched.
   */
  constructor(nowMs: number, framesIn: () => number) {
    this.#heardMs = nowMs;
    this.#framesIn = framesIn;
  }

  /** A sign came that the peer sends by itself at least as often as it is pinged: a pong, or a ping of its own. */
  answered(): void {
    this.#answers++;
  }

  /** Whether the peer has ever answered, so that its silence means something. */
  get answers(): boolean {
    return this.#answers > 0;
  }

  /** How often bytes have come in. */
  get signs(): number {
    return this.#framesIn() + this.#answers;
  }

  /** To be asked at every heartbeat: bytes that have come since the last one count as having come just now. */
  isDead(nowMs: number, limits: Limits): boolean {
    const { signs } = this;
    if (signs !== this.#signsSeen) this.#heardMs = nowMs;
    this.#signsSeen = signs;
    return nowMs - this.#heardMs >= (this.answers ? limits.silenceMs : limits.longSilenceMs);
  }
}
