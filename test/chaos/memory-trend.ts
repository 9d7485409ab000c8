import { trendOf } from "./least-squares.ts";

const bytesPerMiB = 1024 * 1024;

/** The server's resident memory over time, of the process that lives now. */
export class MemoryTrend {
  #samples: { readonly x: number; readonly y: number }[] = [];

  /** Another process: what was before does not count. */
  restart(): void {
    this.#samples = [];
  }

  /** @param atMs of any clock. */
  add(atMs: number, bytes: number): void {
    this.#samples.push({ x: atMs / 60_000, y: bytes / bytesPerMiB });
  }

  /**
   * How it grows after the first `warmUpMs`, in MiB a minute, with the least that it certainly grows (three standard errors
   * below). Undefined where too little was seen.
   */
  grownAfter(
    warmUpMs: number,
  ): { perMinute: number; certain: number; minutes: number; lastMiB: number } | undefined {
    const first = this.#samples[0]?.x;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const warm = this.#samples.filter(({ x }) => x >= first + warmUpMs / 60_000);
    const trend = trendOf(warm);
    if (trend === undefined || warm.length < 10) return undefined;
    const minutes = last.x - (warm[0]?.x ?? last.x);
    return { perMinute: trend.slope, certain: trend.slope - 3 * trend.error, minutes, lastMiB: last.y };
  }
}
