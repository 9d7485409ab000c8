import { Arena } from "../../src/audio/arena.ts";
import { MessageHandover } from "./message-handover.ts";
import { type MicroCase, type MicroGroup, measureBursts, measureCalls } from "./micro-bench.ts";
import { RingHandover } from "./ring-handover.ts";

/** An Opus packet, and PCM of 20 and of 100 ms. */
const frameSizes = [42, 640, 3200];

/** What a server with 1000 sessions gets: every millisecond a frame each for as many lanes. */
const busy = { lanes: 50, pauseMs: 1, bursts: 300 };
/** One frame at a time, after a pause so long that the worker sleeps and has to be woken. */
const quiet = { lanes: 1, pauseMs: 40, bursts: 15 };
type Traffic = typeof busy;

/** How the main thread gives a frame to a worker, and what writing and reading the ring costs without one. */
export const ringGroups: readonly MicroGroup[] = [
  ...frameSizes.map((bytes) => ({
    name: `ring: a frame of ${bytes} B to a busy worker`,
    baseline: "postMessage, transfer",
    open: () => openBusy(bytes),
  })),
  {
    name: "ring: a frame of 42 B to a sleeping worker",
    baseline: "postMessage, transfer",
    open: () => openHandover(42, quiet),
  },
];

async function openHandover(bytes: number, traffic: Traffic) {
  const messages = await MessageHandover.start(bytes, traffic.lanes);
  const ring = await RingHandover.start(bytes, traffic.lanes);
  const handover = (name: string, to: MessageHandover | RingHandover, run: () => void): MicroCase => ({
    name,
    measure: () =>
      measureBursts({
        size: traffic.lanes,
        bursts: traffic.bursts,
        prepare: async () => {
          await Bun.sleep(traffic.pauseMs);
          await to.ready();
        },
        run,
      }),
  });
  return {
    cases: [
      handover("postMessage, transfer", messages, () => messages.transferAll()),
      handover("postMessage, copy", messages, () => messages.copyAll()),
      handover("ring write + doorbell", ring, () => ring.writeAll()),
    ],
    close: () => {
      messages.close();
      ring.close();
    },
  };
}

async function openBusy(bytes: number) {
  const { cases, close } = await openHandover(bytes, busy);
  return { cases: [...cases, ...lonelyRing(bytes)], close };
}

/** Both sides of a ring on one thread: what the copying itself costs. */
function lonelyRing(bytes: number): MicroCase[] {
  const slot = Arena.allocate({ slots: 1, ringBytes: 64 * 1024, pcmRingBytes: 64 }).slot(0);
  const { control, headWord, tailWord } = slot.ring;
  const writer = slot.writer();
  const reader = slot.reader();
  const frame = new Uint8Array(bytes).fill(1);
  const into = new Uint8Array(bytes);
  return [
    {
      name: "ring write alone",
      measure: () =>
        measureCalls(() => {
          if (writer.write(1, 1, 0, frame)) return;
          // Emptied with one store, so that reading is not measured along.
          Atomics.store(control, tailWord, Atomics.load(control, headWord));
          writer.write(1, 1, 0, frame);
        }),
    },
    {
      name: "ring drain alone",
      measure: () => {
        Atomics.store(control, tailWord, Atomics.load(control, headWord));
        const first = Atomics.load(control, tailWord);
        while (writer.write(1, 1, 0, frame));
        return measureCalls(() => {
          if (!reader.next()) {
            // The same frames again: writing is not measured along.
            Atomics.store(control, tailWord, first);
            reader.next();
          }
          reader.take(into);
        });
      },
    },
  ];
}
