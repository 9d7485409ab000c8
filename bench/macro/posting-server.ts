/** A bare `Bun.serve` that sends every frame to a thread in a message of its own, as one would at first. */
import { answerCalls } from "./control.ts";
import { LoadProbe } from "./load-probe.ts";
import { otherServer } from "./other-server.ts";

let frames = 0;
let server: Bun.Server<undefined> | undefined;
const worker = new Worker(new URL("./posting-worker.ts", import.meta.url));

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
            if (typeof message === "string") return;
            frames++;
            worker.postMessage(message);
          },
        },
      });
      return server.port ?? 0;
    },
    received: () => frames,
    stop: async () => {
      worker.terminate();
      await server?.stop(true);
    },
  }),
);
