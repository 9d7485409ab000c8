/** The least that a server can do: a bare `Bun.serve` that counts the frames it gets. */
import { answerCalls } from "./control.ts";
import { LoadProbe } from "./load-probe.ts";
import { otherServer } from "./other-server.ts";

let frames = 0;
let server: Bun.Server<undefined> | undefined;

answerCalls(
  otherServer(new LoadProbe(), {
    listen: () => {
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
      return server.port ?? 0;
    },
    received: () => frames,
    stop: async () => {
      await server?.stop(true);
    },
  }),
);
