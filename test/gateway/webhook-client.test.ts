import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { WebhookClient } from "../../src/gateway/webhook-client.ts";
import { limits } from "../../src/kernel/limits.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import type { AppRecord } from "../../src/store/store.ts";
import type { SessionRequest, StopRequest } from "../../src/wire/apps.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { TestWebhookApp } from "../support/test-webhook-app.ts";
import { until } from "../support/until.ts";

const request: SessionRequest = {
  type: "session_request",
  sessionId: "user@example.com-com.example.app",
  userId: "user@example.com",
  timestamp: "2026-01-01T00:00:00.000Z",
  mentraOSWebsocketUrl: "ws://127.0.0.1:8002/s/n/app-ws",
  augmentOSWebsocketUrl: "ws://127.0.0.1:8002/s/n/app-ws",
};
const stopRequest: StopRequest = {
  type: "stop_request",
  sessionId: request.sessionId,
  userId: request.userId,
  reason: "user_disabled",
  timestamp: request.timestamp,
};

let server: TestWebhookApp;
let clock: FakeClock;
let metrics: Metrics;
let webhooks: WebhookClient;
let app: AppRecord;

beforeEach(() => {
  server = new TestWebhookApp();
  clock = new FakeClock();
  metrics = new Metrics();
  webhooks = new WebhookClient({
    clock,
    limits,
    metrics,
    targets: "private",
    log: createLog({ level: "silent", format: "json" }),
  });
  app = {
    packageName: "com.example.app",
    name: "An app",
    publicUrl: server.url,
    type: "standard",
    apiKeyHash: "",
    permissions: [],
  };
});
afterEach(() => server.close());

function start(signal = new AbortController().signal) {
  return webhooks.start(app, request, signal);
}

async function counted(kind: string, outcome: string): Promise<number> {
  const { values } = await metrics.webhooks.get();
  return values.find(({ labels }) => labels.kind === kind && labels.outcome === outcome)?.value ?? 0;
}

describe("the webhook that starts an app", () => {
  test("is posted as JSON, without an Authorization header", async () => {
    expect(await start()).toEqual({ kind: "accepted" });
    const [seen] = server.requests;
    expect([seen?.method, seen?.path]).toEqual(["POST", "/webhook"]);
    expect(JSON.parse(seen?.body ?? "")).toEqual(request);
    expect(seen?.headers.get("content-type")).toBe("application/json");
    expect(seen?.headers.get("authorization")).toBeNull();
    expect(await counted("start", "accepted")).toBe(1);
  });

  const answers: [string, () => Response, object][] = [
    [
      "the SDK's own 500 is its refusal",
      () => Response.json({ status: "error", message: "Failed to connect" }, { status: 500 }),
      { kind: "refused", status: 500, sdkError: true },
    ],
    [
      "a 400 is a refusal",
      () => Response.json({ status: "error" }, { status: 400 }),
      { kind: "refused", status: 400, sdkError: false },
    ],
    [
      "a 404 is a refusal",
      () => new Response("", { status: 404 }),
      { kind: "refused", status: 404, sdkError: false },
    ],
    [
      "a redirect is not followed",
      () => Response.redirect("http://127.0.0.1:9/", 307),
      { kind: "refused", status: 307, sdkError: false },
    ],
    [
      "a 500 that is not the SDK's came from in between",
      () => new Response("<html>oops", { status: 500 }),
      { kind: "unreachable", detail: "HTTP 500" },
    ],
    [
      "a proxy's 502 means nobody was there",
      () => Response.json({ status: "error" }, { status: 502 }),
      { kind: "unreachable", detail: "HTTP 502" },
    ],
    ["a 503 too", () => new Response("", { status: 503 }), { kind: "unreachable", detail: "HTTP 503" }],
  ];
  test.each(answers)("%s", async (_, answer, outcome) => {
    server.answer = answer;
    expect(await start()).toMatchObject(outcome);
  });

  test("finds nobody where nobody listens", async () => {
    await server.close();
    expect(await start()).toMatchObject({ kind: "unreachable" });
    expect(await counted("start", "unreachable")).toBe(1);
  });

  test("gives up after 30 s without an answer", async () => {
    server.answer = () => new Promise(() => {});
    const starting = start();
    await until("the request", () => server.requests.length === 1);
    clock.advance(30_000);
    expect(await starting).toEqual({ kind: "unreachable", detail: "no answer within 30 s" });
    expect(clock.pending).toBe(0);
  });

  test("can be called off", async () => {
    server.answer = () => new Promise(() => {});
    const abort = new AbortController();
    const starting = start(abort.signal);
    await until("the request", () => server.requests.length === 1);
    abort.abort();
    expect(await starting).toEqual({ kind: "unreachable", detail: "aborted" });
    expect(clock.pending).toBe(0);
  });

  test("reads an endless answer no further than it must", async () => {
    let sent = 0;
    server.answer = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += 4096;
            controller.enqueue(new Uint8Array(4096));
          },
        }),
      );
    expect(await start()).toEqual({ kind: "accepted" });
    expect(sent).toBeGreaterThan(0);
  });
});

test("an address that is not allowed is never called", async () => {
  const { signal } = new AbortController();
  const refused = { ...app, publicUrl: "http://169.254.169.254" };
  const started = await webhooks.start(refused, request, signal);
  expect(started).toEqual({
    kind: "unreachable",
    detail: "the app's address is a link-local or metadata address",
  });
  const log = createLog({ level: "silent", format: "json" });
  const strict = new WebhookClient({ clock, limits, metrics, targets: "public", log });
  expect(await strict.start(app, request, signal)).toMatchObject({ kind: "unreachable" });
  expect(await strict.probe(app, signal)).toBe(false);
  strict.stop(app, stopRequest);
  await until("the count", async () => (await counted("stop", "unreachable")) === 1);
  expect(server.requests).toEqual([]);
});

test("a stop is posted and waits for nobody", async () => {
  server.answer = () => new Promise(() => {});
  webhooks.stop(app, stopRequest);
  await until("the request", () => server.requests.length === 1);
  expect(JSON.parse(server.requests[0]?.body ?? "")).toEqual(stopRequest);
  clock.advance(3_000);
  await until("the count", async () => (await counted("stop", "unreachable")) === 1);
});

test("a probe asks for the health of the app's server", async () => {
  const { signal } = new AbortController();
  expect(await webhooks.probe(app, signal)).toBe(true);
  expect(server.requests[0]).toMatchObject({ method: "GET", path: "/health" });
  server.answer = () => new Response("", { status: 404 });
  expect(await webhooks.probe(app, signal)).toBe(true);
  server.answer = () => new Response("", { status: 503 });
  expect(await webhooks.probe(app, signal)).toBe(false);
  server.answer = () => new Promise(() => {});
  const probing = webhooks.probe(app, signal);
  await until("the request", () => server.requests.length === 4);
  clock.advance(2_000);
  expect(await probing).toBe(false);
});
