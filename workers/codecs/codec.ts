/** Turns the frames of one session into samples. Belongs to one thread; no call throws for what is in a frame. */
export interface Codec {
  /**
   * Decodes one frame to mono 16 kHz samples, which are valid until the next call to any codec of this thread and until
   * the memory of the frame, in which they may lie, is used for something else. A frame
   * that cannot be decoded gives silence as long as what it stood for, as far as that can be told.
   */
  decode(frame: Uint8Array): Int16Array;
  /** This many bytes of the stream are missing before the next frame. */
  skipped(bytes: number): void;
  /** The next frame begins a new stream. */
  reset(): void;
  /** Frees native memory. The codec must not be used afterwards. */
  close(): void;
}

/** Told of every frame, or part of one, that could not be decoded. */
export type OnUndecodable = () => void;
