import { describe, expect, test } from "bun:test";
import { imageType } from "../../src/gateway/image-type.ts";
import { MultipartReader, type PartHead } from "../../src/gateway/multipart-reader.ts";
import { readPhotoUpload } from "../../src/gateway/photo-upload.ts";
import { jpeg } from "../support/jpeg.ts";
import { seededRandom } from "../support/seeded-random.ts";

const never = new AbortController().signal;
const most = 10 * 1024 * 1024;

interface Part {
  readonly head: PartHead;
  readonly bytes: Buffer;
}

/** Reads a body in pieces of the given sizes; undefined: it is no form, or was cut off. */
function parts(boundary: string, body: Uint8Array, sizes: () => number): Part[] | undefined {
  const found: { head: PartHead; pieces: Uint8Array[] }[] = [];
  const reader = MultipartReader.open(`multipart/form-data; boundary=${boundary}`, {
    onHead: (head) => found.push({ head, pieces: [] }),
    onPiece: (piece) => found.at(-1)?.pieces.push(piece),
  });
  if (reader === undefined) return undefined;
  for (let at = 0; at < body.length; ) {
    const size = Math.max(1, sizes());
    if (!reader.feed(body.slice(at, at + size))) return undefined;
    at += size;
  }
  if (!reader.complete) return undefined;
  return found.map(({ head, pieces }) => ({ head, bytes: Buffer.concat(pieces) }));
}

