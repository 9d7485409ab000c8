/** A figure measured several times: the middle, and how far the runs lay apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Median, smallest and largest of `values`; undefined when there are none. The median of an even number is the mean of two. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const min = sorted[0];
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const upper = sorted[sorted.length >> 1] ?? max;
  const lower = sorted[(sorted.length - 1) >> 1] ?? min;
  return { median: (lower + upper) / 2, min, max };
}

/** The least value that at least the share `p` (0 to 1) of `sorted`, ascending, does not exceed; undefined for none. */
export function percentile(sorted: ArrayLike<number>, p: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)];
}

/**
 * A percentile of counts that were sorted into "less than 1, 2, 4, 8... ms": the upper bound of its bucket in ms. The last
 * bucket holds all that was longer, so there it is Infinity. Undefined when nothing was counted.
 */
export function bucketPercentile(counts: readonly number[], p: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const rank = Math.max(1, Math.ceil(p * total));
  let seen = 0;
  for (const [index, count] of counts.entries()) {
    seen += count;
    if (seen >= rank) return index === counts.length - 1 ? Number.POSITIVE_INFINITY : 2 ** index;
  }
  return undefined;
}

/** Collects times one by one in memory that is made beforehand, so that collecting does not disturb what is measured. */
export class TimeSeries {
  readonly #values: Float64Array;
  #count = 0;

  /** @param capacity what comes beyond it is counted and not kept. */
  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  /** How many were added, those beyond the capacity included. */
  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    if (this.#count < this.#values.length) this.#values[this.#count] = value;
    this.#count++;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Undefined when nothing was added. */
  summary(): TimeSummary | undefined {
    const sorted = this.#values.slice(0, Math.min(this.#count, this.#values.length)).sort();
    const p50 = percentile(sorted, 0.5);
    const p99 = percentile(sorted, 0.99);
    const max = sorted.at(-1);
    return p50 === undefined || p99 === undefined || max === undefined ? undefined : { p50, p99, max };
  }
}

export interface TimeSummary {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}
