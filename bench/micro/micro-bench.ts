import { measure } from "mitata";

export interface MicroCase {
  readonly name: string;
  /** Nanoseconds of one operation, at the median; undefined where this machine lacks what it takes. Called several times. */
  measure(): Promise<number | undefined>;
}

/** Ways of doing one and the same thing, each compared with the one named `baseline`. */
export interface MicroGroup {
  readonly name: string;
  readonly baseline: string;
  /** Makes what the cases need. The group is closed after its cases have run. */
  open(): Promise<OpenMicroGroup> | OpenMicroGroup;
}

export interface OpenMicroGroup {
  readonly cases: readonly MicroCase[];
  close(): void;
}

const measuredNs = 100e6;

/** Measures a synchronous operation by calling it over and over. */
export async function measureCalls(operation: () => unknown): Promise<number> {
  const { p50 } = await measure(operation, { min_cpu_time: measuredNs });
  return p50;
}

/** Operations that have another thread at their end, and so cannot just be called over and over. */
export interface Burst {
  /** Operations in a burst. */
  readonly size: number;
  readonly bursts: number;
  /** Waits, unmeasured, until the other side is ready for a burst. */
  prepare(): Promise<void>;
  run(): void;
}

/** Measures what each operation of a burst costs the calling thread, and not what becomes of it afterwards. */
export async function measureBursts({ size, bursts, prepare, run }: Burst): Promise<number> {
  // mitata takes times measured by the function itself, and what is to happen before it; its types do not know.
  const options: object = { manual: "manual", params: { 0: prepare }, min_samples: bursts, min_cpu_time: 1 };
  const { p50 } = await measure(() => {
    const before = Bun.nanoseconds();
    run();
    return (Bun.nanoseconds() - before) / size;
  }, options);
  return p50;
}
