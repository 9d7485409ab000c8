/** Servers of apps, all in one process: answers webhooks by dialling back, and subscribes to the audio. */
import { TimeSeries, type TimeSummary } from "../statistics.ts";
import { answerCalls } from "./control.ts";
import { readStamp } from "./masked-frame.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import type { BenchApp } from "./server-under-test.ts";

export interface AppReport {
  /** Bytes of audio since the last reset. */
  readonly audioBytes: number;
  /** From the glasses' sending to the app's receiving, while measuring, in ms. */
  readonly latency: TimeSummary | undefined;
  /** Share of a core that was taken while measuring. */
  readonly cores: number;
}

interface Webhook {
  readonly type: string;
  readonly sessionId: string;
  readonly mentraOSWebsocketUrl: string;
}

const packageName = "com.example.bench";
const apiKey = crypto.randomUUID();
const latencies = new TimeSeries(2_000_000);
const sockets = new Set<WebSocket>();
let audioBytes = 0;
let measuring = false;
let cores = 0;
let begin = { atMs: 0, cpu: process.cpuUsage() };

function dialBack({ sessionId, mentraOSWebsocketUrl }: Webhook): void {
  const socket = new WebSocket(mentraOSWebsocketUrl);
  socket.binaryType = "arraybuffer";
  sockets.add(socket);
  const say = (message: object) => socket.send(JSON.stringify({ ...message, packageName, sessionId }));
  socket.onopen = () => say({ type: "tpa_connection_init", apiKey });
  socket.onclose = () => sockets.delete(socket);
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data !== "string") heard(data);
    else if (data.includes('"tpa_connection_ack"')) {
      say({ type: "subscription_update", subscriptions: ["audio_chunk"] });
    }
  };
}

function heard(audio: ArrayBuffer): void {
  audioBytes += audio.byteLength;
  if (!measuring) return;
  const sentMs = readStamp(new Uint8Array(audio));
  if (sentMs !== undefined) latencies.add(monotonicMs() - sentMs);
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/health": new Response("ok"),
    "/webhook": {
      POST: async (request) => {
        const webhook = (await request.json()) as Webhook;
        if (webhook.type === "session_request") dialBack(webhook);
        return Response.json({ status: "success" });
      },
    },
  },
});

const commands = {
  app: (): BenchApp => ({ packageName, apiKey, url: `http://127.0.0.1:${server.port}` }),
  begin: () => {
    latencies.clear();
    measuring = true;
    begin = { atMs: performance.now(), cpu: process.cpuUsage() };
  },
  end: () => {
    measuring = false;
    const { user, system } = process.cpuUsage(begin.cpu);
    cores = (user + system) / 1e3 / (performance.now() - begin.atMs);
  },
  report: (): AppReport => ({ audioBytes, latency: latencies.summary(), cores }),
  reset: () => {
    for (const socket of sockets) socket.close();
    audioBytes = 0;
  },
};
export type AppHostCommands = typeof commands;
answerCalls(commands);
