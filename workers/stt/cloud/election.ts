import type { Clock } from "../../../src/kernel/clock.ts";
import type { Stop } from "../../../src/kernel/stop.ts";
import type { CloudLink } from "./cloud-link.ts";
import type { ConnectionFailure } from "./vendor.ts";
import type { VendorDesk } from "./vendor-desk.ts";

/** A provider that has not opened by then gets company. */
const hedgeMs = 1_500;
/** What passes before the same provider is tried again, after its first failure, its second and so on. */
const retriesMs: readonly number[] = [0, 250, 1_000];
const jitter = 0.3;
/** After so many failures in a row the next provider joins. */
const failuresToJoin = 2;
/** A provider that has used up its tries is left to others for this long. */
const restMs = 5_000;

export interface ElectionOptions {
  readonly clock: Clock;
  readonly desks: readonly VendorDesk[];
  readonly language: string;
  readonly random: () => number;
  open(desk: VendorDesk): CloudLink;
  /** The first link that is open; the others have been closed. */
  onWon(link: CloudLink): void;
  /** No provider in the cloud can be had for now; it goes on trying all the same. */
  onHopeless(detail: string): void;
  hasOffline(): boolean;
}

interface Attempts {
  failures: number;
  retryMs: number;
}

/** Finds the provider for one stream: in the configured order, one after the other, the next one as well when one is slow. */
export class Election {
  readonly #options: ElectionOptions;
  readonly #candidates = new Map<VendorDesk, CloudLink>();
  readonly #attempts = new Map<VendorDesk, Attempts>();
  #startedMs: number | undefined;
  #stopWake: Stop | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** Begins, or goes on with what is due by now. */
  run(): void {
    const { clock, desks, language } = this.#options;
    const now = clock.now();
    this.#startedMs ??= now;
    const slow = Math.floor((now - this.#startedMs) / hedgeMs);
    for (const [desk, link] of this.#candidates) {
      if (link.isWaiting && desk.availableAtMs(language) > now) this.#drop(desk, link);
    }
    const eligible = desks.filter((desk) => this.#candidates.has(desk) || this.#mayTry(desk, now));
    let places = 1 + slow;
    for (const desk of eligible) {
      if (places <= 0) break;
      if (!this.#candidates.has(desk) && this.#retryMs(desk) <= now) {
        this.#candidates.set(desk, this.#options.open(desk));
      }
      // Words are owed: whoever fails again at once, or has no room, is not waited for.
      const failing = this.#failures(desk) >= failuresToJoin;
      if (!failing && this.#candidates.get(desk)?.isWaiting !== true) places--;
    }
    this.#wakeLater(eligible, slow, now);
    const isHopeless = eligible.length === 0 || (eligible.length <= slow && this.#options.hasOffline());
    if (isHopeless) this.#options.onHopeless(this.describe());
  }

  /** A candidate is open: it has won. */
  opened(link: CloudLink): void {
    if (this.#candidates.get(link.desk) !== link) return;
    this.#candidates.delete(link.desk);
    this.stop();
    this.#options.onWon(link);
  }

  /** A link has ended, candidate or elected. */
  lost(link: CloudLink, failure: ConnectionFailure | undefined): void {
    const wasCandidate = this.#candidates.get(link.desk) === link;
    if (wasCandidate) this.#candidates.delete(link.desk);
    if (failure !== undefined) this.#remember(link, failure);
    if (wasCandidate) this.run();
  }

  /** A provider has recognised something: its failures are forgotten. */
  forgive(desk: VendorDesk): void {
    this.#attempts.delete(desk);
  }

  /** Closes all candidates. */
  stop(): void {
    this.#stopWake?.();
    this.#startedMs = undefined;
    for (const [desk, link] of this.#candidates) this.#drop(desk, link);
  }

  /** Why there is nobody. */
  describe(): string {
    const circuits = this.#options.desks.map(({ id, state }) => `${id} (${state.circuit})`);
    return `no speech provider can be had: ${circuits.join(", ")}`;
  }

  #drop(desk: VendorDesk, link: CloudLink): void {
    this.#candidates.delete(desk);
    link.close(0);
  }

  #mayTry(desk: VendorDesk, now: number): boolean {
    const { failures = 0, retryMs = 0 } = this.#attempts.get(desk) ?? {};
    if (failures > retriesMs.length && retryMs > now) return false;
    return desk.availableAtMs(this.#options.language) <= now;
  }

  #failures(desk: VendorDesk): number {
    return this.#attempts.get(desk)?.failures ?? 0;
  }

  #retryMs(desk: VendorDesk): number {
    return this.#attempts.get(desk)?.retryMs ?? 0;
  }

  #remember({ desk, hasStalled }: CloudLink, failure: ConnectionFailure): void {
    // The desk itself keeps the others away from it.
    if (failure.kind !== "transient" && failure.kind !== "protocol") return;
    const now = this.#options.clock.now();
    const known = this.#attempts.get(desk) ?? { failures: 0, retryMs: 0 };
    const others = this.#options.desks.length > 1 || this.#options.hasOffline();
    const used = known.failures > retriesMs.length ? 1 : known.failures + 1;
    // A stall has already cost its time: whoever else there is goes on.
    const failures = hasStalled && others ? retriesMs.length + 1 : used;
    const delayMs = retriesMs[failures - 1];
    const spread = 1 + jitter * (2 * this.#options.random() - 1);
    const retryMs = now + (delayMs === undefined ? restMs : delayMs * spread);
    this.#attempts.set(desk, { failures, retryMs });
  }

  #wakeLater(eligible: readonly VendorDesk[], slow: number, now: number): void {
    this.#stopWake?.();
    const { clock, desks, language } = this.#options;
    const times = desks.map((desk) => Math.max(this.#retryMs(desk), desk.availableAtMs(language)));
    if (eligible.length > slow + 1 || this.#options.hasOffline())
      times.push((this.#startedMs ?? now) + hedgeMs * (slow + 1));
    const nextMs = Math.min(...times.filter((time) => time > now));
    if (Number.isFinite(nextMs)) this.#stopWake = clock.at(nextMs, () => this.run());
  }
}
