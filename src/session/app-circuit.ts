import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Stop } from "../kernel/stop.ts";
import type { WebhookOutcome } from "./ports.ts";

/**
 * What is known of one app server, over all users of the app.
 * - `closed`: nothing speaks against calling it.
 * - `open`: it failed. Only its health is looked at, ever more rarely, and only while somebody waits for it.
 * - `trying`: it seems to be back; one caller finds out for all.
 */
export type CircuitState =
  | { readonly name: "closed" }
  | ({ readonly name: "open"; readonly nextProbeMs: number } & Trouble)
  | ({ readonly name: "trying" } & Trouble);

interface Trouble {
  readonly downSinceMs: number;
  /** Callers that were let through since, and failed all the same. */
  readonly trials: number;
  /** No other caller is let through before. */
  readonly nextTrialMs: number;
}

export type CircuitEvent =
  /** A caller did not get through, or was told by whoever answers there that there is no such app. */
  | { readonly kind: "failed" }
  /** A caller got through, or the server has connected by itself. */
  | { readonly kind: "alive" }
  | { readonly kind: "probed"; readonly answers: boolean };

/** What becomes of a circuit when something happens. Pure. */
export function nextCircuit(
  state: CircuitState,
  event: CircuitEvent,
  nowMs: number,
  limits: Limits,
): CircuitState {
  if (event.kind === "alive") return { name: "closed" };
  if (state.name === "closed") {
    if (event.kind === "probed") return state;
    return {
      name: "open",
      downSinceMs: nowMs,
      trials: 0,
      nextTrialMs: nowMs,
      nextProbeMs: nowMs + limits.probeOftenMs,
    };
  }
  const { downSinceMs, trials, nextTrialMs } = state;
  const trouble = { downSinceMs, trials, nextTrialMs };
  if (event.kind === "probed" && event.answers && state.name === "open" && nowMs >= nextTrialMs) {
    return { name: "trying", ...trouble };
  }
  const nextProbeMs = nowMs + probePauseMs(nowMs - downSinceMs, limits);
  if (event.kind === "failed" && state.name === "trying") {
    const pauseMs = trialPauseMs(trials + 1, nowMs - downSinceMs, limits);
    return { name: "open", downSinceMs, trials: trials + 1, nextTrialMs: nowMs + pauseMs, nextProbeMs };
  }
  // Somebody has called out of turn, on a user's wish: the timetable stands.
  if (event.kind === "failed" || state.name === "trying") return state;
  return { name: "open", ...trouble, nextProbeMs };
}

/** Every 2 s while it may be a restart, then every minute, then every hour. */
function probePauseMs(downMs: number, limits: Limits): number {
  if (downMs < limits.probeOftenForMs) return limits.probeOftenMs;
  return downMs < limits.probeOftenForMs + limits.probeSometimesForMs
    ? limits.probeSometimesMs
    : limits.probeRarelyMs;
}

/** A server that answers its probe but not its callers is called ever more rarely: after 2, 4, 8 ... 60 s, then hourly. */
function trialPauseMs(trials: number, downMs: number, limits: Limits): number {
  if (downMs >= limits.probeSometimesForMs) return limits.probeRarelyMs;
  return Math.min(limits.probeOftenMs * 2 ** (trials - 1), limits.probeSometimesMs);
}

/** A call to an app's server on behalf of one session. */
export interface CircuitCall {
  /** Asked right before the call is made; false: it is left out, and `done` learns that nothing was sent. */
  readonly wanted: () => boolean;
  /** Makes the call. Never rejects. */
  readonly send: () => Promise<WebhookOutcome>;
  readonly done: (outcome: WebhookOutcome) => void;
  /** Takes what one of the others has thrown, so that it is nobody else's trouble. */
  readonly onError: (error: unknown) => void;
}

interface Waiter {
  readonly call: CircuitCall;
  /** After the server's return it is not called by everybody in the same instant. */
  notBeforeMs: number;
}

export interface AppCircuitParts {
  readonly clock: Clock;
  readonly limits: Limits;
  /** Whether the server answers its health probe. Never rejects. */
  readonly probe: (signal: AbortSignal) => Promise<boolean>;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onChange: (open: boolean) => void;
}

/** Calls that were not made, since nobody wanted them any more. */
const notSent: WebhookOutcome = { kind: "unreachable", detail: "not wanted any more" };

/**
 * The way to one app server, shared by all users of its app: who wants to call it by himself waits here for his turn. At
 * most `circuitCalls` are under way, and none while the server is down; a user's explicit wish goes past the queue.
 */
export class AppCircuit {
  readonly #parts: AppCircuitParts;
  readonly #waiting = new Set<Waiter>();
  #state: CircuitState = { name: "closed" };
  #underWay = 0;
  #lastRefusedMs = Number.NEGATIVE_INFINITY;
  #probing: AbortController | undefined;
  #trial: Waiter | undefined;
  #cancelWake: Stop | undefined;

  constructor(parts: AppCircuitParts) {
    this.#parts = parts;
  }

  /** Whether the server is known to be down. */
  get open(): boolean {
    return this.#state.name !== "closed";
  }

  /** Since when; undefined while it is not. */
  get downSinceMs(): number | undefined {
    return this.#state.name === "closed" ? undefined : this.#state.downSinceMs;
  }

