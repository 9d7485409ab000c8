/** From `sentSample` of a connection on, its audio is the session's from `sessionSample` on. */
interface Stretch {
  readonly sentSample: number;
  readonly sessionSample: number;
  /** Made-up silence, all of which is one point of the session. */
  readonly padding: boolean;
}

/** Services speak of the last seconds; with a hole a second this is over four minutes. */
const mostStretches = 256;

/**
 * Maps the time of one connection, which counts only what has been sent on it, to the session's samples. Silence that
 * was not sent, and audio sent again, begin a new stretch.
 */
export class ProviderTime {
  readonly #stretches: Stretch[] = [];
  #sent = 0;
  #next = 0;

  /** Samples sent on the connection so far. */
  get sentSamples(): number {
    return this.#sent;
  }

  /** The session's sample after the last one sent; 0 before the first. */
  get sessionSample(): number {
    return this.#next;
  }

  /** `count` samples have been sent, the first of which is the session's `startSample`. */
  sent(startSample: number, count: number): void {
    if (count <= 0) return;
    const last = this.#stretches.at(-1);
    if (last === undefined || last.padding || startSample !== this.#next) this.#begin(startSample, false);
    this.#sent += count;
    this.#next = startSample + count;
  }

  /** `count` samples of silence have been sent that are not of the session: it stands still over them. */
  padded(count: number): void {
    if (count <= 0) return;
    if (this.#stretches.at(-1)?.padding !== true) this.#begin(this.#next, true);
    this.#sent += count;
  }

  /**
   * The session's sample for a position on the connection, in samples (fractions are rounded). Where a stretch ends and
   * the next begins there are two answers: `end` asks for the one before the hole, `start` for the one behind it. A
   * position beyond what was sent is taken for the end of it, one older than what is remembered goes by the oldest.
   */
  toSession(sentSamples: number, edge: "start" | "end" = "start"): number {
    const position = Math.min(Math.max(0, Math.round(sentSamples)), this.#sent);
    let found = this.#stretches[0];
    if (found === undefined) return 0;
    for (let at = this.#stretches.length - 1; at > 0; at--) {
      const stretch = this.#stretches[at];
      if (stretch === undefined) break;
      const within = edge === "start" ? stretch.sentSample <= position : stretch.sentSample < position;
      if (!within) continue;
      found = stretch;
      break;
    }
    return found.sessionSample + (found.padding ? 0 : Math.max(0, position - found.sentSample));
  }

  #begin(sessionSample: number, padding: boolean): void {
    this.#stretches.push({ sentSample: this.#sent, sessionSample, padding });
    if (this.#stretches.length > mostStretches) this.#stretches.shift();
  }
}
