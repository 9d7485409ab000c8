/** How the numbers that were sent have reached a handler. */
export interface PressVerdict {
  /** Never came. */
  readonly lost: readonly number[];
  /** Came for the first time after a later one. */
  readonly disordered: readonly number[];
  /** Came more than once, a number for each time too many. */
  readonly duplicates: readonly number[];
}

/** @param owed what had to come, @param heard what has come, in the order of coming. */
export function judgePresses(owed: readonly number[], heard: readonly number[]): PressVerdict {
  const seen = new Set<number>();
  const disordered: number[] = [];
  const duplicates: number[] = [];
  let highest = 0;
  for (const number of heard) {
    if (seen.has(number)) duplicates.push(number);
    else if (number < highest) disordered.push(number);
    seen.add(number);
    highest = Math.max(highest, number);
  }
  return { lost: owed.filter((number) => !seen.has(number)), disordered, duplicates };
}
