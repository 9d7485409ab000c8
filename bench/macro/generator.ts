/** Many pairs of glasses that speak, in a process of their own, paced like real ones or as fast as they can. */
import { LatencyHistogram } from "../../src/kernel/latency-histogram.ts";
import { createAudioEncoder } from "../../src/simulator/create-audio-encoder.ts";
import { voiceSignal } from "../voice-signal.ts";
import { ClientConnection } from "./client-connection.ts";
import { answerCalls } from "./control.ts";
import { MaskedFrame, opcodes } from "./masked-frame.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import { Pacing } from "./pacing.ts";

export interface GeneratorReport {
  /** Frames sent while measuring, and for how long that was. */
  readonly frames: number;
  readonly elapsedMs: number;
  /** How much later than due frames were sent: `Durations` as pairs. */
  readonly lateness: readonly number[];
  readonly cpuMs: number;
  /** Connections that the server has closed. */
  readonly closed: number;
  readonly displays: number;
  /** How far the time between two displays of one session was from what it should be. */
  readonly pacingError: readonly number[];
}

export interface Traffic {
  readonly codec: "pcm" | "opus";
  readonly framesPerSecond: number;
  /** Of the first so many sessions frames are larger, in bytes. */
  readonly heavy?: { readonly sessions: number; readonly frameBytes: number };
  /** What the time between two displays should be. */
  readonly displayMs?: number;
  /** Whether everybody begins at once. */
  readonly atOnce?: boolean;
}

const frameSamples = 320;
const frameCount = 100;
const longestTurnMs = 10;
/**
 * So many frames long are the beginnings of the sessions spread: people do not begin to speak in one instant, and what
 * their streams owe to the speech service, and it to them, is not due all at once either.
 */
const spreadTurns = 50;
const mask = Uint8Array.of(0x3a, 0x91, 0xc4, 0x57);
const pcm = voiceSignal(frameCount * frameSamples);

let frames: MaskedFrame[] = [];
let heavyFrame: MaskedFrame | undefined;
let heavySessions = 0;
let glasses: ClientConnection[] = [];
let closed = 0;
let pacing: Pacing | undefined;
let stamped = true;
/** Frames that were due, and those among them that came before their session began to speak. */
let sent = 0;
let silent = 0;
let spread = spreadTurns;
let measuring = false;
let lateness = new LatencyHistogram();
let displays = 0;
let pacingError = new LatencyHistogram();
let displayMs = 0;
let lastDisplayMs: number[] = [];
let stopFloods: (() => void)[] = [];
let begin = { atMs: 0, sent: 0, cpu: process.cpuUsage() };

/** Two seconds of voice, masked once and for all. */
function buildFrames(codec: "pcm" | "opus"): MaskedFrame[] {
  const pieces = Array.from({ length: frameCount }, (_, i) =>
    pcm.slice(i * frameSamples, (i + 1) * frameSamples),
  );
  if (codec === "pcm") {
    return pieces.map((piece) => new MaskedFrame(opcodes.binary, new Uint8Array(piece.buffer), mask));
  }
  const encoder = createAudioEncoder({ codec: "opus" });
  const packets = pieces.map((piece) => new MaskedFrame(opcodes.binary, encoder.encode(piece), mask));
  encoder.close();
  return packets;
}

function sendDue(): void {
  if (pacing === undefined) return;
  const count = glasses.length;
  const fromMs = monotonicMs();
  for (let now = fromMs; ; ) {
    const due = pacing.dueMs(sent);
    if (due > now) {
      now = monotonicMs();
      if (due > now) break;
    }
    // Who cannot keep up must still hear what it is told: that it may stop, above all.
    if ((sent & 15) === 0 && monotonicMs() - fromMs > longestTurnMs) {
      setImmediate(sendDue);
      return;
    }
    if (measuring) lateness.record((now - due) * 1000);
    const session = pacing.session(sent);
    const turn = Math.floor(sent / count);
    const frame = session < heavySessions ? heavyFrame : frames[turn % frames.length];
    if (turn < session % spread) silent++;
    else if (frame !== undefined) {
      if (stamped) frame.stamp(monotonicMs(), turn);
      glasses[session]?.send(frame.bytes);
    }
    sent++;
  }
  setTimeout(sendDue, 1);
}

