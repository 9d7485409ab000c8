import { answerCalls } from "./control.ts";
import { LoadProbe } from "./load-probe.ts";
import { otherServer } from "./other-server.ts";

/** Makes this process a bare `Bun.serve` that counts the frames it gets, and does with each what it is told to. */
export function serveBare(
  onFrame: (frame: Uint8Array) => void = () => {},
  onStop: () => void = () => {},
): void {
  let frames = 0;
  let server: Bun.Server<undefined> | undefined;
  answerCalls(
    otherServer(new LoadProbe(), {
      listen: () => {
        server = Bun.serve({
          hostname: "127.0.0.1",
          port: 0,
          fetch: (request, self) =>
            self.upgrade(request)
              ? undefined
              : new Response("this address is for WebSockets", { status: 426 }),
          websocket: {
            perMessageDeflate: false,
            message(_socket, message) {
              if (typeof message === "string") return;
              frames++;
              onFrame(message);
            },
          },
        });
        return server.port ?? 0;
      },
      received: () => frames,
      stop: async () => {
        onStop();
        await server?.stop(true);
      },
    }),
  );
}
