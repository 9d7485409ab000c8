import type { Limits } from "../kernel/limits.ts";
import type { WebhookOutcome } from "./ports.ts";

/**
 * The life of one app in one session.
 *
 *     STOPPED -> CONNECTING -> RUNNING -> GRACE_PERIOD -> RESURRECTING -> RUNNING
 *
 * An app is started by a webhook to its server, which makes it connect. When its socket is lost, the app is given
 * `appGraceMs` to come back: the SDK dials twice within 3.1 s, after which a webhook helps it along. Then it counts as
 * dead and is resurrected by further webhooks, for `resurrectionMs`. While the user is away nobody is woken: the app is
 * DORMANT until the glasses return.
 */
export type AppState =
  | {
      readonly name: "STOPPED";
      /** A start that came too late for its caller may still connect until then. */
      readonly lateUntilMs: number;
    }
  | { readonly name: "CONNECTING"; readonly deadlineMs: number; readonly retry: Retry }
  | { readonly name: "RUNNING" }
  | { readonly name: "GRACE_PERIOD"; readonly sinceMs: number; readonly retry: Retry }
  | { readonly name: "RESURRECTING"; readonly sinceMs: number; readonly retry: Retry }
  | { readonly name: "DORMANT" };

/** When the next webhook is due; undefined while one is under way, or when no other try could help. */
interface Retry {
  readonly attempts: number;
  readonly nextMs: number | undefined;
}

export type AppEvent =
  | { readonly kind: "start" }
  | { readonly kind: "connected" }
  /** The current socket closed. `released`: the app had handed its session over beforehand and wants no help. */
  | { readonly kind: "lost"; readonly released: boolean }
  | { readonly kind: "answered"; readonly outcome: WebhookOutcome }
  /** A socket came for the app with a wrong key. */
  | { readonly kind: "badKey" }
  /** A moment asked for by `wakeAtMs` has come. */
  | { readonly kind: "tick" }
  | { readonly kind: "userReturned" }
  | { readonly kind: "stop" };

export type StartFailure = {
  readonly stage: "WEBHOOK" | "CONNECTION" | "AUTHENTICATION" | "TIMEOUT" | "HARDWARE_CHECK";
  readonly message: string;
};

export type AppAction =
  | { readonly kind: "sendWebhook" }
  | { readonly kind: "started" }
  | { readonly kind: "startFailed"; readonly failure: StartFailure }
  /** All tries to bring a lost app back have failed. */
  | { readonly kind: "givenUp" }
  /** The app said that it hands over: its subscriptions and displays end. */
  | { readonly kind: "release" };

export const stopped: AppState = { name: "STOPPED", lateUntilMs: 0 };

type Step = readonly [AppState, readonly AppAction[]];

/** What becomes of an app when something happens. Pure; `userPresent` says whether the glasses are connected. */
export function nextAppState(
  state: AppState,
  event: AppEvent,
  nowMs: number,
  userPresent: boolean,
  limits: Limits,
): Step {
  if (event.kind === "stop") return [stopped, []];
  switch (state.name) {
    case "STOPPED":
      if (event.kind === "start") {
        return [
          { name: "CONNECTING", deadlineMs: nowMs + limits.appStartMs, retry: underWay(0) },
          [{ kind: "sendWebhook" }],
        ];
      }
      if (event.kind === "connected" && nowMs < state.lateUntilMs) return [{ name: "RUNNING" }, []];
      return [state, []];
    case "CONNECTING":
      return connecting(state, event, nowMs, limits);
    case "RUNNING":
      if (event.kind !== "lost") return [state, []];
      if (event.released) return [{ name: "DORMANT" }, [{ kind: "release" }]];
      return [
        { name: "GRACE_PERIOD", sinceMs: nowMs, retry: { attempts: 0, nextMs: nowMs + limits.appNudgeMs } },
        [],
      ];
    case "GRACE_PERIOD":
      return grace(state, event, nowMs, userPresent, limits);
    case "RESURRECTING":
      return resurrecting(state, event, nowMs, limits);
    case "DORMANT":
      if (event.kind === "connected") return [{ name: "RUNNING" }, []];
      if (event.kind === "start") {
        return [
          { name: "CONNECTING", deadlineMs: nowMs + limits.appStartMs, retry: underWay(0) },
          [{ kind: "sendWebhook" }],
        ];
      }
      if (event.kind === "userReturned") {
        return [{ name: "RESURRECTING", sinceMs: nowMs, retry: underWay(0) }, [{ kind: "sendWebhook" }]];
      }
      return [state, []];
  }
}

