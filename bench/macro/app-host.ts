/** Servers of apps, all in one process: answers webhooks by dialling back, subscribes, listens and shows. */
import { LatencyHistogram } from "../../src/kernel/latency-histogram.ts";
import { ClientConnection } from "./client-connection.ts";
import { answerCalls } from "./control.ts";
import { opcodes, readStamp } from "./masked-frame.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import type { BenchApp } from "./server-under-test.ts";
import { readSpokenMs } from "./spoken-text.ts";

export interface AppReport {
  /** Bytes of audio since the last reset. */
  readonly audioBytes: number;
  /** Frames of audio that were missing between two that came, since the last reset. */
  readonly audioGaps: number;
  /** Users whose audio had such gaps. */
  readonly usersWithGaps: number;
  /** From the glasses' sending to the app's receiving, while measuring: `Durations` as pairs. */
  readonly audioLatency: readonly number[];
  /** Transcripts since the last reset. */
  readonly transcripts: number;
  /** From the speech service's sending to the app's receiving, while measuring. */
  readonly transcriptLatency: readonly number[];
  /** Share of a core that was taken while measuring. */
  readonly cores: number;
}

/** What every app does. */
export interface AppPlan {
  /** Apps of each user. */
  readonly count: number;
  readonly hears: readonly string[];
  /** So many apps show a text, each this often. */
  readonly showing?: number;
  readonly displayEveryMs?: number;
}

interface Webhook {
  readonly type: string;
  readonly sessionId: string;
  readonly mentraOSWebsocketUrl: string;
}

const frameBytes = 640;
const apiKey = crypto.randomUUID();
const names = ["com.example.bench", "com.example.bench.second"];
const sockets = new Set<ClientConnection>();
let plan: AppPlan = { count: 0, hears: [] };
let audioBytes = 0;
let audioGaps = 0;
const usersWithGaps = new Set<string>();
let transcripts = 0;
let audioLatency = new LatencyHistogram();
let transcriptLatency = new LatencyHistogram();
let measuring = false;
let cores = 0;
let acks = 0;
let begin = { atMs: 0, cpu: process.cpuUsage() };
let displayTimer: Timer | undefined;
const shows: (() => void)[] = [];
const deafUsers = new Map<number, ClientConnection[]>();
const decoder = new TextDecoder();

async function dialBack({ sessionId, mentraOSWebsocketUrl }: Webhook, packageName: string): Promise<void> {
  const { port, pathname, search } = new URL(mentraOSWebsocketUrl);
  let expected = -1;
  const onAudio = (payload: Uint8Array) => {
    audioBytes += payload.byteLength;
    // A server that is late may send several frames in one message.
    for (let at = 0; at < payload.byteLength; at += frameBytes) {
      const stamp = readStamp(payload, at);
      if (stamp === undefined) return;
      if (expected >= 0 && stamp.number > expected) {
        audioGaps += stamp.number - expected;
        usersWithGaps.add(sessionId);
      }
      expected = stamp.number + 1;
      if (measuring) audioLatency.record((monotonicMs() - stamp.atMs) * 1000);
    }
  };
  const onText = (text: string) => {
    if (text.includes('"tpa_connection_ack"')) {
      acks++;
      say({ type: "subscription_update", subscriptions: plan.hears });
      return;
    }
    const spokenMs = readSpokenMs(text);
    if (spokenMs === undefined) return;
    transcripts++;
    if (measuring) transcriptLatency.record((monotonicMs() - spokenMs) * 1000);
  };
  const socket = await ClientConnection.open({
    port: Number(port),
    path: pathname + search,
    onFrame: (opcode, payload) => {
      if (opcode === opcodes.binary) onAudio(payload);
      else if (opcode === opcodes.text) onText(decoder.decode(payload));
    },
    onClosed: () => sockets.delete(socket),
  });
  sockets.add(socket);
  const say = (message: object) => socket.sendText({ ...message, packageName, sessionId });
  say({ type: "tpa_connection_init", apiKey });
  const user = Number(/user(\d+)@/.exec(sessionId)?.[1] ?? -1);
  deafUsers.set(user, [...(deafUsers.get(user) ?? []), socket]);
  let shown = 0;
  shows.push(() =>
    say({
      type: "display_event",
      view: "main",
      layout: { layoutType: "text_wall", text: `line ${shown++}` },
    }),
  );
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: async (request) => {
    const [, packageName = "", endpoint] = new URL(request.url).pathname.split("/");
    if (endpoint !== "webhook") return new Response("ok");
    const webhook = (await request.json()) as Webhook;
    if (webhook.type === "session_request") void dialBack(webhook, packageName).catch(() => {});
    return Response.json({ status: "success" });
  },
});

/** The first so many apps show something, their turns spread over the period. */
function startDisplays(everyMs: number, showing: number): void {
  const those = shows.slice(0, showing);
  const startMs = performance.now();
  let shown = 0;
  displayTimer = setInterval(() => {
    const due = Math.floor(((performance.now() - startMs) / everyMs) * those.length);
    for (; shown < due; shown++) those[shown % those.length]?.();
  }, 2);
}

const commands = {
  apps: (wanted: AppPlan): BenchApp[] => {
    plan = wanted;
    return names.slice(0, wanted.count).map((packageName) => ({
      packageName,
      apiKey,
      url: `http://127.0.0.1:${server.port}/${packageName}`,
    }));
  },
  /** How many app sockets have been let in since the last reset. */
  acks: () => acks,
  begin: () => {
    audioLatency = new LatencyHistogram();
    transcriptLatency = new LatencyHistogram();
    measuring = true;
    begin = { atMs: performance.now(), cpu: process.cpuUsage() };
  },
  startDisplays: () => {
    if (plan.displayEveryMs !== undefined) startDisplays(plan.displayEveryMs, plan.showing ?? 0);
  },
  deafen: (count: number) => {
    for (let user = 0; user < count; user++) for (const socket of deafUsers.get(user) ?? []) socket.goDeaf();
  },
  end: () => {
    measuring = false;
    const { user, system } = process.cpuUsage(begin.cpu);
    cores = (user + system) / 1e3 / (performance.now() - begin.atMs);
  },
  report: (): AppReport => ({
    audioBytes,
    audioGaps,
    usersWithGaps: usersWithGaps.size,
    audioLatency: audioLatency.read().toPairs(),
    transcripts,
    transcriptLatency: transcriptLatency.read().toPairs(),
    cores,
  }),
  reset: () => {
    clearInterval(displayTimer);
    for (const socket of sockets) socket.close();
    sockets.clear();
    deafUsers.clear();
    shows.length = 0;
    audioBytes = 0;
    audioGaps = 0;
    usersWithGaps.clear();
    transcripts = 0;
    acks = 0;
  },
};
export type AppHostCommands = typeof commands;
answerCalls(commands);
