/** A service that recognises speech, as far as Browline can tell: Deepgram's `v1/listen`, in a process of its own. */
import { LatencyHistogram } from "../../src/kernel/latency-histogram.ts";
import { answerCalls } from "./control.ts";
import { lastStamp } from "./masked-frame.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import { spokenText } from "./spoken-text.ts";

export interface SpeechReport {
  readonly connections: number;
  readonly audioBytes: number;
  /** From the sending of a chunk's last frame by the glasses until the chunk was here: `Durations` as pairs. */
  readonly arrival: readonly number[];
  readonly results: number;
  readonly cores: number;
}

interface Stream {
  samples: number;
  chunks: number;
}

const bytesPerSecond = 32_000;
/** An interim for every fifth chunk, and a final now and then. */
const interimChunks = 5;
const finalChunks = 50;

let connections = 0;
let audioBytes = 0;
let results = 0;
let measuring = false;
let arrival = new LatencyHistogram();
let cores = 0;
let begin = { atMs: 0, cpu: process.cpuUsage() };

function result(stream: Stream, isFinal: boolean, fromFinalize: boolean): string {
  results++;
  const end = stream.samples / bytesPerSecond;
  const duration = Math.min(end, 1);
  return JSON.stringify({
    type: "Results",
    start: end - duration,
    duration,
    is_final: isFinal,
    speech_final: isFinal,
    from_finalize: fromFinalize,
    channel: { alternatives: [{ transcript: spokenText(monotonicMs()), confidence: 0.9, words: [] }] },
  });
}

const server = Bun.serve<Stream>({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, self) =>
    self.upgrade(request, { data: { samples: 0, chunks: 0 } })
      ? undefined
      : new Response("a WebSocket is spoken here", { status: 400 }),
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    open() {
      connections++;
    },
    close() {
      connections--;
    },
    message(socket, message) {
      const stream = socket.data;
      if (typeof message === "string") {
        if (message.includes("Finalize")) socket.send(result(stream, true, true));
        else if (message.includes("CloseStream")) socket.close(1000);
        return;
      }
      audioBytes += message.byteLength;
      stream.samples += message.byteLength;
      stream.chunks++;
      if (measuring) {
        const stamp = lastStamp(message);
        if (stamp !== undefined) arrival.record((monotonicMs() - stamp.atMs) * 1000);
      }
      const isFinal = stream.chunks % finalChunks === 0;
      if (isFinal || stream.chunks % interimChunks === 0) socket.send(result(stream, isFinal, false));
    },
  },
});

const commands = {
  url: () => `ws://127.0.0.1:${server.port}`,
  connections: () => connections,
  begin: () => {
    audioBytes = 0;
    results = 0;
    arrival = new LatencyHistogram();
    measuring = true;
    begin = { atMs: performance.now(), cpu: process.cpuUsage() };
  },
  end: (): SpeechReport => {
    measuring = false;
    const { user, system } = process.cpuUsage(begin.cpu);
    cores = (user + system) / 1e3 / (performance.now() - begin.atMs);
    return { connections, audioBytes, arrival: arrival.read().toPairs(), results, cores };
  },
};
export type SpeechServiceCommands = typeof commands;
answerCalls(commands);
