/** The least that a server can do that hands audio on: a bare `Bun.serve` that sends every frame to the app of its user. */
import { answerCalls } from "./control.ts";
import { LoadProbe } from "./load-probe.ts";
import { otherServer } from "./other-server.ts";
import type { BenchApp } from "./server-under-test.ts";

interface Peer {
  readonly side: "glasses" | "app";
  readonly user: number;
}

let frames = 0;
let users = 0;
let server: Bun.Server<Peer> | undefined;
let apps: readonly BenchApp[] = [];
const appSockets: Bun.ServerWebSocket<Peer>[] = [];

/** Asks the app to dial, as a webhook does. */
async function summon(user: number): Promise<void> {
  const body = {
    type: "session_request",
    sessionId: `user${user}@example.com`,
    mentraOSWebsocketUrl: `ws://127.0.0.1:${server?.port}/app-ws?user=${user}`,
  };
  for (const { url } of apps) {
    await fetch(`${url}/webhook`, { method: "POST", body: JSON.stringify(body) });
  }
}

answerCalls(
  otherServer(new LoadProbe(), {
    listen: (registered) => {
      apps = registered;
      server = Bun.serve<Peer>({
        hostname: "127.0.0.1",
        port: 0,
        fetch: (request, self) => {
          const { pathname, searchParams } = new URL(request.url);
          const data: Peer =
            pathname === "/app-ws"
              ? { side: "app", user: Number(searchParams.get("user")) }
              : { side: "glasses", user: users++ };
          return self.upgrade(request, { data })
            ? undefined
            : new Response("this address is for WebSockets", { status: 426 });
        },
        websocket: {
          perMessageDeflate: false,
          message(socket, message) {
            const { side, user } = socket.data;
            if (typeof message !== "string") {
              frames++;
              appSockets[user]?.send(message);
            } else if (side === "app" && message.includes("tpa_connection_init")) {
              appSockets[user] = socket;
              socket.send('{"type":"tpa_connection_ack"}');
            } else if (message.includes("start_app")) void summon(user);
          },
        },
      });
      return server.port ?? 0;
    },
    received: () => frames,
    listeners: () => appSockets.filter((socket) => socket !== undefined).length,
    stop: async () => {
      await server?.stop(true);
    },
  }),
);
