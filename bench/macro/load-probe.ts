import { monitorEventLoopDelay } from "node:perf_hooks";
import type { TimeSummary } from "../statistics.ts";

/** What a process has used, and how punctual its main loop was, over a stretch of time. */
export interface Load {
  readonly elapsedMs: number;
  /** Processor time of all threads, and of the main thread. */
  readonly cpuMs: number;
  readonly mainCpuMs: number;
  /** How late a timer of 5 ms came, in ms. */
  readonly lag: TimeSummary;
}

const probeMs = 5;

/** Measures the process it lives in. */
export class LoadProbe {
  readonly #delay = monitorEventLoopDelay({ resolution: probeMs });
  #startMs = 0;
  #cpu = process.cpuUsage();
  #mainCpu = process.threadCpuUsage();

  begin(): void {
    this.#delay.reset();
    this.#delay.enable();
    this.#startMs = performance.now();
    this.#cpu = process.cpuUsage();
    this.#mainCpu = process.threadCpuUsage();
  }

  end(): Load {
    const cpu = process.cpuUsage(this.#cpu);
    const mainCpu = process.threadCpuUsage(this.#mainCpu);
    const elapsedMs = performance.now() - this.#startMs;
    this.#delay.disable();
    const lag = {
      p50: this.#delay.percentile(50) / 1e6,
      p99: this.#delay.percentile(99) / 1e6,
      max: this.#delay.max / 1e6,
    };
    return {
      elapsedMs,
      cpuMs: (cpu.user + cpu.system) / 1e3,
      mainCpuMs: (mainCpu.user + mainCpu.system) / 1e3,
      lag,
    };
  }
}