function form(boundary: string, parts: readonly (readonly [heading: string, bytes: Uint8Array])[]): Buffer {
  const pieces = parts.flatMap(([heading, bytes]) => [
    Buffer.from(`--${boundary}\r\n${heading}\r\n\r\n`),
    bytes,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

const photoHeading =
  'Content-Disposition: form-data; name="photo"; filename="a.jpg"\r\nContent-Type: image/jpeg';

describe("a multipart form", () => {
  test("reads the same however it is cut into pieces", () => {
    const random = seededRandom("multipart pieces");
    for (let round = 0; round < 60; round++) {
      const boundary = `b${random.integer(0, 1e9)}`;
      // Bytes that look like the beginning of a delimiter, time and again.
      const tricky = Buffer.concat(
        Array.from({ length: random.integer(0, 20) }, () =>
          Buffer.from(`\r\n--${boundary}`.slice(0, random.integer(0, boundary.length + 3))),
        ),
      );
      const picture = Buffer.concat([jpeg(), tricky, Buffer.from("\r\n")]);
      const body = form(boundary, [
        ['Content-Disposition: form-data; name="requestId"', Buffer.from("p1")],
        ['content-disposition: form-data; name="empty"', Buffer.alloc(0)],
        [photoHeading, picture],
      ]);
      const most = random.integer(1, 40);
      const read = parts(boundary, body, () => random.integer(1, most));
      expect(read?.map(({ head, bytes }) => [head.name, head.filename, bytes.toString("latin1")])).toEqual([
        ["requestId", undefined, "p1"],
        ["empty", undefined, ""],
        ["photo", "a.jpg", picture.toString("latin1")],
      ]);
    }
  });

  test("is what the runtime itself writes", async () => {
    const data = new FormData();
    data.append("requestId", "p1");
    data.append("photo", new Blob([jpeg()], { type: "image/jpeg" }), "a.jpg");
    const request = new Request("http://x/", { method: "POST", body: data });
    const upload = await readPhotoUpload(request, most, never);
    expect(upload).toMatchObject({ news: { kind: "picture", picture: { mimeType: "image/jpeg" } } });
  });

  const broken: [string, string][] = [
    ["cut off", `--b\r\n${photoHeading}\r\n\r\nxyz`],
    ["without a heading that names it", "--b\r\n\r\nxyz\r\n--b--"],
    ["of a part that is none of a form", "--b\r\nContent-Type: text/plain\r\n\r\nxyz\r\n--b--"],
    ["with an endless heading", `--b\r\nContent-Disposition: form-data; name="${"x".repeat(20_000)}`],
    ["of nothing", ""],
    ["of no form at all", "hello"],
  ];
  test.each(broken)("%s is refused", (_, text) => {
    expect(parts("b", Buffer.from(text), () => 7)).toBeUndefined();
  });

  test("is only what says so, with a boundary", () => {
    const open = (type: string) => MultipartReader.open(type, { onHead() {}, onPiece() {} });
    expect(open('multipart/form-data; boundary="a b"')).toBeDefined();
    expect(open("Multipart/Form-Data; charset=utf-8; Boundary=x")).toBeDefined();
    for (const type of ["", "multipart/form-data", "multipart/mixed; boundary=x", "image/jpeg"]) {
      expect(open(type)).toBeUndefined();
    }
  });
});

describe("an upload", () => {
  function upload(parts: readonly (readonly [string, Uint8Array])[], mostBytes = most) {
    const request = new Request("http://x/", {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body: form("b", parts),
    });
    return readPhotoUpload(request, mostBytes, never);
  }
  const field = (name: string, value: string) =>
    [`Content-Disposition: form-data; name="${name}"`, Buffer.from(value)] as const;

  test("is a picture by its bytes, whatever its name and type claim", async () => {
    const pictures: [string, Uint8Array][] = [
      ["image/jpeg", jpeg()],
      ["image/png", Buffer.from("\x89PNG\r\n\x1a\n0000IHDR", "latin1")],
      ["image/gif", Buffer.from("GIF89a______")],
      ["image/webp", Buffer.from("RIFF\0\0\0\0WEBPVP8 ")],
      ["image/heic", Buffer.from("\0\0\0\x18ftypheic")],
      ["image/avif", Buffer.from("\0\0\0\x18ftypavif")],
    ];
    for (const [mimeType, bytes] of pictures) {
      expect(imageType(bytes)).toBe(mimeType);
      for (const claimed of ["image/jpeg", "application/octet-stream"]) {
        const heading = `Content-Disposition: form-data; name="photo"; filename="x"\r\nContent-Type: ${claimed}`;
        expect(await upload([[heading, bytes]])).toMatchObject({ news: { picture: { mimeType } } });
      }
    }
  });

  test("of anything else is 415", async () => {
    for (const bytes of ["<html><script>", "%PDF-1.7 ......", "GIF", ""]) {
      expect(await upload([[photoHeading, Buffer.from(bytes)]])).toMatchObject({
        status: 415,
        code: "NOT_A_PICTURE",
      });
    }
    const script = 'Content-Disposition: form-data; name="photo"; filename="x"\r\nContent-Type: text/html';
    expect(await upload([[script, jpeg()]])).toMatchObject({ status: 415, code: "NOT_A_PICTURE" });
  });

  test("is taken up to its limit and refused with 413 beyond, whether it announces its size or not", async () => {
    expect(await upload([[photoHeading, jpeg(1000)]], 1000)).toMatchObject({ news: { kind: "picture" } });
    expect(await upload([[photoHeading, jpeg(1001)]], 1000)).toMatchObject({
      status: 413,
      code: "PHOTO_TOO_LARGE",
    });
    const announced = new Request("http://x/", {
      method: "POST",
      headers: {
        "content-type": "multipart/form-data; boundary=b",
        "content-length": String(11 * 1024 * 1024),
      },
      body: "x",
    });
    expect(await readPhotoUpload(announced, most, never)).toMatchObject({ status: 413 });
  });

  test("with fields beyond all bounds is 413, with two pictures 400", async () => {
    expect(await upload([field("a", "x".repeat(70_000))])).toMatchObject({ status: 413 });
    expect(
      await upload([
        [photoHeading, jpeg()],
        [photoHeading, jpeg()],
      ]),
    ).toMatchObject({ status: 400 });
  });

  test("that reports an error is one, as a form or as JSON", async () => {
    const failure = { code: "CAMERA_BUSY", message: "busy" };
    const news = { kind: "failure", failure };
    expect(
      await upload([
        field("type", "photo_error"),
        field("success", "false"),
        field("errorCode", failure.code),
        field("errorMessage", failure.message),
      ]),
    ).toMatchObject({ news });
    const json = (body: unknown) =>
      readPhotoUpload(
        new Request("http://x/", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
        most,
        never,
      );
    expect(
      await json({ type: "photo_error", success: false, errorCode: "CAMERA_BUSY", errorMessage: "busy" }),
    ).toMatchObject({ news });
    expect(await json({ type: "photo_error" })).toMatchObject({
      news: { failure: { code: "UNKNOWN_ERROR" } },
    });
    expect(await json({ type: "else" })).toMatchObject({ status: 400 });
    expect(await json("x".repeat(70_000))).toMatchObject({ status: 413 });
  });

  test("is read no further when it is called off", async () => {
    const abort = new AbortController();
    let cancelled = false;
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from(`--b\r\n${photoHeading}\r\n\r\n`)),
      cancel: () => {
        cancelled = true;
      },
    });
    const request = new Request("http://x/", {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body,
    });
    const reading = readPhotoUpload(request, most, abort.signal);
    abort.abort();
    expect(await reading).toMatchObject({ status: 408 });
    expect(cancelled).toBe(true);
  });
});
