import { setPriority } from "node:os";
import { limits } from "./limits.ts";

/**
 * Puts the calling thread behind the main loop, which owes an answer to everybody: where there are fewer cores than there is
 * work, what waits is the work of threads. On Linux alone, where each thread has a priority of its own.
 */
export function yieldToMainLoop(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(limits.workerNice);
  } catch {
    // A system that does not let us: then they share alike.
  }
}
