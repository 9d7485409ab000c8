import { dlopen, FFIType } from "bun:ffi";
import { availableParallelism } from "node:os";

const maskWords = 16;
const { sched_setaffinity, sched_setscheduler } =
  process.platform === "linux"
    ? dlopen("libc.so.6", {
        sched_setaffinity: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
        sched_setscheduler: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
      }).symbols
    : { sched_setaffinity: undefined, sched_setscheduler: undefined };

const firstInFirstOut = 1;
const lowestRealTime = Int32Array.of(1);

/**
 * Lets a process run whenever it has something to do, in real time. A nice value would not do: the scheduler takes who is
 * preferred so for a heavy load, and keeps everybody else off its core even while it rests. Only root may;
 * without, everything shares alike, and more trials are void.
 */
export function prefer(pid: number): void {
  sched_setscheduler?.(pid, firstInFirstOut, lowestRealTime);
}

/**
 * Keeps a process on one core, or with "any" on none. For threads that it has yet to start as well. Does nothing where the
 * system cannot.
 */
export function pin(pid: number, core: number | "any"): void {
  const mask = new BigUint64Array(maskWords);
  if (core === "any") mask.fill(~0n);
  else if (core < availableParallelism()) mask[core >> 6] = 1n << BigInt(core & 63);
  else return;
  sched_setaffinity?.(pid, mask.byteLength, mask);
}
