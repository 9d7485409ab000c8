import { LatencyHistogram } from "../../src/kernel/latency-histogram.ts";

/** What a process has used, and how punctual its main loop was, over a stretch of time. */
export interface ProcessLoad {
  readonly elapsedMs: number;
  /** Processor time of all threads, and of the main thread. */
  readonly cpuMs: number;
  readonly mainCpuMs: number;
  /** How late a timer of 5 ms came: `Durations` as pairs. */
  readonly lag: readonly number[];
  /** The longest lateness in each quarter of a second, ms. */
  readonly lagSeries: readonly number[];
}

const probeMs = 5;
export const seriesStepMs = 250;

/** Measures the process it lives in. */
export class LoadProbe {
  #lag = new LatencyHistogram();
  #series: number[] = [];
  #startMs = 0;
  #cpu = process.cpuUsage();
  #mainCpu = process.threadCpuUsage();
  #timer: Timer | undefined;
  #dueMs = 0;

  begin(): void {
    this.#lag = new LatencyHistogram();
    this.#series = [];
    this.#startMs = performance.now();
    this.#cpu = process.cpuUsage();
    this.#mainCpu = process.threadCpuUsage();
    this.#arm();
  }

  end(): ProcessLoad {
    clearTimeout(this.#timer);
    const cpu = process.cpuUsage(this.#cpu);
    const mainCpu = process.threadCpuUsage(this.#mainCpu);
    return {
      elapsedMs: performance.now() - this.#startMs,
      cpuMs: (cpu.user + cpu.system) / 1e3,
      mainCpuMs: (mainCpu.user + mainCpu.system) / 1e3,
      lag: this.#lag.read().toPairs(),
      lagSeries: Array.from(this.#series, (ms) => ms ?? 0),
    };
  }

  #arm(): void {
    this.#dueMs = performance.now() + probeMs;
    this.#timer = setTimeout(this.#tick, probeMs);
  }

  readonly #tick = (): void => {
    const now = performance.now();
    const lateMs = Math.max(0, now - this.#dueMs);
    this.#lag.record(lateMs * 1000);
    const step = Math.floor((now - this.#startMs) / seriesStepMs);
    this.#series[step] = Math.max(this.#series[step] ?? 0, lateMs);
    this.#arm();
  };
}
