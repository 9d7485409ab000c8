/** Many pairs of glasses that speak, in a process of their own, paced like real ones. */
import { TimeSeries, type TimeSummary } from "../statistics.ts";
import { voiceSignal } from "../voice-signal.ts";
import { answerCalls } from "./control.ts";
import { GlassesConnection } from "./glasses-connection.ts";
import { MaskedFrame, opcodes } from "./masked-frame.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import { Pacing } from "./pacing.ts";

export interface GeneratorReport {
  /** Frames sent while measuring, and for how long that was. */
  readonly frames: number;
  readonly elapsedMs: number;
  /** How much later than due frames were sent, in ms. */
  readonly lateness: TimeSummary | undefined;
  readonly cpuMs: number;
  /** Connections that the server has closed. */
  readonly closed: number;
}

const periodMs = 20;
const frameSamples = 320;
const frames = buildFrames();
const lateness = new TimeSeries(2_000_000);
let glasses: GlassesConnection[] = [];
let closed = 0;
let pacing: Pacing | undefined;
let sent = 0;
let measuring = false;
let begin = { atMs: 0, sent: 0, cpu: process.cpuUsage() };

/** Two seconds of voice as PCM, masked once and for all. */
function buildFrames(): MaskedFrame[] {
  const pcm = new Uint8Array(voiceSignal(100 * frameSamples).buffer);
  const frameBytes = frameSamples * 2;
  return Array.from({ length: 100 }, (_, i) => {
    const payload = pcm.subarray(i * frameBytes, (i + 1) * frameBytes);
    return new MaskedFrame(opcodes.binary, payload, Uint8Array.of(0x3a, 0x91, 0xc4, 0x57));
  });
}

function sendDue(): void {
  if (pacing === undefined) return;
  for (;;) {
    const now = monotonicMs();
    const due = pacing.dueMs(sent);
    if (due > now) break;
    if (measuring) lateness.add(now - due);
    const frame = frames[Math.floor(sent / glasses.length) % frames.length];
    if (frame !== undefined) {
      frame.stamp(now);
      glasses[pacing.session(sent)]?.send(frame.bytes);
    }
    sent++;
  }
  setTimeout(sendDue, 1);
}

const commands = {
  /** Connects one pair of glasses for each token, some at a time. */
  connect: async (port: number, tokens: readonly string[]) => {
    closed = 0;
    sent = 0;
    const onClosed = () => {
      closed++;
    };
    for (let i = 0; i < tokens.length; i += 20) {
      const some = tokens.slice(i, i + 20).map((token) => GlassesConnection.open(port, token, onClosed));
      glasses.push(...(await Promise.all(some)));
    }
  },
  say: (message: object) => {
    for (const one of glasses) one.sendText(message);
  },
  startPacing: () => {
    pacing = new Pacing(glasses.length, periodMs, monotonicMs());
    sendDue();
  },
  begin: () => {
    lateness.clear();
    measuring = true;
    begin = { atMs: monotonicMs(), sent, cpu: process.cpuUsage() };
  },
  end: (): GeneratorReport => {
    measuring = false;
    const cpu = process.cpuUsage(begin.cpu);
    return {
      frames: sent - begin.sent,
      elapsedMs: monotonicMs() - begin.atMs,
      lateness: lateness.summary(),
      cpuMs: (cpu.user + cpu.system) / 1e3,
      closed,
    };
  },
  /** Returns how many frames went out since the connecting. */
  stopPacing: () => {
    pacing = undefined;
    return sent - glasses.reduce((sum, { lost }) => sum + lost, 0);
  },
  disconnect: () => {
    for (const one of glasses) one.close();
    glasses = [];
  },
};
export type GeneratorCommands = typeof commands;
answerCalls(commands);