  /** Whether nothing is to be remembered: it can be made anew at any time. */
  get idle(): boolean {
    return !this.open && this.#waiting.size === 0 && this.#underWay === 0;
  }

  /** Calls the server as soon as it is thought to be up. The returned stop takes the call back while it has not begun. */
  queue(call: CircuitCall): Stop {
    const waiter: Waiter = { call, notBeforeMs: this.#parts.clock.now() };
    this.#waiting.add(waiter);
    this.#serve();
    return () => {
      if (this.#waiting.delete(waiter)) this.#arm();
    };
  }

  /**
   * Calls the server now, though it may be down: a user has asked for it. Of several such calls within a second to a
   * server that is down, only the first is made.
   */
  async now(call: Pick<CircuitCall, "send" | "wanted">): Promise<WebhookOutcome> {
    const { clock, limits } = this.#parts;
    if (this.open && clock.now() < this.#lastRefusedMs + limits.circuitWishMs) {
      return { kind: "unreachable", detail: "it did not answer a moment ago" };
    }
    const outcome = await call.send();
    if (this.open) this.#lastRefusedMs = clock.now();
    this.#learn(outcome, call);
    return outcome;
  }

  /** The server has shown itself: one of its sockets was let in. */
  alive(): void {
    if (this.open) this.#step({ kind: "alive" });
  }

  #learn(outcome: WebhookOutcome, { wanted }: Pick<CircuitCall, "wanted">): void {
    if (!isFailure(outcome)) this.#step({ kind: "alive" });
    // What failed because it was called off says nothing of the server.
    else if (wanted()) this.#step({ kind: "failed" });
  }

  #step(event: CircuitEvent): void {
    const { clock, limits, onChange, random } = this.#parts;
    const wasOpen = this.open;
    this.#state = nextCircuit(this.#state, event, clock.now(), limits);
    if (this.open !== wasOpen) {
      onChange(this.open);
      if (!this.open) {
        for (const waiter of this.#waiting) {
          waiter.notBeforeMs = clock.now() + random() * limits.circuitJitterMs;
        }
      }
    }
    this.#serve();
  }

  /** Lets through who may go, and comes back when something is due. */
  #serve(): void {
    const { clock, limits } = this.#parts;
    const now = clock.now();
    for (const waiter of [...this.#waiting]) {
      if (this.#state.name === "open" || this.#underWay >= limits.circuitCalls) break;
      if (this.#state.name === "trying" && this.#trial !== undefined) break;
      if (waiter.notBeforeMs > now && this.#state.name === "closed") continue;
      // It may have gone meanwhile: those before it in the line can act at once.
      if (!this.#waiting.delete(waiter)) continue;
      if (!isWanted(waiter.call)) {
        tell(waiter.call, notSent);
        continue;
      }
      if (this.#state.name === "trying") this.#trial = waiter;
      void this.#call(waiter);
    }
    this.#arm();
  }

  async #call(waiter: Waiter): Promise<void> {
    this.#underWay++;
    const { call } = waiter;
    let outcome: WebhookOutcome | undefined;
    try {
      outcome = await call.send();
    } catch (error) {
      call.onError(error);
    }
    this.#underWay--;
    if (this.#trial === waiter) this.#trial = undefined;
    // What went wrong here says nothing of the server.
    if (outcome !== undefined) this.#learn(outcome, { wanted: () => isWanted(call) });
    tell(call, outcome ?? notSent);
    this.#serve();
  }

  #arm(): void {
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    if (this.#waiting.size === 0) {
      this.#probing?.abort();
      if (this.#probing === undefined) return;
      this.#probing = undefined;
      // Who comes and goes must not make for more probes than the timetable has.
      const { clock, limits } = this.#parts;
      this.#state = nextCircuit(this.#state, { kind: "probed", answers: false }, clock.now(), limits);
      return;
    }
    const { clock } = this.#parts;
    if (this.#state.name === "open") {
      const dueMs = Math.max(this.#state.nextProbeMs, this.#state.nextTrialMs);
      if (this.#probing === undefined) this.#cancelWake = clock.at(dueMs, () => void this.#probe());
    } else if (this.#state.name === "closed" && this.#underWay < this.#parts.limits.circuitCalls) {
      const dueMs = Math.min(...[...this.#waiting].map(({ notBeforeMs }) => notBeforeMs));
      if (dueMs > clock.now()) this.#cancelWake = clock.at(dueMs, () => this.#serve());
    }
  }

  async #probe(): Promise<void> {
    const probing = new AbortController();
    this.#probing = probing;
    const answers = await this.#parts.probe(probing.signal);
    if (this.#probing !== probing) return;
    this.#probing = undefined;
    this.#step({ kind: "probed", answers });
  }
}

function isWanted({ wanted, onError }: CircuitCall): boolean {
  try {
    return wanted();
  } catch (error) {
    onError(error);
    return false;
  }
}

function tell({ done, onError }: CircuitCall, outcome: WebhookOutcome): void {
  try {
    done(outcome);
  } catch (error) {
    onError(error);
  }
}

/**
 * Nobody there, or somebody who knows no such app, as the host of an app that was taken down answers. The SDK's own
 * failure is the app's trouble with this one session.
 */
function isFailure(outcome: WebhookOutcome): boolean {
  return outcome.kind === "unreachable" || (outcome.kind === "refused" && !outcome.sdkError);
}
