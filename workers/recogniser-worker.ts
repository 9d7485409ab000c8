/**
 * The thread of an offline recogniser: the embedded one, or sherpa with a model of the operator's. It runs synchronous native code, so it may block; nothing waits for it. Main
 * starts it and connects one port for each audio worker; audio itself is read from the sessions' shared memory.
 */

import { RecentAudio } from "../src/audio/recent-audio.ts";
import {
  heartbeatWords,
  type RecogniserCommand,
  type RecogniserReport,
  type StreamCommand,
  type StreamReport,
} from "../src/audio/recogniser-commands.ts";
import { yieldToMainLoop } from "../src/kernel/thread-priority.ts";
import { Decoder } from "./pocketsphinx/decoder.ts";
import { DecoderPool } from "./pocketsphinx/decoder-pool.ts";
import { DecodingScheduler } from "./pocketsphinx/decoding-scheduler.ts";
import { loadLibrary } from "./pocketsphinx/library.ts";
import { findModel } from "./pocketsphinx/model.ts";
import { RecogniserStream } from "./pocketsphinx/recogniser-stream.ts";
import { loadSherpa } from "./sherpa/load-sherpa.ts";
import type { SpeechDecoder } from "./stt/speech-decoder.ts";

declare const self: Worker;

yieldToMainLoop();

type StartCommand = Extract<RecogniserCommand, { kind: "start" }>;

/** Well under the 250 ms within which a sign of life is expected. */
const beatMs = 100;
/** Streams of one audio worker; one more is answered with `off`. */
const maxStreams = 4_096;
const installation = "apt-get install libpocketsphinx3 pocketsphinx-en-us";

type Recogniser =
  | { readonly kind: "starting" }
  | {
      readonly kind: "listening";
      readonly start: StartCommand;
      readonly pool: DecoderPool;
      readonly scheduler: DecodingScheduler;
      readonly detail: string;
    }
  | { readonly kind: "unavailable"; readonly detail: string }
  | { readonly kind: "stopped" };

/** One audio worker's port and the streams it has opened. */
interface Client {
  readonly port: MessagePort;
  readonly streams: Map<string, RecogniserStream>;
}

let recogniser: Recogniser = { kind: "starting" };
let heartbeat: Int32Array | undefined;
let beatTimer: ReturnType<typeof setInterval> | undefined;
const clients = new Set<Client>();

function report(message: RecogniserReport): void {
  self.postMessage(message);
}

function beat(): void {
  if (heartbeat !== undefined) Atomics.add(heartbeat, heartbeatWords.beat, 1);
}

function whileBusy<Result>(load: () => Result): Result {
  if (heartbeat !== undefined) Atomics.store(heartbeat, heartbeatWords.busy, 1);
  try {
    return load();
  } finally {
    beat();
    if (heartbeat !== undefined) Atomics.store(heartbeat, heartbeatWords.busy, 0);
  }
}

function start(command: StartCommand): void {
  if (recogniser.kind !== "starting") return;
  heartbeat = new Int32Array(command.heartbeat);
  beatTimer = setInterval(beat, beatMs);
  const loaded = whileBusy(() => load(command));
  recogniser = loaded;
  report({ kind: loaded.kind === "listening" ? "ready" : "unavailable", detail: loaded.detail });
  for (const client of clients) announce(client);
}

function load(command: StartCommand): Extract<Recogniser, { readonly detail: string }> {
  try {
    const sherpa = command.engine === "sherpa";
    const pool = sherpa ? loadSherpa(command.modelDir, command.decoders) : loadPocketsphinx(command);
    const scheduler = new DecodingScheduler(pool, command.utteranceQueue, {
      onTurn: beat,
      whileLoading: whileBusy,
      onFinished: finish,
      onFault: fault,
    });
    const name = sherpa ? "sherpa" : "pocketsphinx";
    const detail = `${name}, en-US, up to ${command.decoders} utterances at a time`;
    return { kind: "listening", start: command, pool, scheduler, detail };
  } catch (error) {
    return { kind: "unavailable", detail: error instanceof Error ? error.message : String(error) };
  }
}

function loadPocketsphinx(command: StartCommand): DecoderPool {
  const library = attempt(loadLibrary, `libpocketsphinx is not installed (${installation})`);
  const model = attempt(
    () => findModel(command.modelDir),
    `there is no English model in ${command.modelDir} (${installation})`,
  );
  const make = (sibling: SpeechDecoder | undefined) =>
    new Decoder(library, model, sibling instanceof Decoder ? sibling : undefined);
  const pool = attempt(
    () => new DecoderPool(make, command.decoders),
    `the model in ${command.modelDir} cannot be loaded (${installation})`,
  );
  if (!pool.keepsMean) {
    const message =
      "this build of libpocketsphinx hides the cepstral mean: first words are recognised less well";
    report({ kind: "log", level: "warn", message });
  }
  return pool;
}

