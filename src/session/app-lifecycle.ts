import type { Limits } from "../kernel/limits.ts";
import {
  afterAnswer,
  firstParked,
  isDue,
  isUnderWay,
  later,
  nextParked,
  type Retry,
  retryMs,
  soon,
  underWay,
} from "./app-retry.ts";
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
 *
 * A given-up app that the user still wants is STOPPED and parked: it has nothing in the session any more, is tried again
 * ever more rarely, and is let in whenever it comes.
 */
export type AppState =
  | {
      readonly name: "STOPPED";
      /** A start that came too late for its caller may still connect until then. */
      readonly lateUntilMs: number;
      /** Of a parked app, when it is tried again. */
      readonly parked?: Retry;
    }
  | {
      readonly name: "CONNECTING";
      readonly deadlineMs: number;
      readonly retry: Retry;
      readonly manner?: StartManner;
      /** Whether the app is parked if it does not come. */
      readonly park?: boolean;
    }
  | { readonly name: "RUNNING" }
  | { readonly name: "GRACE_PERIOD"; readonly sinceMs: number; readonly retry: Retry }
  | { readonly name: "RESURRECTING"; readonly sinceMs: number; readonly retry: Retry }
  | { readonly name: "DORMANT" }
  /** Its last moment, in which everything of it is taken out of the session. */
  | { readonly name: "STOPPING" };

/**
 * How a start deals with a server that does not answer: `patient` tries a few times, `once` gives up, since the server is
 * known to be down, and `automatic`, which nobody waits for, waits for its turn.
 */
type StartManner = "patient" | "once" | "automatic";

export type AppEvent =
  | {
      readonly kind: "start";
      /** Nobody has asked for it just now: the app was running in the user's last session. */
      readonly automatic?: boolean;
      /** The app's server is known not to answer. */
      readonly serverDown?: boolean;
    }
  | { readonly kind: "connected" }
  /** The current socket closed. `released`: the app had handed its session over beforehand and wants no help. */
  | { readonly kind: "lost"; readonly released: boolean }
  | { readonly kind: "answered"; readonly outcome: WebhookOutcome }
  /** A socket came for the app with a wrong key. */
  | { readonly kind: "badKey" }
  /** A moment asked for by `wakeAtMs` has come. */
  | { readonly kind: "tick" }
  | { readonly kind: "userReturned" }
  | { readonly kind: "stop" }
  /** Everything of a stopping app is gone. */
  | { readonly kind: "erased" };

export type StartFailure = {
  readonly stage: "WEBHOOK" | "CONNECTION" | "AUTHENTICATION" | "TIMEOUT" | "HARDWARE_CHECK";
  readonly message: string;
};

export type AppAction =
  /** `automatic`: it may have to wait for its turn at the app's server. */
  | { readonly kind: "sendWebhook"; readonly automatic: boolean }
  | { readonly kind: "started" }
  | { readonly kind: "startFailed"; readonly failure: StartFailure }
  /** What nobody waits for has failed: the app is parked, and the user is to be told. */
  | { readonly kind: "givenUp"; readonly failure: StartFailure }
  /** The app said that it hands over: its subscriptions and displays end. */
  | { readonly kind: "release" };

export const stopped: AppState = { name: "STOPPED", lateUntilMs: 0 };

const serverDown: StartFailure = { stage: "WEBHOOK", message: "The app's server does not answer" };
const notBroughtBack: StartFailure = { stage: "TIMEOUT", message: "The app could not be brought back" };

type Step = readonly [AppState, readonly AppAction[]];

/** What is kept of an app's state in case the process ends; of a stopped app, nothing. */
export type KeptAppState =
  | { readonly name: "CONNECTING" | "RUNNING" | "DORMANT" }
  | { readonly name: "GRACE_PERIOD" | "RESURRECTING"; readonly sinceMs: number };

/** The state as the next process needs it. Pure. */
export function keptAppState(state: AppState): KeptAppState | undefined {
  switch (state.name) {
    case "CONNECTING":
    case "RUNNING":
    case "DORMANT":
      return { name: state.name };
    case "GRACE_PERIOD":
    case "RESURRECTING":
      return { name: state.name, sinceMs: state.sinceMs };
    default:
      return undefined;
  }
}

/**
 * The state of an app whose socket was lost at `lostMs` because the whole server was. It comes back by itself if it is an
 * SDK's that finds the server again in time; a webhook helps it along, once that time is past. `spreadMs` keeps the webhooks
 * of many sessions apart. Pure.
 */
