import type { LoadProbe } from "./load-probe.ts";
import type { BenchApp, ServerCommands } from "./server-under-test.ts";

export interface OtherServer {
  /** Starts to listen on the loopback, for glasses and for these apps. Returns the port. */
  listen(apps: readonly BenchApp[]): number;
  /** Frames received since the start. */
  received(): number;
  /** Sessions that an app hears. */
  listeners?(): number;
  stop(): Promise<void>;
}

/** The answers of a server that only takes frames in, or hands them on. */
export function otherServer(
  probe: LoadProbe,
  { listen, received, listeners = () => 0, stop }: OtherServer,
): ServerCommands {
  return {
    start: async ({ sessions, apps }) => ({
      port: listen(apps),
      livezPort: 0,
      tokens: Array.from({ length: sessions }, () => ""),
    }),
    listeners,
    useOpus: () => {},
    begin: () => probe.begin(),
    end: () => ({ load: probe.end(), stages: {}, mostQueuedBytes: 0, threads: {} }),
    totals: async () => ({ received: received(), decoded: 0, decodedBy: [], lost: {} }),
    inject: () => {},
    present: () => ({ sessions: 0, lanes: 0 }),
    note: () => {},
    memory: async () => ({ rssBytes: process.memoryUsage().rss, heapBytes: process.memoryUsage().heapUsed }),
    leftovers: async () => ({ sessions: 0, timers: 0, sockets: 0, lanes: 0, objects: 0 }),
    profile: async () => [],
    heapSnapshot: () => "",
    stop,
  };
}
