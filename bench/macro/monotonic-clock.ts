import { dlopen, FFIType } from "bun:ffi";

const monotonic = 1;

/**
 * Milliseconds on a clock that all processes of this machine share. Where the system's own cannot be had it is the wall
 * clock as each process sees it, which is right to about a millisecond.
 */
export const monotonicMs: () => number = openClock();

function openClock(): () => number {
  if (process.platform !== "linux") return () => performance.timeOrigin + performance.now();
  const { symbols } = dlopen("libc.so.6", {
    clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  });
  const time = new BigInt64Array(2);
  return () => {
    symbols.clock_gettime(monotonic, time);
    return Number(time[0]) * 1e3 + Number(time[1]) / 1e6;
  };
}
