/** The other end of the hand-over benches: takes every frame and does nothing with it. */
import { Arena } from "../../src/audio/arena.ts";
import { DrainLoop } from "../../workers/drain-loop.ts";
import type { HandoverSetup } from "./handover-worker-host.ts";

declare const self: Worker;

const into = new Uint8Array(64 * 1024);

self.onmessage = (event: MessageEvent<HandoverSetup>) => {
  const setup = event.data;
  if (setup.kind === "rings") drainRings(setup);
  else countMessages(new Int32Array(setup.counter));
  self.postMessage("ready");
};

function drainRings({ arena: buffer, layout, rings }: HandoverSetup & { kind: "rings" }): void {
  const arena = new Arena(buffer, layout);
  for (const [slot, memory] of rings.entries()) arena.adopt(slot, memory);
  const lanes = Array.from({ length: layout.slots }, (_, slot) => {
    const reader = arena.slot(slot).reader();
    const drain = (limit: number) => {
      for (let i = 0; i < limit; i++) {
        if (!reader.next()) return false;
        reader.take(into);
      }
      return true;
    };
    return { drain };
  });
  new DrainLoop(arena, (slot) => lanes[slot]).start();
}

function countMessages(received: Int32Array): void {
  self.onmessage = (event: MessageEvent<{ slot: number; frame: Uint8Array }>) => {
    into.set(event.data.frame);
    Atomics.add(received, 0, 1);
  };
}
