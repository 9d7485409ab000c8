import { type RecentAudio, sampleRate } from "../../src/audio/recent-audio.ts";
import type { StreamReport } from "../../src/audio/recogniser-commands.ts";
import type { SpeechDecoder } from "../stt/speech-decoder.ts";
import { Decoding, type DecodingSettings } from "./decoding.ts";
import { VoiceSegments } from "./voice-segments.ts";

/** What the decoder is fed at a time: 20 ms. */
const chunkSamples = 320;
/** Chunks in one slice: about 20 ms of work. Between slices other streams and the ports have their turn. */
const sliceChunks = 5;
/** The decoder hears the start of speech up to 300 ms late, so silence counts as settled only this far behind it. */
const silenceMargin = sampleRate / 2;
/** After the decoder's own end of speech, which 300 ms of silence precede. */
const pauseMargin = sampleRate / 5;
/** After so much silence, or so near the end of the voice, the decoder is lent to others or just as well kept. */
const longSilence = 2 * sampleRate;
const nearEnd = 1.5 * sampleRate;
/** When the writer has lapped the reader: how far before the oldest sample to go on, so as not to be lapped at once. */
const lapMargin = sampleRate / 2;

/** How the stream stands towards the decoders. */
type StreamState =
  | { readonly kind: "idle" }
  /** Voice waits for a decoder. */
  | { readonly kind: "waiting" }
  | { readonly kind: "decoding"; readonly decoding: Decoding }
  /** The queue was full when this voice began: it is let go, and its length reported when it ends. */
  | { readonly kind: "refused"; readonly start: number };

/** What a slice came to. */
export type SliceResult =
  /** There is more to decode. */
  | "more"
  /** All audio written so far is decoded; the speech goes on. */
  | "starved"
  /** A pause: a good moment to let another stream have the decoder. */
  | "pause"
  /** The segment is finished; the decoder can be given back. */
  | "done";

/**
 * One session's speech in one language, inside the recogniser worker. Reads the session's shared audio with a cursor of
 * its own, so it may come late by as much as that audio holds. The scheduler lends it a decoder and calls `slice`.
 */
export class RecogniserStream {
  readonly id: string;
  readonly #recent: RecentAudio;
  readonly #settings: DecodingSettings;
  readonly #post: (report: StreamReport) => void;
  readonly #segments: VoiceSegments;
  readonly #chunk = new Int16Array(chunkSamples);
  #state: StreamState = { kind: "idle" };
  #cursor: number;
  #reportedSettled: number;
  /** No word begins before it: times never run backwards within a session. */
  #lastEnd: number;
  #mean: Float32Array | undefined;
  #degraded = false;
  #closing = false;

  constructor(
    id: string,
    recent: RecentAudio,
    fromSample: number,
    settings: DecodingSettings,
    post: (report: StreamReport) => void,
  ) {
    this.id = id;
    this.#recent = recent;
    this.#settings = settings;
    this.#post = post;
    this.#segments = new VoiceSegments(fromSample);
    this.#cursor = fromSample;
    this.#reportedSettled = fromSample;
    this.#lastEnd = fromSample;
  }

