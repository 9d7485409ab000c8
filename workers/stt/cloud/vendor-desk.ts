import type { SpeechNews, SpeechProviderState } from "../../../src/audio/commands.ts";
import type { Clock } from "../../../src/kernel/clock.ts";
import { type CircuitEvent, type CircuitState, closedCircuit, nextCircuit } from "./circuit.ts";
import type { OpenGate } from "./open-gate.ts";
import type { SpeechTally } from "./speech-tally.ts";
import type { CloudVendor, ConnectionFailure } from "./vendor.ts";

/** A language that a provider has refused is not asked for again for this long. */
const refusedLanguageMs = 5 * 60_000;
const firstLimitPauseMs = 1_000;
const longestLimitPauseMs = 60_000;

export interface VendorDeskOptions {
  readonly vendor: CloudVendor;
  readonly gate: OpenGate;
  readonly clock: Clock;
  readonly tally: SpeechTally;
  /** Whether it may be tried has changed. */
  readonly onChange: () => void;
  /** What is worth telling the other workers, which have the same account. */
  readonly onNews: (news: SpeechNews) => void;
}

/** Within this time a probe has shown something, or shows nothing. */
const probeMs = 15_000;

/** One provider as all streams share it, those of a worker at once and those of others by word of mouth: whether it may be tried, and the door to it. */
export class VendorDesk {
  readonly vendor: CloudVendor;
  readonly gate: OpenGate;
  readonly #options: VendorDeskOptions;
  #circuit: CircuitState = closedCircuit;
  #limitedUntilMs = 0;
  #limitPauseMs = firstLimitPauseMs;
  readonly #refused = new Map<string, number>();

  constructor(options: VendorDeskOptions) {
    this.vendor = options.vendor;
    this.gate = options.gate;
    this.#options = options;
  }

  get id(): CloudVendor["id"] {
    return this.vendor.id;
  }

  get state(): SpeechProviderState {
    const { id, gate } = this;
    return { id, circuit: this.#circuit.kind, connections: gate.inside, waiting: gate.waiting };
  }

  /** When a stream of this language may try, a time of the clock. Infinity: when another stream's probe has shown something. */
  availableAtMs(language: string): number {
    const circuitMs =
      this.#circuit.kind === "open" ? this.#circuit.untilMs : this.#circuit.kind === "probing" ? Infinity : 0;
    return Math.max(circuitMs, this.#limitedUntilMs, this.#refused.get(language) ?? 0);
  }

  /** Whether a stream of this language can count on it, as far as is known. */
  serves(language: string): boolean {
    return this.#circuit.kind === "closed" && this.availableAtMs(language) <= this.#options.clock.now();
  }

  /** A stream begins to connect. True: it is the probe, and has to say what came of it. */
  begin(): boolean {
    this.#options.tally.count("opened", this.id);
    if (this.#circuit.kind !== "open") return false;
    this.#move({ kind: "probed" });
    return true;
  }

  answered(): void {
    this.#limitPauseMs = firstLimitPauseMs;
    if (this.#circuit.kind !== "closed" || this.#circuit.failures.length > 0)
      this.#move({ kind: "answered" });
  }

  /** The probe has ended, or takes long, without having shown anything. */
  undecided(): void {
    this.#move({ kind: "undecided" });
  }

  failed(failure: ConnectionFailure, language: string): void {
    const { clock, tally } = this.#options;
    const now = clock.now();
    tally.count("failed", this.id, failure.kind);
    switch (failure.kind) {
      case "auth":
        this.#move({ kind: "failed", failure: "auth" });
        return;
      case "config":
        this.#refused.set(language, now + refusedLanguageMs);
        this.undecided();
        return;
      case "limit":
        this.#limitedUntilMs = Math.max(
          this.#limitedUntilMs,
          now + (failure.retryAfterMs ?? this.#limitPauseMs),
        );
        this.#limitPauseMs = Math.min(longestLimitPauseMs, this.#limitPauseMs * 2);
        this.undecided();
        return;
      case "expired":
        this.undecided();
        return;
      case "protocol":
      case "transient":
        this.#move({ kind: "failed", failure: "transient" });
    }
  }

  /** Takes another worker's word. A probe under way here finds out by itself. */
  learn({ untilMs, coolDownMs }: SpeechNews): void {
    if (this.#circuit.kind !== "probing") this.#change({ kind: "told", untilMs, coolDownMs });
  }

  #move(event: CircuitEvent): void {
    const before = this.#circuit;
    this.#change(event);
    const circuit = this.#circuit;
    if (circuit.kind === before.kind) return;
    const provider = this.id;
    const { onNews, clock } = this.#options;
    if (circuit.kind === "closed")
      onNews({ kind: "speechNews", provider, untilMs: undefined, coolDownMs: 0 });
    else {
      // While one tries, the others wait for what comes of it, and not for ever.
      const untilMs = circuit.kind === "open" ? circuit.untilMs : clock.now() + probeMs;
      onNews({ kind: "speechNews", provider, untilMs, coolDownMs: circuit.coolDownMs });
    }
  }

  #change(event: CircuitEvent): void {
    const before = this.#circuit;
    this.#circuit = nextCircuit(before, event, this.#options.clock.now());
    if (this.#circuit.kind !== before.kind) this.#options.onChange();
  }
}
