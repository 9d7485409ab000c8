import type { OnlineRecognizer, OnlineResult, OnlineStream } from "sherpa-onnx-node";
import { sampleRate } from "../../src/audio/recent-audio.ts";
import type { DecodedWord, SpeechDecoder } from "../stt/speech-decoder.ts";

/** A streaming model looks ahead: what was said last comes out only when so much silence has followed. */
const tail = new Float32Array(0.8 * sampleRate);
/** A last token has no successor to tell where it ends. */
const lastTokenSamples = 0.1 * sampleRate;

type DecoderState = "idle" | "streaming" | "utterance" | "freed";

/** One stream of a recogniser whose model all decoders of the thread share, which makes it cheap. */
export class SherpaDecoder implements SpeechDecoder {
  /** There is nothing to carry from one decoder to the next. */
  readonly hasMean = true;
  readonly #recognizer: OnlineRecognizer;
  #state: DecoderState = "idle";
  #stream: OnlineStream | undefined;
  /** Samples since `startStream`, and at the start of the utterance. */
  #position = 0;
  #utteranceStart = 0;
  #words: DecodedWord[] = [];

  constructor(recognizer: OnlineRecognizer) {
    this.#recognizer = recognizer;
  }

  get inSpeech(): boolean {
    if (this.#state !== "utterance" || this.#stream === undefined) return false;
    return this.words().length > 0 && !this.#recognizer.isEndpoint(this.#stream);
  }

  startStream(_mean: Float32Array | undefined): void {
    this.#expect("idle");
    this.#state = "streaming";
    this.#position = 0;
  }

  startUtterance(): void {
    this.#expect("streaming");
    this.#state = "utterance";
    this.#utteranceStart = this.#position;
    this.#words = [];
    this.#stream = this.#recognizer.createStream();
  }

  process(samples: Int16Array): void {
    this.#expect("utterance");
    if (samples.length === 0) return;
    const wave = new Float32Array(samples.length);
    for (let i = 0; i < samples.length; i++) wave[i] = (samples[i] ?? 0) / 32_768;
    this.#position += samples.length;
    if (this.#hear(wave)) this.#read();
  }

  words(): DecodedWord[] {
    if (this.#state !== "streaming") this.#expect("utterance");
    return this.#words;
  }

  endUtterance(): void {
    this.#expect("utterance");
    this.#state = "streaming";
    this.#hear(tail);
    this.#stream?.inputFinished();
    this.#decode();
    this.#read();
    this.#stream = undefined;
  }

  endStream(): undefined {
    if (this.#state === "utterance") this.endUtterance();
    this.#expect("streaming");
    this.#state = "idle";
  }

  /** The native stream goes with its object. */
  free(): void {
    this.#state = "freed";
    this.#stream = undefined;
  }

  /** Whether there may be something new to read. */
  #hear(samples: Float32Array): boolean {
    this.#stream?.acceptWaveform({ samples, sampleRate });
    return this.#decode();
  }

  #decode(): boolean {
    const stream = this.#stream;
    if (stream === undefined) return false;
    let decoded = false;
    while (this.#recognizer.isReady(stream)) {
      this.#recognizer.decode(stream);
      decoded = true;
    }
    return decoded;
  }

  #read(): void {
    if (this.#stream === undefined) return;
    this.#words = wordsOf(this.#recognizer.getResult(this.#stream), this.#utteranceStart, this.#position);
  }

  #expect(state: DecoderState): void {
    if (this.#state !== state) throw new Error(`decoder is ${this.#state}, expected ${state}`);
  }
}

/** Puts tokens together to words: a token that begins one starts with a space or the mark for it. */
export function wordsOf(result: OnlineResult, offset: number, limit: number): DecodedWord[] {
  const words: { text: string; startSample: number; endSample: number; logs: number[] }[] = [];
  const at = (index: number) =>
    Math.min(limit, offset + Math.round((result.timestamps[index] ?? 0) * sampleRate));
  // Models for subtitles shout.
  const shouts = result.text === result.text.toUpperCase();
  for (const [index, token] of result.tokens.entries()) {
    const begins = /^[\s\u2581]/.test(token);
    const piece = token.replace(/^[\s\u2581]+/, "");
    const next = index + 1 < result.tokens.length ? at(index + 1) : at(index) + lastTokenSamples;
    const endSample = Math.max(at(index), Math.min(limit, next, at(index) + 5 * lastTokenSamples));
    const last = words.at(-1);
    const log = result.ys_probs?.[index] ?? 0;
    if (begins || last === undefined) {
      words.push({ text: piece, startSample: at(index), endSample, logs: [log] });
    } else {
      last.text += piece;
      last.endSample = endSample;
      last.logs.push(log);
    }
  }
  return words
    .filter(({ text }) => text !== "")
    .map(({ text, startSample, endSample, logs }) => ({
      text: shouts ? text.toLowerCase() : text,
      startSample,
      endSample,
      confidence: Math.min(1, Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length)),
    }));
}