  get state(): StreamState["kind"] {
    return this.#state.kind;
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** Whether speech is marked that has not been decoded. */
  get hasWork(): boolean {
    return this.#state.kind !== "refused" && this.#segments.first !== undefined;
  }

  /** Number of the sample that the session writes next: tells an interrupted session from one that goes on. */
  get written(): number {
    return this.#recent.written;
  }

  /** How far the decoding of marked voice is behind the present. */
  get lagSamples(): number {
    const from = this.#segments.first?.start;
    return from === undefined ? 0 : this.written - from;
  }

  /** Samples of the present voice that are still to be decoded, as far as its end is known. */
  get #remaining(): number {
    return (this.#segments.first?.end ?? Number.POSITIVE_INFINITY) - this.#cursor;
  }

  voiceStart(sample: number): void {
    if (this.#state.kind !== "refused" && !this.#closing) this.#segments.start(sample);
  }

  voiceEnd(sample: number): void {
    if (this.#state.kind !== "refused") {
      this.#segments.end(sample);
      return;
    }
    this.#lose(sample - this.#state.start);
    this.#state = { kind: "idle" };
    this.#settle(sample);
  }

  /** No more voice will come: what is written is decoded to its end. */
  close(): void {
    this.voiceEnd(this.written);
    this.#closing = true;
  }

  /** The stream stands in the queue for a decoder. */
  wait(): void {
    this.#state = { kind: "waiting" };
  }

  /** Too many wait already: lets the present voice go. */
  refuse(detail: string): void {
    const start = this.#segments.first?.start ?? this.#cursor;
    const end = this.#segments.all.at(-1)?.end;
    this.#segments.clear();
    this.#state = { kind: "refused", start };
    this.degrade(detail);
    if (end !== undefined) this.voiceEnd(end);
  }

  /** Says that speech is late or lost for want of a decoder. The next `begin` takes it back. */
  degrade(detail: string): void {
    if (this.#degraded) return;
    this.#degraded = true;
    this.#post({ kind: "state", streamId: this.id, state: "degraded", detail });
  }

  /** Takes a decoder for the first waiting segment. */
  begin(decoder: SpeechDecoder): void {
    const start = this.#segments.first?.start ?? this.#cursor;
    this.#cursor = Math.max(start, this.#segments.settled);
    this.#state = { kind: "decoding", decoding: this.#decodeWith(decoder) };
    if (!this.#degraded) return;
    this.#degraded = false;
    this.#post({ kind: "state", streamId: this.id, state: "ready", detail: "a decoder listens" });
  }

  /** Decodes for about 20 ms. Only while `state` is `decoding`. Throws when the native decoder fails. */
  slice(): SliceResult {
    if (this.#state.kind !== "decoding") return "done";
    for (let i = 0; i < sliceChunks; i++) {
      const segment = this.#segments.first;
      if (segment === undefined) return "done";
      const { written } = this;
      if (this.#cursor >= (segment.end ?? Number.POSITIVE_INFINITY)) return "done";
      if (this.#cursor >= written) return this.#closing ? "done" : "starved";
      const end = Math.min(segment.end ?? written, written);
      const wanted = this.#chunk.subarray(0, Math.min(chunkSamples, end - this.#cursor));
      const count = this.#recent.read(this.#cursor, wanted);
      if (count < 0) {
        this.#skipOverwritten(this.#state.decoding);
        continue;
      }
      this.#cursor += count;
      if (this.#hear(this.#state.decoding, wanted.subarray(0, count))) return "pause";
    }
    return "more";
  }

  /** Gives the decoder back, with what it heard so far turned into a final. Voice that goes on stays marked. */
  yieldDecoder(): SpeechDecoder | undefined {
    if (this.#state.kind !== "decoding") return undefined;
    const { decoding } = this.#state;
    const { inSpeech } = decoding;
    this.#leave(decoding);
    this.#state = { kind: "idle" };
    const end = this.#segments.first?.end;
    if (this.#closing && this.#cursor >= this.written) {
      this.#segments.clear();
      this.#settle(this.#cursor);
    } else if (end !== undefined && this.#cursor >= end) this.#settle(end);
    else if (inSpeech) this.#settle(this.#cursor);
    return decoding.decoder;
  }

  /** Gives the decoder back without a word about what it heard. */
  dropDecoder(): SpeechDecoder | undefined {
    if (this.#state.kind !== "decoding") return undefined;
    const { decoder } = this.#state.decoding;
    decoder.endStream();
    this.#state = { kind: "idle" };
    return decoder;
  }

  /** The decoder has failed: gives it up without touching it, and skips what it was hearing. */
  abandonDecoder(): SpeechDecoder | undefined {
    if (this.#state.kind !== "decoding") return undefined;
    const { decoder } = this.#state.decoding;
    this.#state = { kind: "idle" };
    this.#lose(Math.max(0, this.#cursor - this.#segments.settled));
    this.#settle(this.#cursor);
    return decoder;
  }

  #decodeWith(decoder: SpeechDecoder): Decoding {
    return new Decoding(decoder, this.#mean, this.#cursor, this.#lastEnd, this.#settings, (spoken) =>
      this.#post({ ...spoken, streamId: this.id }),
    );
  }

  #leave(decoding: Decoding): void {
    this.#mean = decoding.finish() ?? this.#mean;
    this.#lastEnd = decoding.lastEnd;
  }

  /** True at a moment that suits to let another stream have the decoder. */
  #hear(decoding: Decoding, samples: Int16Array): boolean {
    switch (decoding.hear(samples)) {
      case "speech":
        return false;
      case "pause":
        this.#settle(this.#cursor - pauseMargin);
        return this.#remaining > nearEnd;
      case "noise":
        this.#settle(this.#cursor - pauseMargin);
        return false;
      case "cut":
        // Speech without words settles too, or it would be decoded over and over.
        this.#settle(Math.max(decoding.lastEnd, this.#cursor - silenceMargin));
        return true;
      case "silence":
        // In steps, so that silence does not make a message of every chunk.
        if (this.#cursor - this.#segments.settled < 2 * silenceMargin) return false;
        this.#settle(this.#cursor - silenceMargin);
        return decoding.quietSamples >= longSilence && this.#remaining > nearEnd;
    }
  }

  /** The writer has lapped the cursor: counts what is gone and goes on with what is there. */
  #skipOverwritten(decoding: Decoding): void {
    this.#leave(decoding);
    const oldest = this.written - this.#recent.capacitySamples + lapMargin;
    const resume = Math.min(oldest, this.#segments.first?.end ?? oldest);
    this.#lose(resume - this.#cursor);
    this.#settle(resume);
    this.#cursor = Math.max(resume, this.#segments.first?.start ?? resume);
    this.#state = { kind: "decoding", decoding: this.#decodeWith(decoding.decoder) };
  }

  #lose(samples: number): void {
    if (samples > 0) this.#post({ kind: "lost", streamId: this.id, samples });
  }

  #settle(sample: number): void {
    this.#segments.settle(sample);
    if (sample <= this.#reportedSettled) return;
    this.#reportedSettled = sample;
    this.#post({ kind: "settled", streamId: this.id, sample });
  }
}
