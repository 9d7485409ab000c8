/** The least that a server can do: a bare `Bun.serve` that counts the frames it gets. */
import { answerCalls } from "./control.ts";
import { LoadProbe } from "./load-probe.ts";
import type { ServerCommands } from "./server-under-test.ts";

const probe = new LoadProbe();
let frames = 0;
let server: Bun.Server<undefined> | undefined;

const commands: ServerCommands = {
  start: async ({ sessions }) => {
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, self) =>
        self.upgrade(request) ? undefined : new Response("this address is for WebSockets", { status: 426 }),
      websocket: {
        perMessageDeflate: false,
        message(_socket, message) {
          if (typeof message !== "string") frames++;
        },
      },
    });
    return { port: server.port ?? 0, tokens: Array.from({ length: sessions }, () => "") };
  },
  listeners: () => 0,
  begin: () => probe.begin(),
  end: () => ({ load: probe.end(), ringLag: [] }),
  totals: async () => ({ received: frames, lost: {} }),
  stop: async () => {
    await server?.stop(true);
  },
};
answerCalls(commands);
