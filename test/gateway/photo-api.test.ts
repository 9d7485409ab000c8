import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { ExpectedPhotos } from "../../src/gateway/expected-photos.ts";
import { limits } from "../../src/kernel/limits.ts";
import type { PhotoNews } from "../../src/session/ports.ts";
import { jpeg } from "../support/jpeg.ts";
import { TestGateway } from "../support/test-gateway.ts";

const user = "user@example.com";

/** A gateway, and what sessions that wait for pictures hear. */
class PhotoServer extends TestGateway {
  readonly news: PhotoNews[] = [];

  constructor() {
    super({ limits: { ...limits, photoUploads: 2 } });
  }

  /** Waits for a picture, as a session does. */
  expect(requestId: string, userId = user) {
    return this.photos.add(userId, requestId, this.clock.now() + 25_000, (news) => this.news.push(news));
  }

  outcomes(outcome: string): Promise<number> {
    return this.count(this.metrics.photos, { outcome });
  }
}

let server: PhotoServer;
beforeEach(() => {
  server = new PhotoServer();
});
afterEach(() => server.close());

function form(photo: Uint8Array | undefined, fields: Record<string, string> = {}, name = "photo"): FormData {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.append(key, value);
  if (photo !== undefined)
    form.append(name, new Blob([new Uint8Array(photo)], { type: "image/jpeg" }), "a.jpg");
  return form;
}

function post(url: string, body: string | FormData, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: "POST", body, headers });
}

async function said(response: Response): Promise<[number, unknown]> {
  return [response.status, ((await response.json()) as { error?: string }).error];
}

