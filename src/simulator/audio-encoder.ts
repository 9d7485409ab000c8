/** Turns microphone samples into the binary messages that glasses send. */
export interface AudioEncoder {
  /** Samples (16 kHz, mono) that go into one message. */
  readonly messageSamples: number;
  /** Encodes exactly `messageSamples` samples. The result is the caller's to keep. */
  encode(samples: Int16Array): Uint8Array;
  /** Frees what the codec holds. Safe to call twice. */
  close(): void;
}
