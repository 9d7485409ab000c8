/**
 * Randomness that a failed run can be repeated with: the seed is printed, and `TEST_SEED=<number>` sets it.
 */
export interface SeededRandom {
  readonly seed: number;
  /** In [0, 1). */
  next(): number;
  integer(minInclusive: number, maxInclusive: number): number;
  /** One element. @throws RangeError for an empty array. */
  pick<Value>(values: readonly Value[]): Value;
  /** `length` bytes of any value. */
  bytes(length: number): Uint8Array;
  /** True with probability `p`. */
  chance(p: number): boolean;
}

/**
 * Starts a generator and prints its seed under `label`. Without `TEST_SEED` every run gets another seed.
 */
export function seededRandom(label: string): SeededRandom {
  const { TEST_SEED: given } = process.env;
  const seed = (given ? Number(given) : Math.floor(Math.random() * 2 ** 32)) >>> 0;
  process.stdout.write(`seed of ${label}: TEST_SEED=${seed}\n`);
  return randomOf(seed);
}

/** A generator (mulberry32) for this seed, an unsigned 32-bit number. */
export function randomOf(seed: number): SeededRandom {
  let state = seed;
  const word = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const next = () => word() / 2 ** 32;
  const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    seed,
    next,
    integer,
    pick(values) {
      if (values.length === 0) throw new RangeError("nothing to pick from");
      return values[integer(0, values.length - 1)] as (typeof values)[number];
    },
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = word();
      return bytes;
    },
    chance: (p) => next() < p,
  };
}
