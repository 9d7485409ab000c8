import type { SpeechCount } from "../../../src/audio/commands.ts";

/** What the supervised streams of a worker count, until it is fetched for the main thread. */
export class SpeechTally {
  readonly #counts = new Map<string, SpeechCount & { by: number }>();

  count(what: SpeechCount["what"], provider: string, reason = "", by = 1): void {
    const key = `${what}|${provider}|${reason}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { what, provider, reason, by });
    else known.by += by;
  }

  /** All that was counted since the last call. */
  take(): readonly SpeechCount[] {
    const counts = [...this.#counts.values()];
    this.#counts.clear();
    return counts;
  }
}
