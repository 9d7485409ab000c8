/** How far a provider is trusted at the moment, for all sessions of a worker together. */
export type CircuitState =
  /** In use. `failures`: when it failed lately, milliseconds of the clock. */
  | { readonly kind: "closed"; readonly failures: readonly number[] }
  /** Left alone until `untilMs`. */
  | { readonly kind: "open"; readonly untilMs: number; readonly coolDownMs: number }
  /** Tried by one stream with live audio; what comes of it decides. */
  | { readonly kind: "probing"; readonly coolDownMs: number };

export type CircuitEvent =
  | { readonly kind: "failed"; readonly failure: "transient" | "auth" }
  /** Somebody begins to try it after a cool-down. */
  | { readonly kind: "probed" }
  /** The probe ended and showed nothing. */
  | { readonly kind: "undecided" }
  | { readonly kind: "answered" }
  /** Another worker leaves it alone until then; undefined: it works there. */
  | { readonly kind: "told"; readonly untilMs: number | undefined; readonly coolDownMs: number };

const failuresToOpen = 3;
const windowMs = 30_000;
const firstCoolDownMs = 5_000;
const longestCoolDownMs = 5 * 60_000;
const authCoolDownMs = 10 * 60_000;

export const closedCircuit: CircuitState = { kind: "closed", failures: [] };

/** The circuit after an event. */
export function nextCircuit(state: CircuitState, event: CircuitEvent, nowMs: number): CircuitState {
  switch (event.kind) {
    case "answered":
      return closedCircuit;
    case "probed":
      return state.kind === "open" ? { kind: "probing", coolDownMs: state.coolDownMs } : state;
    case "undecided":
      return state.kind === "probing" ? { ...state, kind: "open", untilMs: nowMs } : state;
    case "told":
      if (event.untilMs === undefined) return closedCircuit;
      // What is known here, such as that the key is refused, may hold for longer.
      return {
        kind: "open",
        untilMs: Math.max(event.untilMs, state.kind === "open" ? state.untilMs : 0),
        coolDownMs: event.coolDownMs,
      };
    case "failed":
      return afterFailure(state, event.failure, nowMs);
  }
}

function afterFailure(state: CircuitState, failure: "transient" | "auth", nowMs: number): CircuitState {
  if (failure === "auth") {
    return { kind: "open", untilMs: nowMs + authCoolDownMs, coolDownMs: firstCoolDownMs };
  }
  switch (state.kind) {
    case "closed": {
      const failures = [...state.failures.filter((at) => nowMs - at < windowMs), nowMs];
      if (failures.length < failuresToOpen) return { kind: "closed", failures };
      return { kind: "open", untilMs: nowMs + firstCoolDownMs, coolDownMs: firstCoolDownMs };
    }
    // Connections from before it opened break as well: that is the same failure, not another.
    case "open":
      return state;
    case "probing": {
      const coolDownMs = Math.min(longestCoolDownMs, state.coolDownMs * 2);
      return { kind: "open", untilMs: nowMs + coolDownMs, coolDownMs };
    }
  }
}
