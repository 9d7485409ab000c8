/** One word as it was decoded. */
export interface DecodedWord {
  readonly text: string;
  /** Samples since `startStream`. */
  readonly startSample: number;
  readonly endSample: number;
  /** Posterior probability, 0 to 1; only of use once the utterance has ended. */
  readonly confidence: number;
}

/**
 * A native recogniser of one stream of audio at a time. All calls block. They come in this order: `startStream`, then
 * any number of utterances (`startUtterance`, `process`..., `endUtterance`), then `endStream`. Any may throw.
 */
export interface SpeechDecoder {
  /** Whether `endStream` can tell what helps the next decoder of the same session. */
  readonly hasMean: boolean;
  readonly inSpeech: boolean;
  /** Begins another session's audio: times count from here. `mean`: what `endStream` gave for the same session. */
  startStream(mean: Float32Array | undefined): void;
  startUtterance(): void;
  /** Hears mono 16 kHz samples. */
  process(samples: Int16Array): void;
  /** The words so far, or of the utterance just ended. */
  words(): DecodedWord[];
  endUtterance(): void;
  endStream(): Float32Array | undefined;
  /** Frees the native memory. Safe to call twice. */
  free(): void;
}