/** The next moment at which the state changes by itself; undefined when it waits for events only. */
export function wakeAtMs(state: AppState, limits: Limits): number | undefined {
  const retryMs =
    "retry" in state ? (state.retry.nextMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  switch (state.name) {
    case "CONNECTING":
      return Math.min(state.deadlineMs, retryMs);
    case "GRACE_PERIOD":
      return Math.min(state.sinceMs + limits.appGraceMs, retryMs);
    case "RESURRECTING":
      return Math.min(state.sinceMs + limits.resurrectionMs, retryMs);
    default:
      return undefined;
  }
}

function connecting(
  state: Extract<AppState, { name: "CONNECTING" }>,
  event: AppEvent,
  nowMs: number,
  limits: Limits,
): Step {
  const failed = (stage: StartFailure["stage"], message: string): Step => [
    { name: "STOPPED", lateUntilMs: nowMs + limits.appLateJoinMs },
    [{ kind: "startFailed", failure: { stage, message } }],
  ];
  switch (event.kind) {
    case "connected":
      return [{ name: "RUNNING" }, [{ kind: "started" }]];
    case "badKey":
      return failed("AUTHENTICATION", "The app connected with a wrong API key");
    case "answered":
      switch (event.outcome.kind) {
        case "accepted":
          // The SDK answers after its socket is up, so the socket is already on its way; the deadline still holds.
          return [state, []];
        case "refused":
          return event.outcome.sdkError
            ? failed("CONNECTION", "The app's server could not connect")
            : failed("WEBHOOK", `The app's server refused the webhook with status ${event.outcome.status}`);
        case "unreachable":
          return [{ ...state, retry: later(state.retry, nowMs) }, []];
      }
      break;
    case "tick":
      if (nowMs >= state.deadlineMs) {
        return failed("TIMEOUT", `The app did not connect within ${limits.appStartMs / 1000} s`);
      }
      if (isDue(state.retry, nowMs))
        return [{ ...state, retry: underWay(state.retry.attempts) }, [{ kind: "sendWebhook" }]];
      return [state, []];
  }
  return [state, []];
}

function grace(
  state: Extract<AppState, { name: "GRACE_PERIOD" }>,
  event: AppEvent,
  nowMs: number,
  userPresent: boolean,
  limits: Limits,
): Step {
  switch (event.kind) {
    case "connected":
      return [{ name: "RUNNING" }, []];
    case "answered":
      return [event.outcome.kind === "accepted" ? state : { ...state, retry: later(state.retry, nowMs) }, []];
    case "userReturned":
      return [
        { ...state, retry: { ...state.retry, nextMs: Math.max(nowMs, state.sinceMs + limits.appNudgeMs) } },
        [],
      ];
    case "tick":
      if (nowMs >= state.sinceMs + limits.appGraceMs) {
        if (!userPresent) return [{ name: "DORMANT" }, []];
        return [{ name: "RESURRECTING", sinceMs: nowMs, retry: underWay(0) }, [{ kind: "sendWebhook" }]];
      }
      if (isDue(state.retry, nowMs)) {
        if (!userPresent) return [{ ...state, retry: { ...state.retry, nextMs: undefined } }, []];
        return [{ ...state, retry: underWay(state.retry.attempts) }, [{ kind: "sendWebhook" }]];
      }
      return [state, []];
    default:
      return [state, []];
  }
}

function resurrecting(
  state: Extract<AppState, { name: "RESURRECTING" }>,
  event: AppEvent,
  nowMs: number,
  limits: Limits,
): Step {
  switch (event.kind) {
    case "connected":
      return [{ name: "RUNNING" }, []];
    case "answered":
      // An accepted webhook whose socket does not come is as good as a refused one: both are tried again.
      return [{ ...state, retry: later(state.retry, nowMs) }, []];
    case "tick":
      if (nowMs >= state.sinceMs + limits.resurrectionMs) return [stopped, [{ kind: "givenUp" }]];
      if (isDue(state.retry, nowMs))
        return [{ ...state, retry: underWay(state.retry.attempts) }, [{ kind: "sendWebhook" }]];
      return [state, []];
    default:
      return [state, []];
  }
}

function underWay(attempts: number): Retry {
  return { attempts: attempts + 1, nextMs: undefined };
}

/** 1, 2, 4, 8, 16, then every 30 seconds. */
function later(retry: Retry, nowMs: number): Retry {
  return { ...retry, nextMs: nowMs + Math.min(1000 * 2 ** (retry.attempts - 1), 30_000) };
}

function isDue(retry: Retry, nowMs: number): boolean {
  return retry.nextMs !== undefined && nowMs >= retry.nextMs;
}
