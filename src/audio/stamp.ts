/** Time stamps of ring records: 32 bits that wrap after 18 hours, fine enough to tell a sweep of a worker from the next. */
const stampsPerMs = 64;

/** A moment of the clock that all threads share, counted from `epochMs`. */
export function stampOf(nowMs: number, epochMs: number): number {
  return ((nowMs - epochMs) * stampsPerMs) | 0;
}

/** Milliseconds from one stamp to a later one; 0 where it is not later. */
export function stampAgeMs(now: number, then: number): number {
  return Math.max(0, (now - then) | 0) / stampsPerMs;
}