const displayMark = Buffer.from('"display_event"');

function onFrame(session: number, opcode: number, payload: Uint8Array): void {
  if (
    opcode !== opcodes.text ||
    displayMs === 0 ||
    !Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).includes(displayMark)
  )
    return;
  const now = monotonicMs();
  const last = lastDisplayMs[session];
  lastDisplayMs[session] = now;
  if (!measuring || last === undefined) return;
  displays++;
  pacingError.record(Math.abs(now - last - displayMs) * 1000);
}

const commands = {
  /** Connects one pair of glasses for each token, some at a time, each of which says `messages` then. */
  connect: async (port: number, tokens: readonly string[], messages: readonly object[]) => {
    closed = 0;
    sent = 0;
    silent = 0;
    lastDisplayMs = [];
    const onClosed = () => {
      closed++;
    };
    for (let i = 0; i < tokens.length; i += 20) {
      const some = tokens.slice(i, i + 20).map((token, j) =>
        ClientConnection.open({
          port,
          path: "/glasses-ws",
          token,
          onClosed,
          onFrame: (opcode, payload) => onFrame(i + j, opcode, payload),
        }),
      );
      const connected = await Promise.all(some);
      for (const one of connected) for (const message of messages) one.sendText(message);
      glasses.push(...connected);
    }
  },
  /** The first so many read nothing any more. */
  deafen: (count: number) => {
    for (const one of glasses.slice(0, count)) one.goDeaf();
  },
  startPacing: (traffic: Traffic) => {
    frames = buildFrames(traffic.codec);
    stamped = traffic.codec === "pcm";
    displayMs = traffic.displayMs ?? 0;
    spread = traffic.atOnce ? 1 : spreadTurns;
    heavySessions = traffic.heavy?.sessions ?? 0;
    heavyFrame =
      traffic.heavy && new MaskedFrame(opcodes.binary, new Uint8Array(traffic.heavy.frameBytes), mask);
    if (traffic.framesPerSecond === 0) return;
    pacing = new Pacing(glasses.length, 1000 / traffic.framesPerSecond, monotonicMs());
    sendDue();
  },
  /** Everybody sends as fast as it is taken, frames of `bytes`. */
  startFlood: (bytes: number) => {
    const batch = 64;
    const one = new MaskedFrame(opcodes.binary, new Uint8Array(bytes), mask).bytes;
    const many = Buffer.concat(Array.from({ length: batch }, () => one));
    const onSent = () => {
      sent += batch;
    };
    stopFloods = glasses.map((each) => each.flood(many, onSent));
  },
  begin: () => {
    lateness = new LatencyHistogram();
    pacingError = new LatencyHistogram();
    displays = 0;
    measuring = true;
    begin = { atMs: monotonicMs(), sent: sent - silent, cpu: process.cpuUsage() };
  },
  end: (): GeneratorReport => {
    measuring = false;
    const cpu = process.cpuUsage(begin.cpu);
    return {
      frames: sent - silent - begin.sent,
      elapsedMs: monotonicMs() - begin.atMs,
      lateness: lateness.read().toPairs(),
      cpuMs: (cpu.user + cpu.system) / 1e3,
      closed,
      displays,
      pacingError: pacingError.read().toPairs(),
    };
  },
  /** Returns how many frames went out since the connecting. */
  stopPacing: () => {
    pacing = undefined;
    for (const stop of stopFloods.splice(0)) stop();
    return sent - silent - glasses.reduce((sum, { lost }) => sum + lost, 0);
  },
  disconnect: () => {
    pacing = undefined;
    for (const one of glasses) one.close();
    glasses = [];
  },
};
export type GeneratorCommands = typeof commands;
answerCalls(commands);
