import type { Limits } from "../kernel/limits.ts";

/**
 * Decides when a silent peer is dead. Some proxies answer pings themselves and swallow pongs, so a pong that does not
 * come proves nothing on a socket where none ever came: such a peer is given up only after a long silence.
 */
export class PeerLife {
  #heardMs: number;
  /** Whether bytes have come in since somebody asked. */
  #heard = false;
  #answers = false;
  #signs = 0;

  constructor(nowMs: number) {
    this.#heardMs = nowMs;
  }

  /** Bytes came in. When that was is settled at the next `isDead`: the clock is not looked at for every frame. */
  heard(): void {
    this.#heard = true;
    this.#signs++;
  }

  /** A sign came that the peer sends by itself at least as often as it is pinged: a pong, or a ping of its own. */
  answered(): void {
    this.heard();
    this.#answers = true;
  }

  /** Whether the peer has ever answered, so that its silence means something. */
  get answers(): boolean {
    return this.#answers;
  }

  /** How often bytes have come in. */
  get signs(): number {
    return this.#signs;
  }

  /** To be asked at every heartbeat: bytes that have come since the last one count as having come just now. */
  isDead(nowMs: number, limits: Limits): boolean {
    if (this.#heard) this.#heardMs = nowMs;
    this.#heard = false;
    return nowMs - this.#heardMs >= (this.#answers ? limits.silenceMs : limits.longSilenceMs);
  }
}