export function resumedAppState(
  kept: KeptAppState,
  lostMs: number,
  nowMs: number,
  spreadMs: number,
  limits: Limits,
): AppState {
  const retry: Retry = { attempts: 0, nextMs: Math.max(nowMs, lostMs + limits.appNudgeMs) + spreadMs };
  switch (kept.name) {
    case "CONNECTING":
      // A webhook may be under way that the former process has sent, so the next one waits like those of running apps.
      return {
        name: "CONNECTING",
        deadlineMs: nowMs + limits.appStartMs,
        retry,
        manner: "automatic",
        park: true,
      };
    case "RUNNING":
      return { name: "GRACE_PERIOD", sinceMs: lostMs, retry };
    case "GRACE_PERIOD":
    case "RESURRECTING":
      return { name: kept.name, sinceMs: kept.sinceMs, retry };
    case "DORMANT":
      return { name: "DORMANT" };
  }
}

/** What becomes of an app when something happens. Pure; `userPresent` says whether the glasses are connected. */
export function nextAppState(
  state: AppState,
  event: AppEvent,
  nowMs: number,
  userPresent: boolean,
  limits: Limits,
): Step {
  if (event.kind === "stop") return [{ name: "STOPPING" }, []];
  switch (state.name) {
    case "STOPPED":
      return stoppedStep(state, event, nowMs, userPresent, limits);
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
      return resurrecting(state, event, nowMs, userPresent, limits);
    case "DORMANT":
      if (event.kind === "connected") return [{ name: "RUNNING" }, []];
      if (event.kind === "start") return begin(event, true, nowMs, limits);
      if (event.kind === "userReturned") return resurrect({ attempts: 0, nextMs: nowMs }, nowMs);
      return [state, []];
    case "STOPPING":
      return [event.kind === "erased" ? stopped : state, []];
  }
}

/** The next moment at which the state changes by itself; undefined when it waits for events only. */
export function wakeAtMs(state: AppState, limits: Limits): number | undefined {
  switch (state.name) {
    case "STOPPED":
      return state.parked?.nextMs;
    case "CONNECTING":
      return Math.min(state.deadlineMs, retryMs(state.retry));
    case "GRACE_PERIOD":
      return Math.min(state.sinceMs + limits.appGraceMs, retryMs(state.retry));
    case "RESURRECTING":
      return Math.min(state.sinceMs + limits.resurrectionMs, retryMs(state.retry));
    default:
      return undefined;
  }
}

function stoppedStep(
  state: Extract<AppState, { name: "STOPPED" }>,
  event: AppEvent,
  nowMs: number,
  userPresent: boolean,
  limits: Limits,
): Step {
  const { parked } = state;
  switch (event.kind) {
    case "start":
      if (event.automatic && parked !== undefined) return [state, []];
      if (event.automatic && event.serverDown) {
        return [
          park(underWay(0)),
          [
            { kind: "sendWebhook", automatic: true },
            { kind: "givenUp", failure: serverDown },
          ],
        ];
      }
      return begin(event, event.automatic === true || parked !== undefined, nowMs, limits);
    case "connected":
      return nowMs < state.lateUntilMs ? [{ name: "RUNNING" }, []] : [state, []];
    case "answered":
      if (parked === undefined) return [state, []];
      if (event.outcome.kind === "unreachable") return [park(soon(parked, nowMs)), []];
      return [park(nextParked(parked, nowMs, limits)), []];
    case "tick":
      if (parked === undefined || !isDue(parked, nowMs)) return [state, []];
      // Nobody is there to use it: looked at again later, without counting.
      if (!userPresent) return [park({ ...parked, nextMs: nowMs + limits.parkedMs }), []];
      return [park(underWay(parked.attempts)), [{ kind: "sendWebhook", automatic: true }]];
    default:
      return [state, []];
  }
}

function begin(event: AppEvent & { kind: "start" }, parks: boolean, nowMs: number, limits: Limits): Step {
  const automatic = event.automatic === true;
  return [
    {
      name: "CONNECTING",
      deadlineMs: nowMs + limits.appStartMs,
      retry: underWay(0),
      manner: automatic ? "automatic" : event.serverDown ? "once" : "patient",
      park: parks,
    },
    [{ kind: "sendWebhook", automatic }],
  ];
}

