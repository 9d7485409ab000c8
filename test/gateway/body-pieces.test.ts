import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createConnection, type Socket } from "node:net";
import { bodyPieces, TooManyChunks } from "../../src/gateway/body-pieces.ts";
import { readPhotoUpload } from "../../src/gateway/photo-upload.ts";
import { limits } from "../../src/kernel/limits.ts";
import { jpeg } from "../support/jpeg.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { TestGateway } from "../support/test-gateway.ts";
import { until } from "../support/until.ts";

/** A request whose body comes in these chunks, all of them there at once. */
function chunked(bytes: Uint8Array, sizes: () => number, headers: Record<string, string> = {}): Request {
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const size = Math.max(1, sizes());
      controller.enqueue(bytes.subarray(at, at + size));
      at += size;
    },
  });
  return new Request("http://x/", { method: "POST", headers, body });
}

async function gather(request: Request): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bodyPieces(request)) pieces.push(piece);
  return pieces;
}

describe("the pieces of a body", () => {
  test("are its bytes, however they come", async () => {
    const random = seededRandom("body pieces");
    for (let round = 0; round < 30; round++) {
      const bytes = new Uint8Array(random.integer(0, 300_000)).map(() => random.integer(0, 255));
      const most = random.integer(64, 100_000);
      const pieces = await gather(chunked(bytes, () => random.integer(32, most)));
      expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
      // No piece but the last is kept that holds little, and two that follow each other hold a block.
      expect(pieces.length).toBeLessThanOrEqual(2 + bytes.length / (16 * 1024));
    }
  });

  test("are few, and others have the main loop in between, when the chunks are small", async () => {
    const bytes = new Uint8Array(1024 * 1024).fill(7);
    let turns = 0;
    let over = false;
    const other = () => {
      turns++;
      if (!over) setImmediate(other);
    };
    setImmediate(other);
    const pieces = await gather(chunked(bytes, () => 32));
    over = true;
    expect(pieces.length).toBe(16);
    // One for every 64 of the 32,768 chunks.
    expect(turns).toBeGreaterThanOrEqual(500);
  });

  test("are refused once their chunks are absurdly small, long before all have come", async () => {
    let chunks = 0;
    const bytes = new Uint8Array(1_000_000);
    const endless = chunked(bytes, () => {
      chunks++;
      return 1;
    });
    await expect(gather(endless)).rejects.toThrow(TooManyChunks);
    expect(chunks).toBeLessThan(2_000);
    // A short body may come byte by byte.
    expect((await gather(chunked(bytes.subarray(0, 1_000), () => 1))).length).toBe(1);
  });

  test("of an upload in one-byte chunks are refused, and of one in small chunks few are kept", async () => {
    const picture = jpeg(500_000);
    const heading =
      'Content-Disposition: form-data; name="photo"; filename="a.jpg"\r\nContent-Type: image/jpeg';
    const form = Buffer.concat([
      Buffer.from(`--b\r\n${heading}\r\n\r\n`),
      picture,
      Buffer.from("\r\n--b--\r\n"),
    ]);
    const read = (size: number) =>
      readPhotoUpload(
        chunked(form, () => size, { "content-type": "multipart/form-data; boundary=b" }),
        10 * 1024 * 1024,
        new AbortController().signal,
      );
    expect(await read(1)).toMatchObject({ status: 400, code: "TOO_MANY_CHUNKS" });
    const upload = await read(40);
    if (!("news" in upload) || upload.news?.kind !== "picture") throw new Error("no picture was read");
    expect(upload.news.picture.pieces.length).toBeLessThan(20);
    expect(Buffer.concat(upload.news.picture.pieces).equals(picture)).toBe(true);
  });
});

