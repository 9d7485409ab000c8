import type { Limits } from "../kernel/limits.ts";
import type { Stop } from "../kernel/stop.ts";
import type { AppMessage } from "../wire/apps.ts";
import type { GlassesMessage, ToGlasses } from "../wire/glasses.ts";
import { type RefusalCode, refusal } from "../wire/refusals.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";

/**
 * Plays sounds of apps through the phone. The server carries addresses and never sound: the phone fetches what it is to
 * play, tells when it is done, and only the app that asked hears of it. No request stays without an answer.
 */

/** A sound that the phone has been told to play and has not reported on. */
export type PlayState =
  | { readonly name: "SENT"; readonly untilMs: number; readonly resent: boolean }
  /** Told to stop. The phone's own word on it comes first, for a moment. */
  | { readonly name: "ENDING"; readonly untilMs: number; readonly code: RefusalCode };

export type PlayEvent =
  /** The phone has reported on it. */
  | { readonly kind: "answered" }
  | { readonly kind: "ended"; readonly code: RefusalCode; readonly phoneThere: boolean }
  /** The phone's socket gives no sign of life. */
  | { readonly kind: "silent" }
  /** A phone's socket has been acknowledged that may not know of it. */
  | { readonly kind: "phoneReturned" }
  | { readonly kind: "tick" };

export type PlayAction =
  | { readonly kind: "relay" }
  | { readonly kind: "resend" }
  | { readonly kind: "refuse"; readonly code: RefusalCode };

type PlayStep = [state: PlayState | undefined, action: PlayAction | undefined];

/** What becomes of a sound when something happens; a state of undefined: it has been answered. Pure. */
export function nextPlay(state: PlayState, event: PlayEvent, nowMs: number, limits: Limits): PlayStep {
  switch (event.kind) {
    case "answered":
      return [undefined, { kind: "relay" }];
    case "ended": {
      const { code } = event;
      if (!event.phoneThere) return [undefined, { kind: "refuse", code }];
      if (state.name === "ENDING") return [state, undefined];
      const untilMs = Math.min(state.untilMs, nowMs + limits.playEndingMs);
      return [{ name: "ENDING", untilMs, code }, undefined];
    }
    case "phoneReturned": {
      const again = state.name === "SENT" && !state.resent && state.untilMs - nowMs >= limits.resendLeastMs;
      return again ? [{ ...state, resent: true }, { kind: "resend" }] : [state, undefined];
    }
    case "silent": {
      const code = state.name === "SENT" ? "PHONE_NOT_RESPONDING" : state.code;
      return [undefined, { kind: "refuse", code }];
    }
    case "tick": {
      if (nowMs < state.untilMs) return [state, undefined];
      const code = state.name === "SENT" ? "PHONE_TIMEOUT" : state.code;
      return [undefined, { kind: "refuse", code }];
    }
  }
}

type PlayRequest = Extract<AppMessage, { type: "audio_play_request" }>;
type PlayOrder = Extract<ToGlasses, { type: "audio_play_request" }>;
type PlayReport = Extract<GlassesMessage, { type: "audio_play_response" }>;

interface Play {
  readonly packageName: string;
  readonly order: PlayOrder;
  state: PlayState;
  cancelTick: Stop;
}

/** What is kept of sounds in case the process ends. */
interface KeptPlays {
  readonly plays: readonly Omit<Play, "cancelTick">[];
  readonly audible: readonly string[];
  readonly untoldStops: readonly { readonly packageName: string; readonly trackId?: number }[];
}

export class SpeakerManager implements Manager {
  readonly #context: SessionContext;
  readonly #publicUrl: () => string;
  /** By the request's id. */
  readonly #plays = new Map<string, Play>();
  /** Apps that may be heard: they have played something since they were last silenced. */
  readonly #audible = new Set<string>();
  /** What the phone could not be told while it was away: by package, the track to be silenced, undefined for all. */
  readonly #untoldStops = new Map<string, number | undefined>();

  /** @param publicUrl where phones reach this server. */
  constructor(context: SessionContext, publicUrl: () => string) {
    this.#context = context;
    this.#publicUrl = publicUrl;
  }

  /** Sounds that the phone has not reported on. */
  get open(): number {
    return this.#plays.size;
  }

