import type { SpeechStreamOptions } from "../provider.ts";
import { type Heard, heardAfter } from "./heard-words.ts";

/** What a stream has said of its audio, whichever provider heard it: the last final, and the interim that is shown. */
export class HeardSoFar {
  #finalEnd: number;
  #hasFinal = false;
  #shownStart = 0;
  #shownEnd = 0;

  constructor(fromSample: number, shown?: SpeechStreamOptions["shown"]) {
    this.#finalEnd = fromSample;
    this.#shownStart = shown?.startSample ?? 0;
    this.#shownEnd = shown?.endSample ?? 0;
  }

  /** End of the last final. */
  get finalEnd(): number {
    return this.#finalEnd;
  }

  /** Whether a final ended just there. */
  hasFinalUntil(sample: number): boolean {
    return this.#hasFinal && this.#finalEnd === sample;
  }

  /** End of the interim that is shown; 0 when none is. */
  get shownEnd(): number {
    return this.#shownEnd;
  }

  /** Takes note of what was heard. Returns the part of it that is new; undefined: all of it was in the last final. */
  hear(heard: Heard): Heard | undefined {
    const fresh = heardAfter(heard, this.#finalEnd);
    if (fresh === undefined) return undefined;
    if (fresh.kind === "final") {
      this.#finalEnd = Math.max(this.#finalEnd, fresh.endSample);
      this.#hasFinal = true;
      this.#shownEnd = 0;
    } else if (fresh.text.trim() !== "") {
      if (this.#shownEnd === 0) this.#shownStart = fresh.startSample;
      this.#shownEnd = Math.max(this.#shownEnd, fresh.endSample);
    }
    return fresh;
  }

  /** Everything before `sample` is settled. An interim that began before it becomes the final, and must not come again. */
  settle(sample: number): void {
    if (this.#shownEnd === 0 || sample <= this.#shownStart) return;
    this.#finalEnd = Math.max(this.#finalEnd, this.#shownEnd);
    this.#shownEnd = 0;
  }
}
