/** `slt` is a woman whom people and recognisers understand well, `rms` a man. */
export const voices = ["slt", "rms"] as const;

export type VoiceName = (typeof voices)[number];

/** A text to be spoken, to the voice worker. `id` comes back with the answer. */
export interface SynthesisRequest {
  readonly id: number;
  readonly text: string;
  readonly voice: VoiceName;
  /** 1 is the voice's own. */
  readonly speed: number;
  /** Samples of more bytes than this are not made. */
  readonly mostBytes: number;
}

/** A WAV file, 16-bit mono at 16 kHz, or why there is none. */
export type SynthesisReply =
  | { readonly id: number; readonly wav: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly problem: string };