describe("an upload address", () => {
  test("takes the picture of its request, and says so at once", async () => {
    const { uploadUrl } = server.expect("p1");
    expect(uploadUrl).toStartWith(`${server.address.url}/api/photos/relay/`);
    const response = await post(
      uploadUrl,
      form(jpeg(), { requestId: "p1", type: "photo_upload", success: "true" }),
    );
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ success: true, requestId: "p1", mimeType: "image/jpeg" });
    const [news] = server.news;
    expect(news?.kind).toBe("picture");
    if (news?.kind !== "picture") return;
    expect(Buffer.concat(news.picture.pieces)).toEqual(Buffer.from(jpeg()));
  });

  test("takes pictures from the phone too, and in the part of either name", async () => {
    for (const name of ["photo", "file"]) {
      const { uploadUrl } = server.expect(name);
      const body = form(jpeg(), { requestId: name, source: "ble_transfer" }, name);
      expect((await post(uploadUrl, body, { authorization: "Bearer of-the-app" })).status).toBe(200);
    }
    expect(server.news.map(({ kind }) => kind)).toEqual(["picture", "picture"]);
  });

  test("takes the word that there is no picture", async () => {
    const { uploadUrl } = server.expect("p1");
    const body = {
      type: "photo_error",
      requestId: "p1",
      success: false,
      errorCode: "CAMERA_BUSY",
      errorMessage: "b",
    };
    const response = await post(uploadUrl, JSON.stringify(body), { "content-type": "application/json" });
    expect(response.status).toBe(200);
    expect(server.news).toEqual([
      { kind: "failure", failure: { code: "CAMERA_BUSY", message: "b", hop: "glasses" } },
    ]);
  });

  test("is good for its own request's time, and for nothing once that is over", async () => {
    const { uploadUrl, close } = server.expect("p1");
    server.clock.advance(25_000);
    expect(await said(await post(uploadUrl, form(jpeg())))).toEqual([410, "PHOTO_NOT_EXPECTED"]);
    close();
    close();
    expect(await said(await post(uploadUrl, form(jpeg())))).toEqual([410, "PHOTO_NOT_EXPECTED"]);
    expect(server.news).toEqual([]);
    expect(await server.outcomes("late")).toBe(2);
    expect(server.photos.size).toBe(0);
  });

  test("cannot be made up: another token, signature or server's secret is 403", async () => {
    const { uploadUrl } = server.expect("p1");
    const other = new ExpectedPhotos(server.clock, server.address, "another secret, as long as this");
    const forged = other.add(user, "p1", server.clock.now() + 25_000, () => {}).uploadUrl;
    const tampered = uploadUrl.replace(/relay\/./, (start) => `relay/${start.endsWith("A") ? "B" : "A"}`);
    const longer = uploadUrl.replace(/\.\w+(\.[\w-]+)$/, ".zzzzzzzz$1");
    for (const url of [
      forged,
      tampered,
      longer,
      `${server.address.url}/api/photos/relay/x`,
      `${uploadUrl}x`,
    ]) {
      expect(await said(await post(url, form(jpeg())))).toEqual([403, "BAD_UPLOAD_ADDRESS"]);
    }
    expect(server.news).toEqual([]);
  });

  test("names neither the user nor the request", () => {
    const { uploadUrl } = server.expect("p1-of-somebody");
    expect(uploadUrl).not.toContain("user");
    expect(uploadUrl).not.toContain("p1-of");
  });

  const refusals: [string, () => string | FormData, Record<string, string>, number, string][] = [
    ["a picture over 10 MB", () => form(jpeg(10 * 1024 * 1024 + 4)), {}, 413, "PHOTO_TOO_LARGE"],
    ["what is no picture", () => form(Buffer.from("<html><script>alert(1)")), {}, 415, "NOT_A_PICTURE"],
    [
      "a body of another kind",
      () => "hello",
      { "content-type": "text/plain" },
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ],
    ["a form without a picture", () => form(undefined, { requestId: "p1" }), {}, 400, "NO_PHOTO"],
    ["broken JSON", () => "{", { "content-type": "application/json" }, 400, "MALFORMED_BODY"],
    [
      "a broken form",
      () => "--x",
      { "content-type": "multipart/form-data; boundary=x" },
      400,
      "MALFORMED_BODY",
    ],
  ];
  test.each(refusals)(
    "refuses %s, and still takes the picture after that",
    async (_, body, headers, status, code) => {
      const { uploadUrl } = server.expect("p1");
      expect(await said(await post(uploadUrl, body(), headers))).toEqual([status, code]);
      expect(server.news).toEqual([]);
      // Glasses whose upload fails leave it to their phone, which uses the same address.
      expect((await post(uploadUrl, form(jpeg()))).status).toBe(200);
    },
  );

  test("takes a picture of just 10 MB", async () => {
    const { uploadUrl } = server.expect("p1");
    expect((await post(uploadUrl, form(jpeg(10 * 1024 * 1024)))).status).toBe(200);
  });

  test("D-64: a large picture comes in by pieces, and others are served in between", async () => {
    const { uploadUrl } = server.expect("slow");
    const body = new Response(form(jpeg(4 * 1024 * 1024)));
    const contentType = body.headers.get("content-type") ?? "";
    const bytes = new Uint8Array(await body.arrayBuffer());
    const half = bytes.length >> 1;
    let finish = () => {};
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.subarray(0, half));
        finish = () => {
          controller.enqueue(bytes.subarray(half));
          controller.close();
        };
      },
    });
    const slow = fetch(uploadUrl, { method: "POST", body: stream, headers: { "content-type": contentType } });
    const other = server.expect("quick");
    expect((await post(other.uploadUrl, form(jpeg()))).status).toBe(200);
    expect(server.news.length).toBe(1);
    finish();
    expect((await slow).status).toBe(200);
    expect(server.news.length).toBe(2);
  });

  test("is told to come again while too many pictures come in at once", async () => {
    const endless = () => {
      const { uploadUrl } = server.expect(`slow ${Math.random()}`);
      const abort = new AbortController();
      const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("--b\r\n")) });
      const headers = { "content-type": "multipart/form-data; boundary=b" };
      const done = fetch(uploadUrl, { method: "POST", body, headers, signal: abort.signal }).catch(() => {});
      return { abort, done };
    };
    const slow = [endless(), endless()];
    const { uploadUrl } = server.expect("p1");
    // Until both have begun, this one may get through.
    let answer: [number, unknown] = [0, undefined];
    for (let i = 0; i < 200 && answer[0] !== 503; i++) {
      answer = await said(await post(uploadUrl, "x", { "content-type": "multipart/form-data; boundary=b" }));
    }
    expect(answer).toEqual([503, "TOO_MANY_UPLOADS"]);
    for (const { abort } of slow) abort.abort();
    await Promise.all(slow.map(({ done }) => done));
  });
});