describe("a client that has not said who it is", () => {
  const user = "user@example.com";
  const multipart = "Content-Type: multipart/form-data; boundary=b";
  let server: TestGateway;
  const open: Socket[] = [];
  beforeEach(() => {
    server = new TestGateway();
  });
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    await server.close();
  });

  /** A request on a bare socket, and all that is answered. */
  async function send(path: string, headers: readonly string[], body: string | Buffer) {
    const socket = createConnection(server.gateway.port, "127.0.0.1");
    open.push(socket);
    const said = { text: "", closed: false };
    socket.on("data", (data) => {
      said.text += data.toString("latin1");
    });
    socket.on("close", () => {
      said.closed = true;
    });
    socket.on("error", () => {});
    await new Promise<void>((resolve) => socket.on("connect", () => resolve()));
    socket.write([`POST ${path} HTTP/1.1`, "Host: localhost", ...headers, "", ""].join("\r\n"));
    socket.write(body);
    return said;
  }

  const answered = (said: { text: string }) => until("the answer", () => said.text.includes("\r\n\r\n"));
  const oneByteChunks = (count: number) => Buffer.from("1\r\nx\r\n".repeat(count));

  test.each(["/api/photos/upload", "/auth/exchange-token", "/api/auth/exchange-user-token"])(
    "has to tell how much it sends: a chunked body to %s is 411, and is not read",
    async (path) => {
      const said = await send(path, ["Transfer-Encoding: chunked", multipart], oneByteChunks(10));
      await answered(said);
      expect(said.text).toStartWith("HTTP/1.1 411 ");
      expect(said.text).toContain("LENGTH_REQUIRED");
    },
  );

  test("has five seconds to send a body, then it is told 408", async () => {
    const said = await send("/auth/exchange-token", ["Content-Length: 100"], "{");
    await until("the deadline", () => server.clock.pending > 0);
    // The heartbeat's is there as well: time passes until the answer is there.
    await until("the answer", async () => {
      await server.clock.advanceAsync(1_000);
      return said.text.includes("\r\n\r\n");
    });
    expect(said.text).toStartWith("HTTP/1.1 408 ");
    expect(said.text).toContain("TOO_SLOW");
  });

  test("keeps no older phone out for long with uploads that never come, and nobody is told that a token is bad", async () => {
    const idle = [];
    for (let i = 0; i < 4; i++) {
      idle.push(await send("/api/photos/upload", ["Content-Length: 1000", multipart], "--b\r\n"));
    }
    const form = async () => {
      const data = new FormData();
      data.append("metadata", JSON.stringify({ requestId: "p1" }));
      data.append("coreToken", await server.token(user));
      data.append("file", new Blob([new Uint8Array(jpeg())], { type: "image/jpeg" }), "a.jpg");
      return data;
    };
    const upload = async (headers: Record<string, string> = {}) =>
      fetch(`${server.httpUrl}/api/photos/upload`, { method: "POST", body: await form(), headers });
    let refused = new Response();
    await until("all four to be under way", async () => {
      refused = await upload();
      return refused.status === 503;
    });
    expect(refused.headers.get("retry-after")).toBe(String(limits.anonymousBodyMs / 1_000));
    expect(await refused.json()).toMatchObject({ error: "TOO_MANY_UPLOADS" });
    // Who says who it is beforehand is not concerned.
    expect((await upload(await server.authorization(user))).status).toBe(410);

    await server.clock.advanceAsync(limits.anonymousBodyMs);
    for (const said of idle) {
      await answered(said);
      expect(said.text).toStartWith("HTTP/1.1 408 ");
    }
    server.photos.add(user, "p1", server.clock.now() + 25_000, () => {});
    expect((await upload()).status).toBe(200);
  });

  test("cannot stop others from being served with a flood of one-byte chunks, wherever it sends them", async () => {
    const { uploadUrl } = server.photos.add(user, "p1", server.clock.now() + 25_000, () => {});
    const paths = [new URL(uploadUrl).pathname, "/api/photos/upload", "/auth/exchange-token", "/nothing"];
    for (const path of paths) {
      const flood = Buffer.concat([oneByteChunks(100_000), Buffer.from("0\r\n\r\n")]);
      const said = await send(path, ["Transfer-Encoding: chunked", multipart], flood);
      await answered(said);
      expect(said.text).toMatch(/^HTTP\/1\.1 4(?:00|04|11) /);
      expect((await fetch(`${server.httpUrl}/health`)).status).toBe(200);
    }
  });
});
