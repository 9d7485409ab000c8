import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import type { ToGlasses } from "../wire/glasses.ts";
import type { SendResult } from "./ports.ts";
import { UnwantedAudio } from "./unwanted-audio.ts";

/**
 * Keeps the glasses' microphone in the state that the apps need. What is wanted is derived from facts and never stored;
 * what the glasses know counts only after it was handed to their present socket.
 */

export interface MicrophoneFacts {
  /** Some app wants to be told what is said. */
  readonly speechWanted: boolean;
  /** Some app wants the sound itself, so that the phone must not leave silence out. */
  readonly pcmWanted: boolean;
  /** No recogniser serves this session: the phone is asked to transcribe by itself as well. */
  readonly speechOff: boolean;
  /** The phone has reported its glasses gone. */
  readonly glassesGone: boolean;
  readonly worksWithoutGlasses: boolean;
  /** The user wants no sound taken at all. */
  readonly muted: boolean;
  /** The user wants the phone to leave nothing out, whatever the apps want. */
  readonly bypassVad: boolean;
}

export interface MicrophoneState {
  readonly enabled: boolean;
  readonly requiredData: readonly ("pcm" | "transcription")[];
  readonly bypassVad: boolean;
}

const off: MicrophoneState = { enabled: false, requiredData: [], bypassVad: false };

/** The state that fits the facts. */
export function wantedMicrophone(facts: MicrophoneFacts): MicrophoneState {
  const listening = facts.speechWanted || facts.pcmWanted;
  if (facts.muted || !listening || (facts.glassesGone && !facts.worksWithoutGlasses)) return off;
  const requiredData: ("pcm" | "transcription")[] = ["pcm"];
  if (facts.speechWanted && facts.speechOff) requiredData.push("transcription");
  return { enabled: true, requiredData, bypassVad: facts.pcmWanted || facts.bypassVad };
}

/** What is known at a moment of decision. */
export interface MicrophoneMemory {
  /** What the present socket was told; undefined: nothing yet. */
  readonly confirmed: MicrophoneState | undefined;
  /** When a socket that knew another state was last told a new one. */
  readonly changedAtMs: number;
  readonly sentAtMs: number;
  /** Since when nobody has wanted the microphone; undefined while somebody does. */
  readonly unwantedSinceMs: number | undefined;
}

/**
 * Whether to tell the glasses now, and when to look again. A new socket is told at once; a change at most once a
 * `microphoneDebounceMs`, the first one at once; off only after `microphoneHoldMs` without a wish; on is repeated every `microphoneKeepAliveMs`.
 */
export function decideMicrophone(
  wanted: MicrophoneState,
  memory: MicrophoneMemory,
  nowMs: number,
  limits: Limits,
): { send: MicrophoneState | undefined; wakeMs: number | undefined } {
  const { confirmed, changedAtMs, sentAtMs, unwantedSinceMs } = memory;
  if (confirmed === undefined) return { send: wanted, wakeMs: undefined };
  const holdEndsMs = (unwantedSinceMs ?? Number.NEGATIVE_INFINITY) + limits.microphoneHoldMs;
  const held = confirmed.enabled && !wanted.enabled && nowMs < holdEndsMs;
  if (!held && !sameState(wanted, confirmed)) {
    const dueMs = changedAtMs + limits.microphoneDebounceMs;
    return nowMs < dueMs ? { send: undefined, wakeMs: dueMs } : { send: wanted, wakeMs: undefined };
  }
  if (!confirmed.enabled) return { send: undefined, wakeMs: undefined };
  const repeatMs = sentAtMs + limits.microphoneKeepAliveMs;
  if (nowMs >= repeatMs) return { send: confirmed, wakeMs: undefined };
  return { send: undefined, wakeMs: held ? Math.min(repeatMs, holdEndsMs) : repeatMs };
}

function sameState(a: MicrophoneState, b: MicrophoneState): boolean {
  return (
    a.enabled === b.enabled && a.bypassVad === b.bypassVad && a.requiredData.join() === b.requiredData.join()
  );
}

/** What the manager needs of its session. */
export interface MicrophoneHost {
  readonly userId: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly facts: () => MicrophoneFacts;
  /** Whether an app is away or has just come back, so that unwanted audio may be wanted again in a moment. */
  readonly appsSettling: () => boolean;
  readonly send: (message: ToGlasses) => SendResult;
}

export class MicrophoneManager {
  readonly #host: MicrophoneHost;
  #memory: MicrophoneMemory = {
    confirmed: undefined,
    changedAtMs: Number.NEGATIVE_INFINITY,
    sentAtMs: Number.NEGATIVE_INFINITY,
    unwantedSinceMs: undefined,
  };
  #connected = false;
  #cancelWake: Stop | undefined;
  /** To be told of audio that comes. */
  readonly unwantedAudio: UnwantedAudio;

  constructor(host: MicrophoneHost) {
    this.#host = host;
    this.unwantedAudio = new UnwantedAudio(host.clock, host.limits, () => this.#tellAgain());
  }

  /** Something that the wanted state depends on may have changed. */
  update(): void {
    const { clock, limits } = this.#host;
    const now = clock.now();
    const facts = this.#host.facts();
    const wanted = wantedMicrophone(facts);
    // What the user has muted may not go on for a moment in case somebody wants it again.
    const unwantedSinceMs = facts.muted ? Number.NEGATIVE_INFINITY : (this.#memory.unwantedSinceMs ?? now);
    this.#memory = { ...this.#memory, unwantedSinceMs: wanted.enabled ? undefined : unwantedSinceMs };
    this.#cancelWake?.();
    if (!this.#connected) return;
    const { send, wakeMs } = decideMicrophone(wanted, this.#memory, now, limits);
    if (send !== undefined) this.#tell(send);
    const nextMs =
      send === undefined
        ? wakeMs
        : now + (send.enabled ? limits.microphoneDebounceMs : limits.microphoneHoldMs);
    this.#cancelWake = nextMs === undefined ? undefined : clock.at(nextMs, () => this.update());
  }

  /** New glasses socket: it is told the state at once. */
  glassesConnected(): void {
    this.#connected = true;
    this.#memory = { ...this.#memory, confirmed: undefined };
    this.unwantedAudio.told(undefined);
    this.update();
  }

  glassesGone(): void {
    this.#connected = false;
    this.#cancelWake?.();
  }

  dispose(): void {
    this.#connected = false;
    this.#cancelWake?.();
  }

  /** The glasses go on though they were told to be silent. Not while an app settles: its wishes are in doubt then. */
  #tellAgain(): boolean {
    if (this.#host.appsSettling()) return false;
    this.#tell(wantedMicrophone(this.#host.facts()));
    return true;
  }

  #tell(state: MicrophoneState): void {
    const result = this.#host.send({
      type: "microphone_state_change",
      sessionId: this.#host.userId,
      isMicrophoneEnabled: state.enabled,
      requiredData: state.requiredData,
      bypassVad: state.bypassVad,
    });
    if (result === "dropped") return;
    const sentAtMs = this.#host.clock.now();
    const { confirmed, changedAtMs } = this.#memory;
    const changed = confirmed !== undefined && !sameState(confirmed, state);
    this.#memory = {
      ...this.#memory,
      confirmed: state,
      changedAtMs: changed ? sentAtMs : changedAtMs,
      sentAtMs,
    };
    this.unwantedAudio.told(state.enabled);
  }
}
