import type { SimulatedGlasses } from "../src/simulator/simulated-glasses.ts";
import type { SpeechSynthesiser } from "../src/simulator/speech-synthesiser.ts";
import type { AudioFormat } from "../src/wire/audio-format.ts";
import type { GlassesState } from "./glasses-state.ts";

/** Connected glasses and what was asked of them. */
export interface GlassesSession {
  readonly glasses: SimulatedGlasses;
  readonly state: GlassesState;
  readonly synthesiser: SpeechSynthesiser;
  readonly speech: readonly Speech[];
  readonly app: string | undefined;
  readonly format: AudioFormat;
}

export interface Speech {
  /** What to call it: the text, or the file's name. */
  readonly label: string;
  /** Mono at 16 kHz. */
  readonly samples: Int16Array;
}

/** A breath before and after each piece: recognisers want to hear where speech begins and ends. */
const breathMs = 700;

/** Says one piece and keeps `state.saying`. Waits while the microphone is off; resolves when all is sent. */
export async function say({ glasses, state }: GlassesSession, speech: Speech): Promise<void> {
  const breath = new Int16Array(breathMs * 16);
  const padded = new Int16Array(speech.samples.length + 2 * breath.length);
  padded.set(speech.samples, breath.length);
  if (!glasses.microphoneOn) state.note(`waits for the microphone to say ${JSON.stringify(speech.label)}`);
  state.saying = speech.label;
  state.changed();
  try {
    await glasses.speak(padded);
  } finally {
    state.saying = undefined;
    state.changed();
  }
}