describe("the upload of older phones", () => {
  const metadata = (requestId: string) => ({ metadata: JSON.stringify({ requestId }) });
  const url = () => `${server.address.url}/api/photos/upload`;
  const bearer = async (email = user) => ({
    authorization: `Bearer ${await mintCoreToken(server.tokenSecret, email)}`,
  });

  test("finds its request by the id in the metadata", async () => {
    server.expect("p1");
    const response = await post(url(), form(jpeg(), metadata("p1"), "file"), await bearer());
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ success: true, photoUrl: expect.any(String), requestId: "p1" });
    expect(server.news.map(({ kind }) => kind)).toEqual(["picture"]);
  });

  test("may carry the user's token in the form", async () => {
    server.expect("p1");
    const coreToken = await mintCoreToken(server.tokenSecret, user);
    expect((await post(url(), form(jpeg(), { ...metadata("p1"), coreToken }, "file"))).status).toBe(200);
    for (const wrong of [{}, { coreToken: "x" }]) {
      const refused = await post(url(), form(jpeg(), { ...metadata("p1"), ...wrong }, "file"));
      expect(await said(refused)).toEqual([401, "INVALID_TOKEN"]);
    }
    expect(await said(await post(url(), form(jpeg()), { authorization: "Bearer x" }))).toEqual([
      401,
      "INVALID_TOKEN",
    ]);
  });

  test("never reaches a request of another user", async () => {
    server.expect("p1", "else@example.com");
    const response = await post(url(), form(jpeg(), metadata("p1"), "file"), await bearer());
    expect(await said(response)).toEqual([410, "PHOTO_NOT_EXPECTED"]);
    expect(server.news).toEqual([]);
  });

  test("without a request id, a picture or readable metadata is 400", async () => {
    server.expect("p1");
    const bodies = [
      form(jpeg(), {}, "file"),
      form(jpeg(), { metadata: "{" }, "file"),
      form(jpeg(), { metadata: "{}" }, "file"),
      form(undefined, metadata("p1")),
    ];
    for (const body of bodies) expect((await post(url(), body, await bearer())).status).toBe(400);
  });
});

describe("the report of newer phones", () => {
  const report = async (body: object, email = user) => {
    const headers = {
      authorization: `Bearer ${await mintCoreToken(server.tokenSecret, email)}`,
      "content-type": "application/json",
    };
    return post(`${server.address.url}/api/client/photo/response`, JSON.stringify(body), headers);
  };
  beforeEach(() => server.sessions.getOrCreate(user));

  test("of success or failure reaches its request", async () => {
    server.expect("p1");
    server.expect("p2");
    expect(await (await report({ requestId: "p1", success: true, photoUrl: "x" })).json()).toEqual({
      success: true,
    });
    await report({ requestId: "p2", success: false, errorCode: "STORAGE_FULL", errorMessage: "full" });
    expect(server.news).toEqual([
      { kind: "uploaded" },
      { kind: "failure", failure: { code: "STORAGE_FULL", message: "full", hop: "glasses" } },
    ]);
  });

  test("of a photo that nobody waits for is taken note of", async () => {
    expect((await report({ requestId: "p9", success: true })).status).toBe(200);
    expect(await server.outcomes("late")).toBe(1);
  });

  test("needs a token, a session and a request id", async () => {
    const response = await post(`${server.address.url}/api/client/photo/response`, "{}");
    expect(response.status).toBe(401);
    expect((await report({ requestId: "p1" }, "else@example.com")).status).toBe(503);
    expect((await report({ success: true })).status).toBe(400);
  });
});
