import { dlopen, FFIType } from "bun:ffi";
import { readdirSync } from "node:fs";
import { availableParallelism, setPriority } from "node:os";

const maskWords = 16;
const { sched_setaffinity, sched_setscheduler } =
  process.platform === "linux"
    ? dlopen("libc.so.6", {
        sched_setaffinity: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
        sched_setscheduler: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
      }).symbols
    : { sched_setaffinity: undefined, sched_setscheduler: undefined };

const preferredNice = -10;

/**
 * Gives a process the processor before others. The scheduler takes it for a heavy load then and leaves it a core as far as
 * it can. Only root may; without, everything shares alike, and more trials are void.
 */
export function prefer(pid: number): void {
  try {
    setPriority(pid, preferredNice);
  } catch {}
}

const policies = { usual: 0, firstInFirstOut: 1 } as const;

/**
 * Lets a process run at once whenever it has something to do: for one that shares its core with others anyway. All of its
 * threads, or the first would wait for the others, and they for a core. Only root may.
 */
export function setRealTime(pid: number, on: boolean): void {
  if (sched_setscheduler === undefined) return;
  const policy = on ? policies.firstInFirstOut : policies.usual;
  for (const thread of threadsOf(pid)) sched_setscheduler(thread, policy, Int32Array.of(on ? 1 : 0));
}

/** None of a process that has ended. */
function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** Whether this process may say who comes first and who runs where. Who may not gets more void trials, and other figures. */
export function maySchedule(): boolean {
  return process.platform === "linux" && process.getuid?.() === 0 && availableParallelism() > 1;
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
