import type { ArenaLayout } from "../../src/audio/arena.ts";

/** What the worker at the other end is to read from. */
export type HandoverSetup =
  | {
      readonly kind: "rings";
      readonly arena: SharedArrayBuffer;
      readonly layout: ArenaLayout;
      readonly rings: readonly SharedArrayBuffer[];
    }
  | { readonly kind: "messages"; readonly counter: SharedArrayBuffer };

/** Resolves when the worker listens. */
export function startHandoverWorker(setup: HandoverSetup): Promise<Worker> {
  const worker = new Worker(new URL("./handover-worker.ts", import.meta.url));
  return new Promise((resolve, reject) => {
    worker.onmessage = () => resolve(worker);
    worker.onerror = (event) => reject(new Error(`the worker of the bench failed: ${event.message}`));
    worker.postMessage(setup);
  });
}