function connecting(
  state: Extract<AppState, { name: "CONNECTING" }>,
  event: AppEvent,
  nowMs: number,
  limits: Limits,
): Step {
  const { retry, manner } = state;
  const automatic = manner === "automatic";
  const failed = (failure: StartFailure, parked: Retry): Step => [
    state.park ? park(parked) : { name: "STOPPED", lateUntilMs: nowMs + limits.appLateJoinMs },
    [{ kind: automatic ? "givenUp" : "startFailed", failure }],
  ];
  switch (event.kind) {
    case "connected":
      return [{ name: "RUNNING" }, [{ kind: "started" }]];
    case "badKey":
      return [
        stopped,
        [
          {
            kind: automatic ? "givenUp" : "startFailed",
            failure: { stage: "AUTHENTICATION", message: "The app connected with a wrong API key" },
          },
        ],
      ];
    case "answered":
      switch (event.outcome.kind) {
        case "accepted":
          // The SDK answers after its socket is up, so the socket is already on its way; the deadline still holds.
          return [state, []];
        case "refused":
          return failed(
            event.outcome.sdkError
              ? { stage: "CONNECTION", message: "The app's server could not connect" }
              : {
                  stage: "WEBHOOK",
                  message: `The app's server refused the webhook with status ${event.outcome.status}`,
                },
            firstParked(nowMs, limits),
          );
        case "unreachable":
          if (manner === "once") return failed(serverDown, soon(retry, nowMs));
          return [{ ...state, retry: automatic ? soon(retry, nowMs) : later(retry, nowMs) }, []];
      }
      break;
    case "tick":
      if (nowMs >= state.deadlineMs) {
        // What is on its way to the server may still bring the app.
        return failed(
          { stage: "TIMEOUT", message: `The app did not connect within ${limits.appStartMs / 1000} s` },
          isUnderWay(retry) ? retry : soon(retry, nowMs),
        );
      }
      if (isDue(retry, nowMs))
        return [{ ...state, retry: underWay(retry.attempts) }, [{ kind: "sendWebhook", automatic }]];
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
  const { retry, sinceMs } = state;
  const endMs = sinceMs + limits.appGraceMs;
  switch (event.kind) {
    case "connected":
      return [{ name: "RUNNING" }, []];
    case "answered":
      // Its socket should be there. If it is not, the end of the grace brings the next try.
      if (event.outcome.kind === "accepted") return [{ ...state, retry: { ...retry, nextMs: endMs } }, []];
      return [{ ...state, retry: afterAnswer(retry, event.outcome, nowMs) }, []];
    case "userReturned":
      if (isUnderWay(retry)) return [state, []];
      return [{ ...state, retry: { ...retry, nextMs: Math.max(nowMs, sinceMs + limits.appNudgeMs) } }, []];
    case "tick":
      if (nowMs >= endMs) {
        return userPresent ? resurrect(retry, nowMs) : [{ name: "DORMANT" }, []];
      }
      if (isDue(retry, nowMs)) {
        if (!userPresent) return [{ ...state, retry: { attempts: 0, nextMs: undefined } }, []];
        return [{ ...state, retry: underWay(retry.attempts) }, [{ kind: "sendWebhook", automatic: true }]];
      }
      return [state, []];
    default:
      return [state, []];
  }
}

/** A webhook that is under way is not sent twice: two of them would make the app connect twice. */
function resurrect(retry: Retry, nowMs: number): Step {
  if (isUnderWay(retry)) return [{ name: "RESURRECTING", sinceMs: nowMs, retry }, []];
  return [
    { name: "RESURRECTING", sinceMs: nowMs, retry: underWay(0) },
    [{ kind: "sendWebhook", automatic: true }],
  ];
}

function resurrecting(
  state: Extract<AppState, { name: "RESURRECTING" }>,
  event: AppEvent,
  nowMs: number,
  userPresent: boolean,
  limits: Limits,
): Step {
  const { retry } = state;
  switch (event.kind) {
    case "connected":
      return [{ name: "RUNNING" }, []];
    case "answered":
      // An accepted webhook whose socket does not come is as good as a refused one: both are tried again.
      return [{ ...state, retry: afterAnswer(retry, event.outcome, nowMs) }, []];
    case "tick":
      if (nowMs >= state.sinceMs + limits.resurrectionMs) {
        return [
          park(isUnderWay(retry) ? retry : firstParked(nowMs, limits)),
          [{ kind: "givenUp", failure: notBroughtBack }],
        ];
      }
      if (!isDue(retry, nowMs)) return [state, []];
      if (!userPresent) return [{ name: "DORMANT" }, []];
      return [{ ...state, retry: underWay(retry.attempts) }, [{ kind: "sendWebhook", automatic: true }]];
    default:
      return [state, []];
  }
}

/** A parked app is welcome whenever it comes. */
function park(parked: Retry): AppState {
  return { name: "STOPPED", lateUntilMs: Number.POSITIVE_INFINITY, parked };
}
