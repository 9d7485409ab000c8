import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ExpectedPhotos } from "../../src/gateway/expected-photos.ts";
import { HttpPhotoDelivery } from "../../src/gateway/photo-delivery.ts";
import { PublicAddress } from "../../src/gateway/public-address.ts";
import { type Config, loadConfig } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import type { Picture } from "../../src/session/ports.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { appRecord } from "../support/fake-world.ts";
import { jpeg } from "../support/jpeg.ts";
import { TestPhotoApp } from "../support/test-photo-app.ts";
import { until } from "../support/until.ts";

const failure = { code: "CAMERA_BUSY", message: "The camera is busy", hop: "glasses" } as const;

let app: TestPhotoApp;
let clock: FakeClock;
beforeEach(() => {
  app = new TestPhotoApp();
  clock = new FakeClock();
});
afterEach(() => app.close());

function delivery(over: Partial<Config> = {}): HttpPhotoDelivery {
  const config = { ...loadConfig({}), ...over };
  const log = createLog({ level: "silent", format: "json" });
  const expected = new ExpectedPhotos(clock, new PublicAddress(config), "a secret of the tests");
  return new HttpPhotoDelivery({ clock, config, log, expected });
}

function record(publicUrl = app.url) {
  return appRecord("com.example.app", { publicUrl });
}

/** A picture in pieces of 64 KiB, as a socket brings them. */
function picture(bytes: Uint8Array): Picture {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 65_536) pieces.push(bytes.subarray(at, at + 65_536));
  return { pieces, mimeType: "image/jpeg" };
}

/** Moves the time until the promise has settled. */
async function settled<Value>(promise: Promise<Value>): Promise<Value> {
  let over = false;
  const watched = promise.finally(() => {
    over = true;
  });
  await until("the outcome", async () => {
    await clock.advanceAsync(50);
    return over;
  });
  return watched;
}

describe("a picture", () => {
  test("is posted to the app as glasses would, byte for byte", async () => {
    const bytes = jpeg(10 * 1024 * 1024);
    expect(await delivery().deliver(record(), "p1", picture(bytes), undefined)).toBe("delivered");
    const [post] = app.posts;
    expect(post?.path).toBe("/photo-upload");
    expect(post?.fields).toEqual({ requestId: "p1", type: "photo_upload", success: "true" });
    expect(post?.photo).toMatchObject({ name: "photo.jpg", type: "image/jpeg" });
    expect(Buffer.compare(post?.photo?.bytes ?? new Uint8Array(), bytes)).toBe(0);
    expect(post?.headers.get("authorization")).toBeNull();
  });

  test("carries the token that the app has asked for", async () => {
    await delivery().deliver(record(), "p1", picture(jpeg()), "secret");
    expect(app.posts[0]?.headers.get("authorization")).toBe("Bearer secret");
  });

  test("is tried three times while nobody is there or only a proxy answers, and is whole each time", async () => {
    const answers = [502, 503, 200];
    app.answer = () => new Response("", { status: answers.shift() ?? 500 });
    expect(await settled(delivery().deliver(record(), "p1", picture(jpeg()), undefined))).toBe("delivered");
    expect(app.posts.map(({ photo }) => photo?.bytes.length)).toEqual([
      jpeg().length,
      jpeg().length,
      jpeg().length,
    ]);
    app.answer = () => new Response("", { status: 502 });
    expect(await settled(delivery().deliver(record(), "p2", picture(jpeg()), undefined))).toBe("unreachable");
    expect(app.posts.length).toBe(6);
    await app.close();
    expect(await settled(delivery().deliver(record(), "p3", picture(jpeg()), undefined))).toBe("unreachable");
    expect(clock.pending).toBe(0);
  });

  const answers: [number, string][] = [
    [404, "unwanted"],
    [400, "refused"],
    [307, "refused"],
  ];
  test.each(answers)("is posted once when the answer is %p: %s", async (status, outcome) => {
    app.answer = () => new Response("", { status, headers: { location: "http://169.254.169.254/" } });
    expect(await delivery().deliver(record(), "p1", picture(jpeg()), undefined)).toBe(outcome as "unwanted");
    expect(app.posts.length).toBe(1);
  });

  test("is given up when the app does not answer in 10 s", async () => {
    app.answer = () => new Promise(() => {});
    const delivering = delivery().deliver(record(), "p1", picture(jpeg()), undefined);
    await until("the request", () => app.posts.length === 1);
    await clock.advanceAsync(10_000);
    expect(await delivering).toBe("unreachable");
    expect(clock.pending).toBe(0);
  });

  test("is refused when too many are under way, so that memory stays bounded", async () => {
    const limits = { ...loadConfig({}).limits, photoUploads: 1 };
    app.answer = () => new Promise(() => {});
    const crowded = delivery({ limits });
    const first = crowded.deliver(record(), "p1", picture(jpeg()), undefined);
    expect(await crowded.deliver(record(), "p2", picture(jpeg()), undefined)).toBe("unreachable");
    await until("the request", () => app.posts.length === 1);
    await clock.advanceAsync(10_000);
    await first;
  });
});

describe("the word that there is no picture", () => {
  test("is posted as the SDK understands it", async () => {
    expect(await delivery().fail(record(), "p1", failure)).toBe("delivered");
    expect(app.posts[0]).toMatchObject({
      path: "/photo-upload",
      fields: {
        requestId: "p1",
        type: "photo_error",
        success: false,
        errorCode: "CAMERA_BUSY",
        errorMessage: "The camera is busy",
        hop: "glasses",
      },
    });
  });

  test("never goes to an address that is not allowed", async () => {
    expect(await delivery({ targets: "public" }).fail(record(), "p1", failure)).toBe("refused");
    expect(await delivery().fail(record("http://169.254.169.254"), "p1", failure)).toBe("refused");
    expect(app.posts).toEqual([]);
  });
});

describe("the way of a picture", () => {
  const ways: [Config["photoRelay"], string, string | undefined, object][] = [
    [
      "auto",
      "https://app.example.com",
      undefined,
      { kind: "direct", url: "https://app.example.com/photo-upload" },
    ],
    ["auto", "http://127.0.0.1:7010", undefined, { kind: "relay" }],
    ["auto", "http://localhost:7010", undefined, { kind: "relay" }],
    ["auto", "http://192.168.1.7:7010", undefined, { kind: "relay" }],
    ["always", "https://app.example.com", undefined, { kind: "relay" }],
    [
      "never",
      "http://127.0.0.1:7010",
      undefined,
      { kind: "direct", url: "http://127.0.0.1:7010/photo-upload" },
    ],
    [
      "always",
      "http://127.0.0.1:7010",
      "https://x.example/in",
      { kind: "direct", url: "https://x.example/in" },
    ],
    [
      "auto",
      "http://127.0.0.1:7010",
      "http://192.168.1.9/in",
      { kind: "direct", url: "http://192.168.1.9/in" },
    ],
    [
      "auto",
      "https://app.example.com",
      "http://169.254.169.254/x",
      { kind: "none", problem: expect.any(String) },
    ],
    ["auto", "https://app.example.com", "file:///etc/passwd", { kind: "none", problem: expect.any(String) }],
    ["auto", "nowhere", undefined, { kind: "none", problem: expect.any(String) }],
    ["always", "http://[::]:7010", undefined, { kind: "none", problem: expect.any(String) }],
  ];
  test.each(ways)(
    "with the relay on %s, for an app at %s, custom %p",
    (photoRelay, publicUrl, custom, route) => {
      expect(delivery({ photoRelay }).route(record(publicUrl), custom)).toEqual(route as never);
    },
  );
});