function attempt<Result>(run: () => Result, sentence: string): Result {
  try {
    return run();
  } catch (cause) {
    throw new Error(sentence, { cause });
  }
}

/** A decoder failed in service and is gone. When it was the last that could be loaded, the recogniser is off. */
function fault(error: unknown): void {
  report({ kind: "log", level: "error", message: `a decoder failed and was replaced: ${String(error)}` });
  if (recogniser.kind !== "listening" || recogniser.pool.capacity > 0) return;
  recogniser.scheduler.close();
  recogniser = {
    kind: "unavailable",
    detail: "the recogniser's decoders fail again and again",
  };
  report({ kind: "unavailable", detail: recogniser.detail });
  for (const client of clients) {
    announce(client);
    for (const streamId of client.streams.keys()) {
      post(client, { kind: "state", streamId, state: "off", detail: recogniser.detail });
    }
    client.streams.clear();
  }
}

function post(client: Client, message: StreamReport): void {
  client.port.postMessage(message);
}

/** Tells an audio worker whether there is a recogniser, once that is known. */
function announce(client: Client): void {
  if (recogniser.kind !== "listening" && recogniser.kind !== "unavailable") return;
  const available = recogniser.kind === "listening";
  post(client, { kind: "availability", available, detail: recogniser.detail });
}

function connect(port: MessagePort): void {
  const client: Client = { port, streams: new Map() };
  clients.add(client);
  port.addEventListener("close", () => {
    clients.delete(client);
    if (recogniser.kind !== "listening") return;
    for (const stream of client.streams.values()) recogniser.scheduler.drop(stream);
  });
  port.addEventListener("message", (event) => obey(client, (event as MessageEvent<StreamCommand>).data));
  port.start();
  announce(client);
}

function open(client: Client, command: Extract<StreamCommand, { kind: "open" }>): void {
  const { streamId } = command;
  if (client.streams.has(streamId)) return;
  if (recogniser.kind !== "listening" || client.streams.size >= maxStreams) {
    const detail = recogniser.kind === "unavailable" ? recogniser.detail : "too many streams";
    post(client, { kind: "state", streamId, state: "off", detail });
    return;
  }
  const { start, detail } = recogniser;
  const recent = new RecentAudio(command.recent);
  const reply = (message: StreamReport) => post(client, message);
  client.streams.set(streamId, new RecogniserStream(streamId, recent, command.fromSample, start, reply));
  post(client, { kind: "state", streamId, state: "ready", detail });
}

function obey(client: Client, command: StreamCommand): void {
  if (command.kind === "open") {
    open(client, command);
    return;
  }
  const stream = client.streams.get(command.streamId);
  if (stream === undefined || recogniser.kind !== "listening") {
    // A stream that was refused or never opened has nothing pending, and whoever closes it waits for the answer.
    if (command.kind === "close") post(client, { kind: "closed", streamId: command.streamId });
    return;
  }
  if (command.kind === "drop") {
    client.streams.delete(command.streamId);
    recogniser.scheduler.drop(stream);
    return;
  }
  if (command.kind === "voiceStart") stream.voiceStart(command.sample);
  else if (command.kind === "voiceEnd") stream.voiceEnd(command.sample);
  else if (command.kind === "close") stream.close();
  recogniser.scheduler.wake(stream);
}

function finish(stream: RecogniserStream): void {
  for (const client of clients) {
    if (client.streams.get(stream.id) !== stream) continue;
    client.streams.delete(stream.id);
    post(client, { kind: "closed", streamId: stream.id });
  }
}

function stop(): void {
  if (recogniser.kind === "listening") {
    recogniser.scheduler.close();
    recogniser.pool.close();
  }
  recogniser = { kind: "stopped" };
  clearInterval(beatTimer);
  for (const client of clients) client.port.close();
  clients.clear();
  report({ kind: "stopped" });
}

self.onmessage = (event: MessageEvent<RecogniserCommand>) => {
  const command = event.data;
  if (command.kind === "start") start(command);
  else if (command.kind === "connect") connect(command.port);
  else if (command.kind === "stop") stop();
  else for (const until = performance.now() + command.ms; performance.now() < until; );
};