  onAppMessage(app: SessionApp, message: AppMessage): boolean {
    switch (message.type) {
      case "audio_play_request": {
        const refused = this.#play(app.packageName, message);
        if (refused !== undefined) this.#refuse(app, message.requestId, refused.code, refused.detail);
        return true;
      }
      case "audio_stop_request":
        this.#endPlays(app.packageName, message.trackId, "STOPPED");
        this.#silence(app.packageName, message.trackId);
        return true;
      default:
        return false;
    }
  }

  onGlassesMessage(message: GlassesMessage): void {
    if (message.type !== "audio_play_response") return;
    const play = this.#plays.get(message.requestId);
    if (play === undefined) {
      this.#context.metrics.messagesRejected.inc({ side: "glasses", reason: "nothing_asked" });
      return;
    }
    this.#step(play, { kind: "answered" }, message);
  }

  onGlassesConnected(returning: boolean): void {
    if (!returning) return;
    for (const [packageName, trackId] of [...this.#untoldStops]) this.#silence(packageName, trackId);
    for (const play of [...this.#plays.values()]) this.#step(play, { kind: "phoneReturned" });
  }

  keep(): KeptPlays | undefined {
    if (this.#plays.size + this.#audible.size === 0) return undefined;
    return {
      plays: [...this.#plays.values()].map(({ packageName, order, state }) => ({
        packageName,
        order,
        state,
      })),
      audible: [...this.#audible],
      untoldStops: [...this.#untoldStops].map(([packageName, trackId]) => ({
        packageName,
        ...(trackId !== undefined && { trackId }),
      })),
    };
  }

  resume({ plays, audible, untoldStops }: KeptPlays): void {
    for (const packageName of audible) this.#audible.add(packageName);
    for (const { packageName, trackId } of untoldStops) this.#untoldStops.set(packageName, trackId);
    for (const kept of plays) {
      if (this.#context.app(kept.packageName) === undefined) continue;
      const play: Play = { ...kept, cancelTick: () => {} };
      this.#plays.set(play.order.requestId, play);
      this.#arm(play);
    }
  }

  onAppGone(packageName: string): void {
    for (const play of [...this.#plays.values()]) {
      if (play.packageName === packageName) this.#forget(play);
    }
    if (this.#audible.has(packageName)) this.#silence(packageName, undefined);
  }

  dispose(): void {
    for (const play of [...this.#plays.values()]) this.#forget(play);
    this.#audible.clear();
    this.#untoldStops.clear();
  }

  /** Passes an order on to the phone, or says why not. */
  #play(
    packageName: string,
    message: PlayRequest,
  ): { readonly code: RefusalCode; readonly detail?: string } | undefined {
    const { clock, limits, metrics, userId } = this.#context;
    const { requestId } = message;
    const open = this.#plays.get(requestId);
    if (open?.packageName === packageName) {
      // The answer to the first will be taken for that to the second: one is enough.
      metrics.requestsRefused.inc({ request: message.type, code: "DUPLICATE_REQUEST" });
      return undefined;
    }
    if (open !== undefined) return { code: "DUPLICATE_REQUEST" };
    const audioUrl = playableUrl(message.audioUrl, this.#publicUrl());
    if (audioUrl === undefined) {
      return { code: "BAD_REQUEST", detail: "audioUrl must be an http or https address" };
    }
    const own = [...this.#plays.values()].filter((play) => play.packageName === packageName);
    if (own.length >= limits.playsPerApp) return { code: "TOO_MANY_REQUESTS" };
    const order: PlayOrder = {
      type: "audio_play_request",
      sessionId: userId,
      requestId,
      packageName,
      appId: packageName,
      audioUrl,
      volume: Math.min(1, Math.max(0, message.volume ?? 1)),
      stopOtherAudio: message.stopOtherAudio ?? true,
      trackId: message.trackId ?? 0,
    };
    if (this.#context.sendToGlasses(order) === "dropped") return { code: "PHONE_NOT_CONNECTED" };
    if (order.stopOtherAudio) this.#endPlays(packageName, order.trackId, "REPLACED");
    this.#audible.add(packageName);
    const state: PlayState = { name: "SENT", untilMs: clock.now() + limits.playMs, resent: false };
    const play: Play = { packageName, order, state, cancelTick: () => {} };
    this.#plays.set(requestId, play);
    this.#arm(play);
    this.#probeFor(play);
    return undefined;
  }

  #probeFor(play: Play): void {
    this.#context.probeGlasses(() => {
      if (this.#plays.get(play.order.requestId) === play) this.#step(play, { kind: "silent" });
    });
  }

  #endPlays(packageName: string, trackId: number | undefined, code: RefusalCode): void {
    const phoneThere = this.#context.glassesConnected();
    for (const play of [...this.#plays.values()]) {
      const meant = trackId === undefined || play.order.trackId === trackId;
      if (play.packageName === packageName && meant) this.#step(play, { kind: "ended", code, phoneThere });
    }
  }

  /** Tells the phone to stop what one app plays, now or on its return. */
  #silence(packageName: string, trackId: number | undefined): void {
    const sent = this.#context.sendToGlasses({
      type: "audio_stop_request",
      sessionId: this.#context.userId,
      appId: packageName,
      ...(trackId === undefined ? {} : { trackId }),
    });
    if (sent === "sent") {
      this.#untoldStops.delete(packageName);
      if (trackId === undefined && this.#audible.delete(packageName)) this.#context.changed();
    } else if (this.#audible.has(packageName)) {
      // Two tracks of one app: all of them, so that a phone that stays away is not owed ever more.
      const same = !this.#untoldStops.has(packageName) || this.#untoldStops.get(packageName) === trackId;
      this.#untoldStops.set(packageName, same ? trackId : undefined);
      this.#context.changed();
    }
  }

  #step(play: Play, event: PlayEvent, report?: PlayReport): void {
    const { clock, limits } = this.#context;
    const [state, action] = nextPlay(play.state, event, clock.now(), limits);
    if (state === undefined) {
      this.#forget(play);
    } else if (state !== play.state) {
      play.state = state;
      this.#arm(play);
    }
    if (action?.kind === "resend") {
      if (this.#context.sendToGlasses(play.order) === "sent") this.#probeFor(play);
    } else if (action !== undefined) {
      const app = this.#context.app(play.packageName);
      if (app === undefined) return;
      if (action.kind === "refuse") this.#refuse(app, play.order.requestId, action.code);
      else if (report !== undefined) relay(app, play.order, report);
    }
  }

  #refuse(app: SessionApp, requestId: string, code: RefusalCode, detail?: string): void {
    this.#context.metrics.requestsRefused.inc({ request: "audio_play_request", code });
    app.deliver({ type: "audio_play_response", requestId, ...refusal(code, detail) }, "must", requestId);
  }

  #arm(play: Play): void {
    play.cancelTick();
    this.#context.changed();
    play.cancelTick = this.#context.clock.at(play.state.untilMs, () => this.#step(play, { kind: "tick" }));
  }

  #forget(play: Play): void {
    play.cancelTick();
    this.#context.changed();
    this.#plays.delete(play.order.requestId);
  }
}

/** Hands the phone's report to the app that asked; it must arrive, since a promise of the app hangs on it. */
function relay(app: SessionApp, { requestId, stopOtherAudio }: PlayOrder, report: PlayReport): void {
  // With sounds that may mix nobody waits for the end: the SDK would only complain of an answer to nothing.
  if (!stopOtherAudio && report.success) return;
  const { success, error, duration } = report;
  app.deliver(
    {
      type: "audio_play_response",
      requestId,
      success,
      ...(typeof error === "string" ? { error } : {}),
      ...(typeof duration === "number" ? { duration } : {}),
    },
    "must",
    requestId,
  );
}

/**
 * An address as the phone can fetch it, undefined for what is none. The SDK takes this server's own speech to be behind
 * https always; a server without TLS names its real scheme.
 */
export function playableUrl(audioUrl: string, publicUrl: string): string | undefined {
  if (!URL.canParse(audioUrl)) return undefined;
  const url = new URL(audioUrl);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  const own = new URL(publicUrl);
  const ours = url.protocol === "https:" && own.protocol === "http:" && url.host === own.host;
  if (!ours || !url.pathname.endsWith("/api/tts")) return audioUrl;
  url.protocol = "http:";
  return url.href;
}
