import { RecentAudio, samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { StreamReport } from "../../src/audio/recogniser-commands.ts";
import type { Word } from "../../src/audio/speech.ts";
import type { SimulatedListener } from "./deepgram-turns.ts";
import type { RecogniserThread } from "./recogniser-thread.ts";

const samplesPerSecond = 16_000;
const frameSamples = 20 * samplesPerMs;
/** Louder than the quiet of a room. */
const voiceLevel = 200;
/** What is handed over before the first loud frame, and the silence that ends an utterance. */
const leadSamples = 300 * samplesPerMs;
const silenceSamples = 500 * samplesPerMs;

/** `v1/listen` by the embedded recogniser: real speech in, real words out. */
export class RecognisedResults implements SimulatedListener {
  readonly #tell: (messages: readonly object[]) => void;
  readonly #port: MessagePort;
  readonly #recent = RecentAudio.allocate(60_000);
  readonly #streamId = crypto.randomUUID();
  #speaking = false;
  #silent = 0;
  /** Ends of utterances that were handed over, and what asked for them. */
  readonly #owed: { readonly end: number; readonly finalize: boolean }[] = [];
  #heard: { readonly text: string; readonly words: readonly Word[] }[] = [];
  #segmentStart = 0;
  #finished: (() => void) | undefined;

  /** @param tell takes messages as they come about. */
  constructor(thread: RecogniserThread, tell: (messages: readonly object[]) => void) {
    this.#tell = tell;
    this.#port = thread.connect();
    this.#port.addEventListener("message", (event) => {
      this.#receive((event as MessageEvent<StreamReport>).data);
    });
    this.#port.start();
    const { buffer } = this.#recent;
    this.#port.postMessage({ kind: "open", streamId: this.#streamId, recent: buffer, fromSample: 0 });
  }

  hear(pcm: Int16Array): object[] {
    for (let at = 0; at < pcm.length; at += frameSamples) {
      const frame = pcm.subarray(at, at + frameSamples);
      this.#recent.append(frame);
      const level = frame.reduce((sum, sample) => sum + Math.abs(sample), 0) / frame.length;
      this.#silent = level >= voiceLevel ? 0 : this.#silent + frame.length;
      const { written: sample } = this.#recent;
      if (this.#silent === 0 && !this.#speaking) {
        this.#speaking = true;
        const from = Math.max(0, this.#owed.at(-1)?.end ?? this.#segmentStart, sample - leadSamples);
        this.#port.postMessage({ kind: "voiceStart", streamId: this.#streamId, sample: from });
      } else if (this.#speaking && this.#silent >= silenceSamples) this.#end(false);
    }
    const sample = this.#recent.written;
    if (this.#speaking) this.#port.postMessage({ kind: "audioUntil", streamId: this.#streamId, sample });
    return [];
  }

  finalize(): object[] {
    if (this.#speaking) this.#end(true);
    else if (this.#owed.length === 0) {
      return [this.#result([], this.#recent.written, { is_final: true, from_finalize: true })];
    }
    return [];
  }

  async finish(): Promise<object[]> {
    if (this.#speaking) this.#end(true);
    if (this.#owed.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#finished = resolve;
      await promise;
    }
    const duration = this.#recent.written / samplesPerSecond;
    return [{ type: "Metadata", request_id: "simulated", duration, channels: 1 }];
  }

  close(): void {
    this.#port.postMessage({ kind: "drop", streamId: this.#streamId });
    this.#port.close();
    this.#finished?.();
  }

  #end(finalize: boolean): void {
    this.#speaking = false;
    const end = this.#recent.written;
    this.#owed.push({ end, finalize });
    this.#port.postMessage({ kind: "voiceEnd", streamId: this.#streamId, sample: end });
  }

  #receive(report: StreamReport): void {
    if (report.kind === "final") {
      this.#heard.push({ text: report.text, words: report.words ?? [] });
    } else if (report.kind === "interim") {
      const parts = [...this.#heard, { text: report.text, words: report.words ?? [] }];
      this.#tell([this.#result(parts, this.#recent.written, { is_final: false })]);
    } else if (report.kind === "settled") {
      while (this.#owed[0] !== undefined && this.#owed[0].end <= report.sample) this.#settle();
    }
  }

  #settle(): void {
    const owed = this.#owed.shift();
    if (owed === undefined) return;
    const flags = { is_final: true, ...(owed.finalize ? { from_finalize: true } : { speech_final: true }) };
    const result = this.#result(this.#heard, owed.end, flags);
    this.#heard = [];
    this.#segmentStart = owed.end;
    this.#tell([result]);
    if (this.#owed.length === 0) this.#finished?.();
  }

  #result(
    parts: readonly { readonly text: string; readonly words: readonly Word[] }[],
    end: number,
    flags: object,
  ): object {
    const words = parts.flatMap((part) => part.words);
    return {
      type: "Results",
      channel_index: [0, 1],
      start: this.#segmentStart / samplesPerSecond,
      duration: (end - this.#segmentStart) / samplesPerSecond,
      is_final: false,
      speech_final: false,
      ...flags,
      channel: {
        alternatives: [
          {
            transcript: parts.map(({ text }) => text).join(" "),
            confidence: parts.length === 0 ? 0 : 0.8,
            words: words.map(({ text, startMs, endMs, confidence = 0.8 }) => ({
              word: text,
              start: startMs / 1000,
              end: endMs / 1000,
              confidence,
            })),
          },
        ],
      },
    };
  }
}
