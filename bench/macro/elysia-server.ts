/** A server that counts frames in the way that Elysia offers for WebSockets, with the address and the message checked. */
import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { answerCalls } from "./control.ts";
import { LoadProbe } from "./load-probe.ts";
import { otherServer } from "./other-server.ts";

const probe = new LoadProbe();
let frames = 0;
const app = new Elysia({ websocket: { perMessageDeflate: false } }).ws("/glasses-ws", {
  query: Type.Object({ token: Type.Optional(Type.String()) }),
  body: Type.Any(),
  message(_socket, message) {
    if (typeof message !== "string") frames++;
  },
});

answerCalls(
  otherServer(probe, {
    listen: () => {
      app.listen({ hostname: "127.0.0.1", port: 0, reusePort: false });
      return app.server?.port ?? 0;
    },
    received: () => frames,
    stop: async () => {
      await app.stop(true);
    },
  }),
);
