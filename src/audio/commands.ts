/** What the main thread and an audio worker say to each other by message. Audio goes through the rings of their arena. */
import type { SpeechAccount, SpeechProviderId } from "../kernel/config.ts";
import type { ArenaLayout } from "./arena.ts";
import type { SpeechWish } from "./lanes.ts";
import type { OfflineEngine } from "./recogniser-commands.ts";
import type { SpeechState, Transcript } from "./speech.ts";
import type { ToldLanguage } from "./told-transcripts.ts";

/** What this machine can decode besides PCM. */
export interface AudioCodecs {
  readonly opus: "libopus" | "opusscript";
  readonly lc3: boolean;
}

/** The first message to every audio worker. */
export interface AudioWorkerStart {
  readonly kind: "start";
  /** Unique among all audio workers of the process, former ones included. */
  readonly workerId: string;
  readonly arena: SharedArrayBuffer;
  readonly layout: ArenaLayout;
  /** Zero of the records' 32-bit time stamps, on the clock that all threads share. */
  readonly epochMs: number;
  /** Memory of a `StageTimes`, for what the worker measures. */
  readonly stages: SharedArrayBuffer;
  readonly opus: "auto" | "libopus" | "opusscript";
  readonly prerollMs: number;
  readonly pcmBatchMs: number;
  /** Audio that has waited longer than this is left out, so that the session gets back to live. */
  readonly audioLagMs: number;
  readonly speech: SpeechSetup;
  /** For tests: a frame with exactly these bytes ends the worker. */
  readonly poison: Uint8Array | undefined;
}

/** Which session a message is about; of an older generation it is ignored. */
interface SlotAddress {
  readonly slot: number;
  readonly generation: number;
}

/** A command about one slot. `serial` is the slot's `announced` word: no audio is touched before it is carried out. */
interface SlotCommand extends SlotAddress {
  readonly serial: number;
}

/** For tests and benches only: misbehave. */
export type Fault =
  /** Burn the processor for `ms` without yielding. */
  | { readonly fault: "spin"; readonly ms: number }
  | { readonly fault: "throw" }
  | { readonly fault: "exit" }
  | { readonly fault: "poison"; readonly frame: Uint8Array };

export type AudioWorkerCommand =
  | AudioWorkerStart
  /** A session begins on this slot, or goes on after its former worker has died (`resumed`), which has `told` so much. */
  | (SlotCommand & {
      readonly kind: "open";
      readonly resumed: boolean;
      readonly told: readonly ToldLanguage[];
      readonly rings: SharedArrayBuffer;
    })
  /** What is wanted from now on. `recent` is where decoded audio goes; absent when nothing is wanted. */
  | (SlotCommand & {
      readonly kind: "demand";
      readonly languages: readonly string[];
      readonly speech: readonly SpeechWish[];
      readonly pcm: boolean;
      readonly encodedOnly: boolean;
      readonly recent: SharedArrayBuffer | undefined;
    })
  /** Nothing has been wanted for a while: let go of the recent audio and answer `released`. */
  | (SlotCommand & { readonly kind: "release" })
  /** Work off what is in the ring, wait for pending words, answer `closed`; all within `drainMs`. */
  | (SlotCommand & { readonly kind: "close"; readonly drainMs: number })
  /** The way to a recogniser worker, or a new way to the one that has taken the place of a former. */
  | {
      readonly kind: "recogniser";
      readonly recogniserId: number;
      readonly engine: OfflineEngine;
      readonly port: MessagePort;
    }
  /** What another audio worker has found out about a provider. */
  | SpeechNews
  | ({ readonly kind: "fault" } & Fault);

/** What is counted of speech by cloud providers. */
export interface SpeechCount {
  /**
   * - `opened`: a connection was begun; `failed`: one failed, for `reason`.
   * - `failed_over`: a stream went on with this provider instead of another; `rotated`: with a new connection to the same.
   * - `skipped`: a stream that was hopelessly behind left audio out; `lost`: so many milliseconds of it.
   */
  readonly what: "opened" | "failed" | "failed_over" | "rotated" | "skipped" | "lost";
  readonly provider: string;
  readonly reason: string;
  readonly by: number;
}

/** How one audio worker stands with one provider. */
export interface SpeechProviderState {
  readonly id: string;
  readonly circuit: "closed" | "open" | "probing";
  /** Connections, and streams that wait for one. */
  readonly connections: number;
  readonly waiting: number;
}

/** A worker has come to trust a provider, or not to. The other workers take its word for it. */
export interface SpeechNews {
  readonly kind: "speechNews";
  readonly provider: string;
  /** To be left alone until then, on the clock that all threads share. Undefined: it works. */
  readonly untilMs: number | undefined;
  /** How long it is left alone for when it fails once more, and twice that after. */
  readonly coolDownMs: number;
}

/** How the cloud providers of speech fare in one audio worker, and what has been counted since the last time. */
export interface CloudSpeech {
  readonly providers: readonly SpeechProviderState[];
  readonly counts: readonly SpeechCount[];
  /** Streams that nobody serves at the moment. */
  readonly unserved: number;
}

/** How speech fares in one audio worker. Sent every second while there is something to tell. */
export interface SpeechReport extends CloudSpeech {
  readonly kind: "speech";
  /** Audio received minus audio recognised, of every stream that owes words, in the cloud or on this machine. */
  readonly lagsMs: readonly number[];
}

/** Who recognises speech, in this order, and by which accounts; their bounds are those of one audio worker. */
export interface SpeechSetup {
  readonly order: readonly SpeechProviderId[];
  readonly deepgram: SpeechAccount | undefined;
  readonly assemblyai: SpeechAccount | undefined;
}

/** One thing that happened on a lane. Samples count from the session's first. */
export type LaneReport =
  | (SlotAddress & { readonly kind: "transcript"; readonly transcript: Transcript })
  | (SlotAddress & { readonly kind: "voice"; readonly active: boolean; readonly sample: number })
  | (SlotAddress & { readonly kind: "speechState"; readonly state: SpeechState })
  | (SlotAddress & { readonly kind: "lost"; readonly samples: number })
  | (SlotAddress & { readonly kind: "released" })
  | (SlotAddress & { readonly kind: "closed" });

export type AudioWorkerReport =
  | { readonly kind: "ready"; readonly codecs: AudioCodecs }
  /** The worker cannot do what the settings ask for. */
  | { readonly kind: "failed"; readonly detail: string }
  | SpeechReport
  | SpeechNews
  /** All that has happened since the last one, in order, and the `stamp` of the first of it. */
  | { readonly kind: "lanes"; readonly stamp: number; readonly reports: readonly LaneReport[] };
