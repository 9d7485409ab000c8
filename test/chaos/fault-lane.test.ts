import { afterEach, expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { until } from "../support/until.ts";
import { FaultLane, type FaultLaneOptions } from "./fault-lane.ts";

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** One side of a connection, with what has become of it. */
class Side {
  received = "";
  ended = false;
  closed = false;
  reset = false;

  constructor(readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => {
      this.received += chunk.toString();
    });
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("error", () => {
      this.reset = true;
    });
    socket.on("close", () => {
      this.closed = true;
    });
    closers.push(() => socket.destroy());
  }
}

async function stage(options: Omit<FaultLaneOptions, "serverPort"> = {}) {
  const accepted: Side[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(new Side(socket)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  const address = server.address();
  const serverPort = typeof address === "object" && address !== null ? address.port : 0;
  const lane = await FaultLane.open({ serverPort, ...options });
  closers.push(() => lane.close());
  const dial = async () => {
    const client = new Side(connect({ host: "127.0.0.1", port: lane.port, allowHalfOpen: true }));
    const before = accepted.length;
    const server = await until("the connection", () => accepted[before]);
    return { client, server };
  };
  return { lane, dial, accepted, serverPort };
}

test("carries bytes both ways, and the end of either side", async () => {
  const { lane, dial } = await stage();
  const { client, server } = await dial();
  client.socket.write("up");
  server.socket.write("down");
  await until("the bytes", () => server.received === "up" && client.received === "down");
  client.socket.end();
  await until("the end", () => server.ended);
  server.socket.end();
  await until("the other end", () => client.ended);
  await until("nothing to be left", () => lane.connections === 0);
});

test("cuts with a reset that both sides feel, and refuses while it is told to", async () => {
  const { lane, dial } = await stage();
  const { client, server } = await dial();
  lane.refuse(true);
  lane.cut("reset");
  await until("both to be reset", () => client.reset && server.reset);
  const late = new Side(connect({ host: "127.0.0.1", port: lane.port }));
  await until("a refusal", () => late.closed);
  lane.refuse(false);
  await dial();
});

test("half open: takes everything, delivers nothing, tells nobody, and leaves new connections whole", async () => {
  const { lane, dial } = await stage();
  const { client, server } = await dial();
  lane.swallow();
  client.socket.write("lost");
  server.socket.write("lost");
  const fresh = await dial();
  fresh.client.socket.write("whole");
  await until("the other connection", () => fresh.server.received === "whole");
  client.socket.destroy();
  fresh.client.socket.write(" still");
  await until("the other connection", () => fresh.server.received === "whole still");
  expect([server.received, server.ended, server.closed]).toEqual(["", false, false]);
  lane.cutSwallowed();
  await until("the cut", () => server.reset);
  expect(fresh.server.closed).toBe(false);
});

test("holds everything back and then delivers it in order", async () => {
  const { lane, dial, accepted, serverPort } = await stage();
  const { client, server } = await dial();
  lane.hold(true);
  client.socket.write("a");
  server.socket.write("1");
  // What takes the direct way has had no less far to go.
  const direct = new Side(connect({ host: "127.0.0.1", port: serverPort }));
  for (const piece of ["x", "y"]) {
    direct.socket.write(piece);
    await until("the direct way", () => accepted.at(-1)?.received.endsWith(piece));
  }
  expect([server.received, client.received]).toEqual(["", ""]);
  client.socket.write("b");
  lane.hold(false);
  client.socket.write("c");
  await until("all", () => server.received === "abc" && client.received === "1");
});

test("lets no more through than it is told, and all in the end", async () => {
  const { lane, dial } = await stage();
  const { client, server } = await dial();
  lane.pace(2_000);
  client.socket.write("x".repeat(50_000));
  await until("the first piece", () => server.received.length > 0);
  expect(server.received.length).toBeLessThan(25_000);
  lane.pace(undefined);
  await until("the rest", () => server.received.length === 50_000);
});

test("tells the end of a connection only after the next one has begun", async () => {
  const { lane, dial } = await stage();
  const { client, server } = await dial();
  lane.delayCloses(300);
  client.socket.destroy();
  const next = await dial();
  expect([server.ended, server.closed]).toEqual([false, false]);
  await until("the late end", () => server.ended || server.reset);
  expect(next.server.ended).toBe(false);
});

test("cuts what is idle in one direction, however busy the other is", async () => {
  const { lane, dial } = await stage({ idleMs: 150 });
  const { client, server } = await dial();
  let cuts = 0;
  lane.onIdleCut = () => {
    cuts++;
  };
  await until("the cut", () => {
    server.socket.write("down");
    lane.tick();
    return cuts > 0;
  });
  await until("both to hear of it", () => client.ended && server.ended);
});
