import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AppRecord } from "../store/store.ts";
import { AppCircuit } from "./app-circuit.ts";
import type { Webhooks } from "./ports.ts";

export interface AppCircuitsParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly webhooks: Webhooks;
  /** In [0, 1). Default: `Math.random`. */
  readonly random?: () => number;
}

/** An app server that is known to be down. */
export interface DownServer {
  readonly url: string;
  readonly sinceMs: number;
}

/** The ways to all app servers, one an address, whoever calls. */
export class AppCircuits {
  readonly #parts: AppCircuitsParts;
  readonly #circuits = new Map<string, AppCircuit>();

  constructor(parts: AppCircuitsParts) {
    this.#parts = parts;
  }

  /** The way to an app's server. */
  of(record: AppRecord): AppCircuit {
    const url = record.publicUrl;
    const known = this.#circuits.get(url);
    if (known !== undefined) return known;
    if (this.#circuits.size >= this.#parts.limits.circuits) this.#forgetIdle();
    const { clock, limits, webhooks, random = Math.random } = this.#parts;
    const circuit = new AppCircuit({
      clock,
      limits,
      random,
      probe: (signal) => webhooks.probe(record, signal),
      onChange: (open) => this.#tell(url, open),
    });
    this.#circuits.set(url, circuit);
    return circuit;
  }

  /** Whether an app's server is known to be down. */
  isDown(record: AppRecord): boolean {
    return this.#circuits.get(record.publicUrl)?.open === true;
  }

  /** The servers that are known to be down, longest first. */
  down(): readonly DownServer[] {
    return [...this.#circuits]
      .flatMap(([url, { downSinceMs }]) => (downSinceMs === undefined ? [] : [{ url, sinceMs: downSinceMs }]))
      .sort((a, b) => a.sinceMs - b.sinceMs);
  }

  #tell(url: string, open: boolean): void {
    this.#parts.metrics.appServersDown.set(this.down().length);
    if (open) this.#parts.log.warn({ url }, "an app's server does not answer");
    else this.#parts.log.info({ url }, "an app's server answers again");
  }

  #forgetIdle(): void {
    for (const [url, circuit] of this.#circuits) {
      if (circuit.idle) this.#circuits.delete(url);
    }
  }
}
