import type { RecentAudio } from "../../src/audio/recent-audio.ts";
import type {
  SpeechProvider,
  SpeechSink,
  SpeechStream,
  SpeechStreamOptions,
} from "../../workers/stt/provider.ts";
import { blockSamples, CountingEar } from "./counting-ear.ts";

/** An offline recogniser that hears numbers, at once. */
export class CountingProvider implements SpeechProvider {
  readonly id = "counting";

  supports(): boolean {
    return true;
  }

  open({ recent, fromSample }: SpeechStreamOptions, sink: SpeechSink): SpeechStream {
    queueMicrotask(() => sink.onEvent({ kind: "state", state: "ready", detail: "counting" }));
    return new CountingStream(recent, fromSample, sink);
  }

  async close(): Promise<void> {}
}

class CountingStream implements SpeechStream {
  readonly #recent: RecentAudio;
  readonly #sink: SpeechSink;
  readonly #ear = new CountingEar();
  #cursor: number;
  #isSpeaking = false;
  #isClosed = false;

  constructor(recent: RecentAudio, fromSample: number, sink: SpeechSink) {
    this.#recent = recent;
    this.#cursor = fromSample;
    this.#sink = sink;
  }

  voiceStart(sample: number): void {
    this.#isSpeaking = true;
    this.#cursor = Math.max(this.#cursor, sample);
  }

  audioUntil(sample: number): void {
    if (this.#isSpeaking) this.#hear(sample);
  }

  voiceEnd(sample: number): void {
    this.#isSpeaking = false;
    this.#hear(sample);
    // A real one answers from another thread.
    queueMicrotask(() => {
      if (this.#isClosed) return;
      const ended = this.#ear.end();
      if (ended !== undefined) this.#sink.onEvent({ kind: "final", ...ended });
      this.#sink.onEvent({ kind: "settled", sample });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #hear(until: number): void {
    const pcm = new Int16Array(Math.max(0, until - this.#cursor));
    const copied = this.#recent.read(this.#cursor, pcm);
    if (copied <= 0) return;
    const from = this.#cursor;
    this.#cursor += copied;
    queueMicrotask(() => {
      if (this.#isClosed) return;
      // In small pieces: no more than one utterance ends in one.
      for (let at = 0; at < copied; at += blockSamples) {
        const piece = pcm.subarray(at, Math.min(copied, at + blockSamples));
        const ended = this.#ear.hear(piece, from + at, 20);
        if (ended !== undefined) this.#sink.onEvent({ kind: "final", ...ended });
      }
      const pending = this.#ear.pending;
      if (pending !== undefined) this.#sink.onEvent({ kind: "interim", ...pending });
    });
  }
}
