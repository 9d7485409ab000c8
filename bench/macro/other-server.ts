import type { LoadProbe } from "./load-probe.ts";
import type { ServerCommands } from "./server-under-test.ts";

export interface OtherServer {
  /** Starts to listen on the loopback. Returns the port. */
  listen(): number;
  /** Frames received since the start. */
  received(): number;
  stop(): Promise<void>;
}

/** The answers of a server that only takes frames in. */
export function otherServer(probe: LoadProbe, { listen, received, stop }: OtherServer): ServerCommands {
  return {
    start: async ({ sessions }) => ({
      port: listen(),
      livezPort: 0,
      tokens: Array.from({ length: sessions }, () => ""),
    }),
    listeners: () => 0,
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
