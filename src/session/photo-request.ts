import type { Limits } from "../kernel/limits.ts";
import { type PhotoFailure, photoRefusal } from "../wire/photo-response.ts";

/** Where a picture goes: to the app at once, to the app through this server, or to an address the app has named. */
export type PhotoWay = "direct" | "relay" | "custom";

/**
 * The life of one request for a picture.
 *
 * `cameraUntilMs`: until then the glasses' camera counts as busy with it, unless there is word sooner. Glasses that upload
 * to the app need not report success, and their silence must not hold up the next request for the whole time limit.
 * Infinity while the glasses are away.
 */
export type PhotoState =
  /** Waits for the camera. */
  | { readonly name: "REQUESTED" }
  | { readonly name: "SENT"; readonly sends: number; readonly cameraUntilMs: number }
  /** The picture has left the glasses; as far as this server sees them, it is here or where it belongs. */
  | { readonly name: "UPLOADED" }
  | { readonly name: "FAILED" }
  | { readonly name: "TIMED_OUT" }
  | { readonly name: "CANCELLED" };

/** What does not change in a request's life. */
export interface PhotoTerms {
  readonly way: PhotoWay;
  /** The app is told by then, before the SDK gives up by itself. */
  readonly untilMs: number;
}

export type PhotoEvent =
  /** The camera is free for it. */
  | { readonly kind: "turn" }
  /** The request could not be handed to the glasses' socket. */
  | { readonly kind: "undelivered" }
  /** The picture itself has come in. */
  | { readonly kind: "picture" }
  /** The glasses say that they have uploaded it. */
  | { readonly kind: "uploaded" }
  | { readonly kind: "failure"; readonly failure: PhotoFailure }
  /** The glasses' socket is gone. */
  | { readonly kind: "lost" }
  /** A new glasses socket. */
  | { readonly kind: "returned" }
  | { readonly kind: "tick"; readonly glassesAway: boolean }
  | { readonly kind: "cancel" };

export type PhotoAction =
  /** Ask the glasses for the picture. */
  | { readonly kind: "send" }
  /** Hand the picture to the app. */
  | { readonly kind: "deliver" }
  /** Tell the app that no picture will come. */
  | { readonly kind: "tell"; readonly failure: PhotoFailure };

type Step = readonly [PhotoState, readonly PhotoAction[]];

type PhotoLimits = Pick<Limits, "photoCameraMs" | "resendLeastMs">;

/** What becomes of a request when something happens. Pure. */
export function nextPhotoState(
  state: PhotoState,
  event: PhotoEvent,
  terms: PhotoTerms,
  nowMs: number,
  limits: PhotoLimits,
): Step {
  const unchanged: Step = [state, []];
  switch (state.name) {
    case "REQUESTED":
      switch (event.kind) {
        case "turn":
          return sent(1, nowMs, limits);
        case "tick":
          return nowMs >= terms.untilMs
            ? timedOut(event.glassesAway ? away : queuedTooLong, terms)
            : unchanged;
        case "cancel":
          return [{ name: "CANCELLED" }, []];
        default:
          return unchanged;
      }
    case "SENT":
      switch (event.kind) {
        case "picture":
          return [{ name: "UPLOADED" }, [{ kind: "deliver" }]];
        case "uploaded":
          // Relayed, it counts when it is here; until then the word of it says that the camera is free.
          return terms.way === "relay"
            ? [{ ...state, cameraUntilMs: nowMs }, []]
            : [{ name: "UPLOADED" }, []];
        case "undelivered":
          return failed(away, terms);
        case "failure":
          return failed(event.failure, terms);
        case "lost":
          return state.cameraUntilMs > nowMs
            ? [{ ...state, cameraUntilMs: Number.POSITIVE_INFINITY }, []]
            : unchanged;
        case "returned":
          if (state.cameraUntilMs <= nowMs) return unchanged;
          return state.sends === 1 && terms.untilMs - nowMs >= limits.resendLeastMs
            ? sent(2, nowMs, limits)
            : failed(away, terms);
        case "tick":
          if (nowMs >= terms.untilMs) return timedOut(event.glassesAway ? away : noWord, terms);
          // Whoever the app has sent the picture to will not tell us of it.
          return terms.way === "custom" && nowMs >= state.cameraUntilMs
            ? [{ name: "UPLOADED" }, []]
            : unchanged;
        case "cancel":
          return [{ name: "CANCELLED" }, []];
        case "turn":
          return unchanged;
      }
      return unchanged;
    case "UPLOADED":
    case "FAILED":
    case "TIMED_OUT":
    case "CANCELLED":
      return unchanged;
  }
}

/** When a request is to be looked at again; undefined once it is over. */
export function photoWakeMs(state: PhotoState, terms: PhotoTerms, nowMs: number): number | undefined {
  switch (state.name) {
    case "REQUESTED":
      return terms.untilMs;
    case "SENT":
      return state.cameraUntilMs > nowMs ? Math.min(state.cameraUntilMs, terms.untilMs) : terms.untilMs;
    default:
      return undefined;
  }
}

/** Whether the camera counts as busy with a request. */
export function holdsCamera(state: PhotoState, nowMs: number): boolean {
  return state.name === "SENT" && state.cameraUntilMs > nowMs;
}

const away = photoRefusal("PHONE_DISCONNECTED", "The glasses are not connected");
const queuedTooLong = photoRefusal("CAMERA_BUSY", "The camera was busy for too long");
const noWord = photoRefusal("PHONE_TIMEOUT", "The glasses have not sent the picture in time");

function sent(sends: number, nowMs: number, limits: PhotoLimits): Step {
  return [{ name: "SENT", sends, cameraUntilMs: nowMs + limits.photoCameraMs }, [{ kind: "send" }]];
}

function failed(failure: PhotoFailure, terms: PhotoTerms): Step {
  return [{ name: "FAILED" }, tell(failure, terms)];
}

function timedOut(failure: PhotoFailure, terms: PhotoTerms): Step {
  return [{ name: "TIMED_OUT" }, tell(failure, terms)];
}

/** An app that has named an address of its own waits for nothing. */
function tell(failure: PhotoFailure, terms: PhotoTerms): readonly PhotoAction[] {
  return terms.way === "custom" ? [] : [{ kind: "tell", failure }];
}
