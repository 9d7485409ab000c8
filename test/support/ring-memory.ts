import type { RingMemory } from "../../src/audio/ring.ts";

/** A ring in shared memory, with canaries before and behind its data and its control words. */
export interface GuardedRing {
  readonly memory: RingMemory;
  /** Whether nothing was written outside of the ring. */
  intact(): boolean;
}

const canary = 0xa5;
const guardBytes = 256;

/** @param counter where both free-running positions begin; a multiple of 16. */
export function guardedRing(
  dataBytes: number,
  counter = 0,
  buffer = new SharedArrayBuffer(3 * guardBytes + dataBytes),
  fresh = true,
): GuardedRing {
  const bytes = new Uint8Array(buffer);
  const control = new Int32Array(buffer, guardBytes, guardBytes / 4);
  const data = new Uint8Array(buffer, 2 * guardBytes, dataBytes);
  const headWord = 16;
  const tailWord = 32;
  if (fresh) {
    bytes.fill(canary);
    control[headWord] = counter | 0;
    control[tailWord] = counter | 0;
  }
  const guarded: [number, number][] = [
    [0, guardBytes + headWord * 4],
    [guardBytes + headWord * 4 + 4, guardBytes + tailWord * 4],
    [guardBytes + tailWord * 4 + 4, 2 * guardBytes],
    [2 * guardBytes + dataBytes, 3 * guardBytes + dataBytes],
  ];
  return {
    memory: { control, headWord, tailWord, data },
    intact: () => guarded.every(([from, to]) => bytes.subarray(from, to).every((byte) => byte === canary)),
  };
}
