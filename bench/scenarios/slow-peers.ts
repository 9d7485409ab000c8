import { Rounds } from "../macro/rounds.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound } from "../outcome.ts";
import type { Scenario } from "../scenario.ts";
import { atMost, mustExceed, valueAtMost } from "../verdicts.ts";

const clean = "everybody reads";
const deaf = "5 % do not read";
const sessions = 200;
const deafSessions = sessions / 20;
const mib = 1024 * 1024;

/** Glasses and apps that stop to read, with so much audio for them that the kernel cannot keep it. */
export const slowPeers: Scenario = {
  name: "slow peers",
  inShortRun: false,
  run: async (context) => {
    const plan = (name: string, count: number): TrialPlan => ({
      name,
      server: "browline",
      sessions,
      // What the kernel holds of one connection is several MB: only much audio fills it in a few seconds.
      traffic: {
        codec: "pcm",
        framesPerSecond: 50,
        displayMs: 250,
        heavy: { sessions: deafSessions, frameBytes: 16 * 1024 },
      },
      apps: { count: 1, hears: ["audio_chunk"], showing: sessions, displayEveryMs: 1_000 },
      deaf: count,
      warmupMs: 4_000,
      measuredMs: 6_000,
    });
    const rounds = await Rounds.run(
      [plan(clean, 0), plan(deaf, deafSessions)],
      { count: 3, spare: 2 },
      context,
    );
    const queued = rounds.all(deaf).map(({ mostQueuedBytes }) => mostQueuedBytes / mib);
    return {
      ...nothingFound,
      figures: rounds.figures("slow peers"),
      verdicts: [
        valueAtMost(
          "7",
          "most that was queued for one peer",
          " MiB",
          1,
          queued.length ? Math.max(...queued) : undefined,
        ),
        atMost(
          "7",
          "the others' glasses to app p99",
          " x everybody reads",
          1.2,
          rounds.ratio(deaf, clean, ({ audioToApp }) => audioToApp?.p99),
        ),
      ],
      controls: [
        mustExceed(
          "7",
          "queue of a server without a bound for a peer that does not read",
          " MiB",
          1,
          await unbounded(),
        ),
      ],
      tables: [{ title: `Slow peers: ${sessions} sessions of PCM, an app each`, text: rounds.table() }],
      notes: rounds.voidNotes(),
    };
  },
};

/** What waits in the socket of a server that sends as much as it has to a client that does not read. */
async function unbounded(): Promise<number> {
  const opened = Promise.withResolvers<Bun.ServerWebSocket<undefined>>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("", { status: 426 })),
    websocket: { backpressureLimit: 64 * mib, open: (socket) => opened.resolve(socket), message() {} },
  });
  const client = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port ?? 0,
    socket: {
      open(socket) {
        socket.write(
          "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YnJvd2xpbmUgYmVuY2ghIQ==\r\n\r\n",
        );
        socket.pause();
      },
      data() {},
    },
  });
  const socket = await opened.promise;
  const frame = new Uint8Array(32 * 1024);
  for (let bytes = 0; bytes < 16 * mib; bytes += frame.length) socket.send(frame);
  const queued = socket.getBufferedAmount() / mib;
  client.terminate();
  await server.stop(true);
  return queued;
}
