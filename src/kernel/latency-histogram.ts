/** Buckets of one doubling: a duration is known to within a thirty-second of itself. */
const stepsPerDoubling = 32;
const stepBits = 5;
/** Longest duration told from longer ones: 2^31 - 1 us, over half an hour. */
const longestUs = 2 ** 31 - 1;

/** Words that one histogram takes. */
export const histogramWords = (31 - stepBits) * stepsPerDoubling + stepsPerDoubling;

function bucketOf(us: number): number {
  if (us < stepsPerDoubling) return us < 0 ? 0 : us | 0;
  const whole = us > longestUs ? longestUs : us | 0;
  const shift = 31 - Math.clz32(whole) - stepBits;
  return ((shift + 1) << stepBits) | ((whole >>> shift) & (stepsPerDoubling - 1));
}

/** Largest duration that falls into a bucket, in us. */
function upperBoundUs(bucket: number): number {
  if (bucket < stepsPerDoubling) return bucket;
  const shift = (bucket >> stepBits) - 1;
  return (stepsPerDoubling + (bucket & (stepsPerDoubling - 1)) + 1) * 2 ** shift - 1;
}

/**
 * Counts durations in buckets that grow with them (as HDR histograms do), in memory that may be shared: one thread records,
 * any thread reads, nothing is allocated and nothing is forgotten when a worker dies. The native histogram of the runtime
 * belongs to one thread and is lost with it.
 */
export class LatencyHistogram {
  readonly #counts: Uint32Array;

  /** @param counts `histogramWords` long; zero at the start of a life. */
  constructor(counts: Uint32Array = new Uint32Array(histogramWords)) {
    if (counts.length !== histogramWords) throw new RangeError(`a histogram takes ${histogramWords} words`);
    this.#counts = counts;
  }

  /** Counts one duration in microseconds. What is negative counts as 0, what is too long as the longest. */
  record(us: number): void {
    const bucket = bucketOf(us);
    this.#counts[bucket] = ((this.#counts[bucket] ?? 0) + 1) | 0;
  }

  /** All that has been counted up to now. */
  read(): Durations {
    return new Durations(this.#counts.slice());
  }
}

/** Durations as they were counted, to be asked for percentiles. Never changes. */
export class Durations {
  readonly #counts: Uint32Array;
  readonly count: number;

  constructor(counts: Uint32Array) {
    this.#counts = counts;
    let count = 0;
    for (let i = 0; i < counts.length; i++) count += counts[i] ?? 0;
    this.count = count;
  }

  static readonly none = new Durations(new Uint32Array(histogramWords));

  /** Those that are not in `earlier`, a reading of the same histogram. Counts may have wrapped in between. */
  since(earlier: Durations): Durations {
    return new Durations(this.#counts.map((count, bucket) => (count - (earlier.#counts[bucket] ?? 0)) >>> 0));
  }

  plus(other: Durations): Durations {
    return new Durations(this.#counts.map((count, bucket) => (count + (other.#counts[bucket] ?? 0)) >>> 0));
  }

  /** The duration in us that at least the share `p` (0 to 1) does not exceed; undefined when nothing was counted. */
  percentileUs(p: number): number | undefined {
    if (this.count === 0) return undefined;
    const rank = Math.max(1, Math.ceil(p * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return upperBoundUs(bucket);
    }
    return undefined;
  }

  /** How many did not exceed `us`, to within the width of a bucket. */
  countUpTo(us: number): number {
    const last = bucketOf(us);
    let seen = 0;
    for (let bucket = 0; bucket <= last; bucket++) seen += this.#counts[bucket] ?? 0;
    return seen;
  }

  /** Their sum in us, at most a thirty-second too large. */
  get sumUs(): number {
    let sum = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      const count = this.#counts[bucket] ?? 0;
      if (count > 0) sum += count * upperBoundUs(bucket);
    }
    return sum;
  }

  /** For another process; undone by `Durations.from`. Pairs of bucket and count. */
  toPairs(): number[] {
    const pairs: number[] = [];
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      const count = this.#counts[bucket] ?? 0;
      if (count > 0) pairs.push(bucket, count);
    }
    return pairs;
  }

  static from(pairs: readonly number[]): Durations {
    const counts = new Uint32Array(histogramWords);
    for (let i = 0; i + 1 < pairs.length; i += 2) counts[pairs[i] ?? 0] = pairs[i + 1] ?? 0;
    return new Durations(counts);
  }
}
