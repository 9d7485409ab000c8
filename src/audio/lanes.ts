/** What the audio side offers to a session: one lane each, through a ring into a worker. */
import type { AudioFormat } from "../wire/audio-format.ts";
import type { SpeechState, Transcript } from "./speech.ts";

/** How one language is to be listened to, over everybody who wants it. */
export interface SpeechWish {
  /** BCP 47 tag. */
  readonly language: string;
  /** Languages that may be spoken as well (`en`, `es`), and words that are likely, as the apps named them. */
  readonly hints: readonly string[];
  /** Whether a recogniser that can find out the language may do so. */
  readonly identifyLanguage: boolean;
  /** Somebody wants whatever language is spoken (`auto`), which the same stream is to hear if a recogniser can. */
  readonly anyLanguage?: boolean;
}

/** What a session wants of its audio. Nothing wanted: frames are counted and let go. */
export interface AudioDemand {
  /** BCP 47 tags to transcribe, or `auto`. */
  readonly languages: readonly string[];
  /** Of the languages above, what a provider that can be told more should know. */
  readonly speech?: readonly SpeechWish[];
  /** Whether decoded audio is wanted back. */
  readonly pcm: boolean;
  /** Of it, only what did not come as PCM: that is with those who hear it already. */
  readonly encodedOnly?: boolean;
  /** Whether somebody wants to be told of voices, though perhaps nothing of what they say. */
  readonly voice?: boolean;
}

/** Where a lane reports to. Called on the main thread, never after the lane is closed. */
export interface LaneListener {
  onTranscript(transcript: Transcript): void;
  /** Speech begins or ends, as the worker's voice detector hears it. `atMs` on the session's audio clock. */
  onVoice(active: boolean, atMs: number): void;
  /** Mono 16 kHz signed 16-bit PCM, valid only during the call: at most 20 ms of what was decoded, else a frame as it came. */
  onPcm(pcm: Uint8Array): void;
  onSpeechState(state: SpeechState): void;
}

/** One session's way through an audio worker. All calls are synchronous, bounded and O(size of the frame). */
export interface AudioLane {
  /** Copies one frame as it came from the glasses into the ring. False: the ring was full and the frame is lost, counted. */
  write(frame: Uint8Array): boolean;
  /** So many bytes came that are not for the worker: they must not shift the samples that come next. */
  skip(bytes: number): void;
  /** From the next frame on, audio comes in this format. Keeps its place among the frames. */
  setFormat(format: AudioFormat): void;
  /** The phone's own voice detector. Keeps its place among the frames. */
  markVoice(active: boolean): void;
  /** A new glasses socket: what is left of a broken frame must not shift the new stream's samples. */
  reset(): void;
  setDemand(demand: AudioDemand): void;
  /** Gives the lane back, after the words still in flight have come or `drainMs` have passed. Safe to call twice. */
  close(drainMs: number): Promise<void>;
}

export interface AudioLanes {
  /** Opens a lane on the least loaded worker. Undefined: no room. */
  open(listener: LaneListener): AudioLane | undefined;
}
