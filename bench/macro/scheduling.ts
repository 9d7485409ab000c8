import { dlopen, FFIType } from "bun:ffi";
import { availableParallelism, setPriority } from "node:os";

const preferredNice = -10;

/** Gives a process the processor before others. Only root may; without, everything shares alike, and more trials are void. */
export function prefer(pid: number): void {
  try {
    setPriority(pid, preferredNice);
  } catch {}
}

const maskWords = 16;
const { sched_setaffinity } =
  process.platform === "linux"
    ? dlopen("libc.so.6", {
        sched_setaffinity: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
      }).symbols
    : { sched_setaffinity: undefined };

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
