/**
 * A thread that asks a liveness port over and over, so that a test can see what is answered while its own loop is busy.
 * Told the address to ask; after `stop` it reports the moments of all answers.
 */
declare const self: Worker;

export type ProberCommand = { readonly kind: "start"; readonly url: string } | { readonly kind: "stop" };

export interface ProberReport {
  /** Epoch milliseconds at which `/livez` answered `ok`. */
  readonly answeredMs: readonly number[];
  /** Epoch milliseconds at which `/stall` spoke of a stall. */
  readonly stalledMs: readonly number[];
}

const answeredMs: number[] = [];
const stalledMs: number[] = [];
let running = true;

self.onmessage = ({ data: command }: MessageEvent<ProberCommand>) => {
  if (command.kind === "start") {
    void probe(command.url);
    return;
  }
  running = false;
  self.postMessage({ answeredMs, stalledMs } satisfies ProberReport);
};

async function probe(url: string): Promise<void> {
  while (running) {
    const answer = await (await fetch(`${url}/livez`)).text();
    if (answer === "ok") answeredMs.push(performance.timeOrigin + performance.now());
    const stall: unknown = await (await fetch(`${url}/stall`)).json();
    if (typeof stall === "object" && stall && "stalledSince" in stall && stall.stalledSince !== null) {
      stalledMs.push(performance.timeOrigin + performance.now());
    }
    if (answeredMs.length === 1) self.postMessage("answered");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
