import { Arena } from "../../src/audio/arena.ts";
import { type Clock, DeadlineClock } from "../../src/kernel/clock.ts";
import { LatencyHistogram } from "../../src/kernel/latency-histogram.ts";
import { limits } from "../../src/kernel/limits.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { DisplayManager } from "../../src/session/display-manager.ts";
import { Subscriptions } from "../../src/session/subscriptions.ts";
import { parseAppMessage } from "../../src/wire/apps.ts";
import { parseGlassesMessage } from "../../src/wire/glasses.ts";
import { parseStream } from "../../src/wire/streams.ts";
import { type MicroGroup, measureCalls } from "./micro-bench.ts";

const ignore = () => {};

const transcript = {
  type: "data_stream",
  sessionId: "user@example.com-com.example.captions",
  streamType: "transcription:en-US",
  data: {
    type: "transcription",
    text: "turn on the lights in the kitchen, and then tell me what the weather is like",
    isFinal: true,
    utteranceId: "0.0.12.3.0/en-US/0-17",
    transcribeLanguage: "en-US",
    detectedLanguage: "en-US",
    startTime: 120_340,
    endTime: 123_120,
    duration: 2_780,
    speakerId: "0",
    confidence: 0.93,
    provider: "pocketsphinx",
  },
};

const display = JSON.stringify({
  type: "display_event",
  packageName: "com.example.captions",
  sessionId: "user@example.com-com.example.captions",
  view: "main",
  layout: { layoutType: "text_wall", text: "turn on the lights in the kitchen" },
  timestamp: "2026-01-01T00:00:00.000Z",
});

const button = JSON.stringify({
  type: "button_press",
  buttonId: "main",
  pressType: "short",
  timestamp: "2026-01-01T00:00:00.000Z",
});

/** What the main loop does for a message, and what it costs to look at it. */
export const routingGroups: readonly MicroGroup[] = [
  {
    name: "routing: a message on the main loop",
    baseline: "JSON out, a transcript",
    open: () => {
      const match = matcher();
      const show = displayer();
      return {
        cases: [
          { name: "JSON out, a transcript", measure: () => measureCalls(() => JSON.stringify(transcript)) },
          { name: "JSON in, an app's display", measure: () => measureCalls(() => parseAppMessage(display)) },
          {
            name: "JSON in, a button of the glasses",
            measure: () => measureCalls(() => parseGlassesMessage(button)),
          },
          { name: "stream match, 2 of 5 apps", measure: () => measureCalls(match) },
          { name: "display decision, and sending it", measure: () => measureCalls(show) },
        ],
        close: ignore,
      };
    },
  },
  {
    name: "probes: what looking costs",
    baseline: "ring header parse",
    open: () => {
      const histogram = new LatencyHistogram();
      let us = 0;
      return {
        cases: [
          { name: "ring header parse", measure: () => measureCalls(headerParser()) },
          { name: "reading the clock", measure: () => measureCalls(() => performance.now()) },
          {
            name: "counting a duration",
            measure: () =>
              measureCalls(() => {
                us = (us + 37) & 0xffff;
                histogram.record(us);
              }),
          },
        ],
        close: ignore,
      };
    },
  },
];

function matcher(): () => unknown {
  const subscriptions = new Subscriptions();
  const granted = new Set(["MICROPHONE"]);
  const lists = [
    ["transcription:en-US"],
    ["button_press"],
    ["transcription:en-US", "VAD"],
    ["location_update"],
    [],
  ];
  for (const [i, list] of lists.entries()) {
    subscriptions.replace(`com.example.app${i}`, list.map(parseStream), granted);
  }
  return () => subscriptions.match("transcription:en-US");
}

/** A clock that jumps ahead with every look, so that no display has to wait for its turn. */
class RushingClock extends DeadlineClock implements Clock {
  #nowMs = 0;

  now(): number {
    this.#nowMs += limits.displayIntervalMs;
    return this.#nowMs;
  }

  at(): () => void {
    return ignore;
  }
}

function displayer(): () => unknown {
  const manager = new DisplayManager({
    clock: new RushingClock(),
    limits,
    metrics: new Metrics(),
    send: (message) => (JSON.stringify(message) === "" ? "dropped" : "sent"),
    foregroundApp: () => "com.example.captions",
    changed: ignore,
  });
  manager.glassesConnected();
  let line = 0;
  return () => {
    const layout = { layoutType: "text_wall", text: `line ${line++}` } as const;
    return manager.request("com.example.captions", {
      view: "main",
      layout,
      durationMs: undefined,
      force: false,
    });
  };
}

/** Reads the header of a record that lies in a ring, again and again. */
function headerParser(): () => unknown {
  const slot = Arena.allocate({ slots: 1, ringBytes: 4096, pcmRingBytes: 64 }).slot(0);
  slot.writer().write(1, 1, 0, new Uint8Array(42));
  const reader = slot.reader();
  return () => reader.next();
}
