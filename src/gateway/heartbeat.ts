import type { Clock } from "../kernel/clock.ts";
import type { Stop } from "../kernel/stop.ts";

/** Members are spread over this many ticks of a period, so that no tick has to ping everybody. */
const ticksPerPeriod = 20;

/** Gives every member one beat a period, from one timer for all. */
export class Heartbeat {
  readonly #rows: Set<(nowMs: number) => void>[] = Array.from({ length: ticksPerPeriod }, () => new Set());
  readonly #stop: Stop;
  #tick = 0;
  #joined = 0;

  /** @param onError receives what a beat throws; the other members get theirs all the same. */
  constructor(clock: Clock, periodMs: number, onError: (error: unknown) => void) {
    this.#stop = clock.every(periodMs / ticksPerPeriod, () => {
      const row = this.#rows[this.#tick++ % ticksPerPeriod] ?? [];
      const nowMs = clock.now();
      for (const beat of [...row]) {
        try {
          beat(nowMs);
        } catch (error) {
          onError(error);
        }
      }
    });
  }

  /** From now on `beat` is called once a period. The returned stop ends that. */
  add(beat: (nowMs: number) => void): Stop {
    const row = this.#rows[this.#joined++ % ticksPerPeriod];
    row?.add(beat);
    return () => row?.delete(beat);
  }

  stop(): void {
    this.#stop();
  }
}
