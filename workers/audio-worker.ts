/**
 * An audio worker: drains the rings of its sessions, decodes, hears voice, keeps the last seconds and holds the streams to
 * speech recognisers. It never blocks. The rings outlive it; a new worker goes on at their tails.
 */
import type { AudioWorkerCommand, AudioWorkerReport } from "../src/audio/commands.ts";
import { yieldToMainLoop } from "../src/kernel/thread-priority.ts";
import { AudioEngine } from "./audio-engine.ts";

declare const self: Worker;

yieldToMainLoop();

function post(report: AudioWorkerReport): void {
  self.postMessage(report);
}

let engine: AudioEngine | undefined;

self.onmessage = async (event: MessageEvent<AudioWorkerCommand>) => {
  const command = event.data;
  if (command.kind !== "start") {
    engine?.obey(command);
    return;
  }
  // Until everything is loaded, the other commands wait in the queue.
  const queued: AudioWorkerCommand[] = [];
  const obey = self.onmessage;
  self.onmessage = (later: MessageEvent<AudioWorkerCommand>) => void queued.push(later.data);
  try {
    const opened = await AudioEngine.open(command, post);
    engine = opened.engine;
    post({ kind: "ready", codecs: opened.codecs });
  } catch (error) {
    post({ kind: "failed", detail: error instanceof Error ? error.message : String(error) });
  }
  self.onmessage = obey;
  for (const later of queued) if (later.kind !== "start") engine?.obey(later);
};
