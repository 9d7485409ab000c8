import { cpus } from "node:os";

/** Milliseconds that all cores together have been busy since the machine started, with whatever. */
export function busyMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

/** So much of a core may be busy with something else. */
const quietCores = 0.3;
const lookMs = 500;

/** Waits for a noisy neighbour to calm down, but not for ever. */
export class Patience {
  #leftMs: number;

  /** @param totalMs for all waits together. */
  constructor(totalMs: number) {
    this.#leftMs = totalMs;
  }

  /** Resolves when hardly anything else runs on the machine, or after `mostMs`. */
  async untilQuiet(mostMs: number): Promise<void> {
    for (const untilMs = performance.now() + mostMs; this.#leftMs > 0 && performance.now() < untilMs; ) {
      const before = busyMs();
      const fromMs = performance.now();
      await Bun.sleep(lookMs);
      const elapsedMs = performance.now() - fromMs;
      if ((busyMs() - before) / elapsedMs < quietCores) return;
      this.#leftMs -= elapsedMs;
    }
  }
}
