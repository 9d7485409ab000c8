import { readFileSync } from "node:fs";
import { samplesPerMs } from "../../src/audio/recent-audio.ts";
import { readWav } from "../../src/audio/wav.ts";
import { RoomNoise } from "../../src/simulator/room-noise.ts";
import { SpeechSynthesiser } from "../../src/simulator/speech-synthesiser.ts";

/** Where Debian's `pocketsphinx-testdata` puts its recordings. */
const recordings = "/usr/share/pocketsphinx/test/data";

/** Speech and what is said in it. */
export interface Recording {
  readonly name: string;
  /** Mono, 16 kHz. */
  readonly pcm: Int16Array;
  readonly text: string;
}

/** A man says "go forward ten meters" into a headset. */
export function goForward(): Recording {
  const bytes = new Uint8Array(readFileSync(`${recordings}/goforward.raw`));
  return { name: "goforward", pcm: new Int16Array(bytes.buffer), text: "go forward ten meters" };
}

/** Five sentences of an audio book, read by a woman. */
export function libriVox(): Recording[] {
  const transcription = readFileSync(`${recordings}/librivox/transcription`, "utf8");
  return [...transcription.matchAll(/^<s> (.*) <\/s> \((\S+)\)$/gm)].map(([, text = "", name = ""]) => ({
    name,
    text,
    pcm: readWav(new Uint8Array(readFileSync(`${recordings}/librivox/${name}.wav`))),
  }));
}

/** Sentences that the recogniser gets word by word when the synthesiser speaks them. */
export const exactSentences: readonly string[] = [
  "take a photo please",
  "turn on the lights",
  "how are you today",
  "the weather is nice today",
  "read my messages",
  "what is the weather like today",
  "remember to buy milk and bread",
  "where is the train station",
  "hello world",
  "play some music",
  "turn left at the next street",
  "take a picture of this",
  "can you hear me now",
];

/** Speaks each text once, in order. */
export async function synthesised(texts: readonly string[]): Promise<Recording[]> {
  const synthesiser = new SpeechSynthesiser();
  try {
    const spoken: Recording[] = [];
    for (const text of texts) spoken.push({ name: text, text, pcm: await synthesiser.synthesise(text) });
    return spoken;
  } finally {
    synthesiser.close();
  }
}

/** The hiss of a quiet room. */
export function quiet(ms: number, seed = 1): Int16Array {
  const pcm = new Int16Array(ms * samplesPerMs);
  new RoomNoise(seed).fill(pcm);
  return pcm;
}
