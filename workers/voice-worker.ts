/** The thread that speaks: texts in, WAV files out, one after the other in the order in which they came. */
import type { SynthesisReply, SynthesisRequest } from "../src/audio/synthesis.ts";
import { yieldToMainLoop } from "../src/kernel/thread-priority.ts";
import { Flite } from "./voice/flite.ts";

declare const self: Worker;

yieldToMainLoop();

let loading: Promise<Flite> | undefined;
let turn: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<SynthesisRequest>) => {
  turn = turn.then(async () => {
    const reply = await answer(data);
    self.postMessage(reply, "wav" in reply ? [reply.wav.buffer] : []);
  });
};

async function answer({ id, text, voice, speed, mostBytes }: SynthesisRequest): Promise<SynthesisReply> {
  try {
    loading ??= Flite.load();
    return { id, wav: (await loading).speak(text, voice, speed, mostBytes) };
  } catch (error) {
    return { id, problem: error instanceof Error ? error.message : String(error) };
  }
}
