import { describe, expect, test } from "bun:test";
import type { WebhookOutcome } from "../../src/session/ports.ts";
import { closes } from "../../src/wire/close-codes.ts";
import { settle } from "../support/fake-clock.ts";
import { apiKey, appRecord, captions, FakeApp, FakeWorld } from "../support/fake-world.ts";

const accepted: WebhookOutcome = { kind: "accepted" };
const unreachable: WebhookOutcome = { kind: "unreachable", detail: "refused" };

describe("starting an app", () => {
  test("sends one webhook however many ask, and succeeds for all with the app's socket", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const starts = [session.apps.start(captions), session.apps.start(captions), session.apps.start(captions)];
    expect(world.webhooks.starts.length).toBe(1);
    const app = world.connectApp(session);
    expect(await Promise.all(starts)).toEqual([{ success: true }, { success: true }, { success: true }]);
    expect(app.sent[0]?.type).toBe("tpa_connection_ack");
    expect(world.users.wanted.get("user@example.com")?.has(captions)).toBe(true);
  });

  test("names both spellings of the socket's address, with a nonce of its own", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    void session.apps.start(captions);
    const request = world.webhooks.starts[0];
    expect(request?.mentraOSWebsocketUrl).toMatch(/^ws:\/\/server\/s\/[\w-]+\/app-ws$/);
    expect(request?.augmentOSWebsocketUrl).toBe(request?.mentraOSWebsocketUrl ?? "");
    expect(request?.sessionId).toBe(`user@example.com-${captions}`);
  });

  test("does not care that the webhook is answered late: the socket is what counts", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const start = session.apps.start(captions);
    await world.clock.advanceAsync(15_000);
    world.connectApp(session);
    expect(await start).toEqual({ success: true });
    expect(world.webhooks.starts.length).toBe(1);
  });

  test("tries again at 1, 2, 4 and 8 s while nobody answers, and fails after 20 s", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const began = world.clock.now();
    const triedAt: number[] = [];
    world.webhooks.answer = async () => {
      triedAt.push(world.clock.now() - began);
      return unreachable;
    };
    const start = session.apps.start(captions);
    await world.clock.advanceAsync(20_000);
    expect(triedAt).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
    expect(await start).toMatchObject({ success: false, error: { stage: "TIMEOUT" } });
    expect(world.users.wanted.get("user@example.com")?.has(captions) ?? false).toBe(false);
  });

  test.each([
    ["a 404", { kind: "refused", status: 404, sdkError: false }, "WEBHOOK"],
    ["the SDK's own 500", { kind: "refused", status: 500, sdkError: true }, "CONNECTION"],
  ] as const)("fails at once on %s and does not try again", async (_name, outcome, stage) => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    world.webhooks.answer = async () => outcome;
    expect(await session.apps.start(captions)).toMatchObject({ success: false, error: { stage } });
    await world.clock.advanceAsync(60_000);
    expect(world.webhooks.starts.length).toBe(1);
  });

  test("still welcomes an app that connects up to a minute after the start has timed out", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const start = session.apps.start(captions);
    await world.clock.advanceAsync(20_000);
    expect(await start).toMatchObject({ success: false });
    await world.clock.advanceAsync(world.limits.appLateJoinMs - 1);
    world.connectApp(session);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
  });

  test("refuses an app that nobody has started, one with a wrong key, and one that is not registered", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const accept = (packageName: string, key: string, nonce?: string) =>
      session.apps.accept(packageName, key, nonce, new FakeApp());
    expect(accept(captions, apiKey)).toMatchObject({ fault: { code: "APP_NOT_STARTED" } });
    expect(accept("com.example.nobody", apiKey)).toMatchObject({ fault: { code: "PACKAGE_NOT_FOUND" } });
    const start = session.apps.start(captions);
    expect(accept(captions, "wrong")).toMatchObject({ fault: { code: "INVALID_API_KEY" } });
    // Anybody could have dialled that: it takes the nonce of a webhook to be taken for the app's own server.
    expect(session.apps.inState("CONNECTING")).toEqual([captions]);
    expect(accept(captions, "wrong", world.nonce)).toMatchObject({ fault: { code: "INVALID_API_KEY" } });
    expect(await start).toMatchObject({ success: false, error: { stage: "AUTHENTICATION" } });
  });

  test("stops the standard app that holds the foreground, even while that one is still starting", async () => {
    const world = new FakeWorld();
    for (const name of ["com.a", "com.b"]) world.records.set(name, appRecord(name, { type: "standard" }));
    const { session } = await world.connect();
    void session.apps.start("com.a");
    void session.apps.start("com.b");
    expect(session.apps.inState("CONNECTING")).toEqual(["com.b"]);
    expect(world.webhooks.stops.map(({ reason }) => reason)).toEqual(["system_stop"]);
  });

  test("tells the glasses: loading while it starts, active when it runs, with the error when it fails", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    session.receiveGlasses(generation, { type: "stop_app", packageName: captions });
    session.receiveGlasses(generation, { type: "start_app", packageName: captions });
    const last = () => glasses.of("app_state_change").at(-1);
    expect(last()?.userSession.loadingApps).toEqual([captions]);
    world.connectApp(session);
    await world.clock.advanceAsync(world.limits.microphoneBatchMs);
    expect(last()?.userSession.activeAppSessions).toEqual([captions]);
    session.receiveGlasses(generation, { type: "start_app", packageName: "com.example.nobody" });
    await settle();
    expect(last()?.error).toContain("registered");
  });
});

describe("stopping an app", () => {
  test("has every local effect when it returns, though the app's server never answers", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US");
    world.show(session, app, captions, "words");
    await world.clock.advanceAsync(1_000);
    expect(session.apps.stop(captions)).toBe(true);
    expect(session.apps.subscriptions.match("transcription:en-US")).toEqual([]);
    expect(app.sent.at(-1)).toEqual({ type: "app_stopped", reason: "user_disabled" });
    expect(app.closed).toEqual(closes.appStopped);
    expect(glasses.texts).toEqual(["words", ""]);
    expect(world.webhooks.stops.length).toBe(1);
    expect(world.users.wanted.get("user@example.com")?.has(captions)).toBe(false);
  });

  test("turns the microphone off within 4 s", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(1_000);
    expect(glasses.microphone).toBe(true);
    session.apps.stop(captions);
    await world.clock.advanceAsync(4_000);
    expect(glasses.microphone).toBe(false);
  });

  test("refuses what comes from the stopped app's socket afterwards", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session, captions);
    session.apps.stop(captions);
    world.subscribe(session, app, captions, "transcription:en-US");
    world.show(session, app, captions, "ghost");
    await world.clock.advanceAsync(5_000);
    expect(glasses.texts).toEqual([]);
    expect(glasses.microphone).toBe(false);
    expect(await world.count("browline_messages_rejected_total", { side: "app", reason: "stale" })).toBe(2);
  });
});

describe("an app that loses its socket", () => {
  test("keeps its subscriptions, and gets what happened meanwhile in order when it hears again what it heard", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "button_press", "head_position");
    session.apps.closed(captions, app.generation);
    for (const buttonId of ["1", "2", "3"]) {
      session.receiveGlasses(generation, { type: "button_press", buttonId, pressType: "short" });
    }
    session.receiveGlasses(generation, { type: "head_position", position: "up" });
    session.receiveGlasses(generation, { type: "head_position", position: "down" });
    await world.clock.advanceAsync(1_000);
    const back = world.connectApp(session);
    world.subscribe(session, back, captions);
    session.receiveGlasses(generation, { type: "button_press", buttonId: "4", pressType: "short" });
    expect(back.events).toEqual([]);
    world.subscribe(session, back, captions, "head_position", "button_press");
    expect(back.events.map(({ data }) => data)).toMatchObject([
      { buttonId: "1" },
      { buttonId: "2" },
      { buttonId: "3" },
      { buttonId: "4" },
      { position: "down" },
    ]);
    session.receiveGlasses(generation, { type: "button_press", buttonId: "5", pressType: "short" });
    expect(back.events.at(-1)?.data).toMatchObject({ buttonId: "5" });
  });

  test("gets a webhook after 3.5 s and not before, and is not taken for dead for 20 s", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session);
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(3_499);
    expect(world.webhooks.starts.length).toBe(1);
    await world.clock.advanceAsync(1);
    expect(world.webhooks.starts.length).toBe(2);
    await world.clock.advanceAsync(16_499);
    expect(session.apps.inState("GRACE_PERIOD")).toEqual([captions]);
    await world.clock.advanceAsync(1);
    expect(session.apps.inState("RESURRECTING")).toEqual([captions]);
  });

  test("gets what waited when its webhook is answered, if it comes back as a new process", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "button_press", "head_position");
    let answer: (outcome: WebhookOutcome) => void = () => {};
    world.webhooks.answer = () => new Promise((resolve) => (answer = resolve));
    session.apps.closed(captions, app.generation);
    session.receiveGlasses(generation, { type: "button_press", buttonId: "1", pressType: "short" });
    await world.clock.advanceAsync(3_500);
    const fresh = world.connectApp(session);
    world.subscribe(session, fresh, captions, "button_press");
    await world.clock.advanceAsync(1_500);
    expect(fresh.events).toEqual([]);
    answer(accepted);
    await settle();
    expect(fresh.events).toMatchObject([{ streamType: "button_press", data: { buttonId: "1" } }]);
  });

  test("is brought back by webhooks for 5 minutes, then given up without forgetting the user's wish", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US");
    world.webhooks.answer = async () => ({ kind: "refused", status: 500, sdkError: true });
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(world.limits.appGraceMs + world.limits.resurrectionMs);
    expect(session.apps.inState("RUNNING", "GRACE_PERIOD", "RESURRECTING")).toEqual([]);
    expect(session.apps.subscriptions.match("transcription:en-US")).toEqual([]);
    expect(world.users.wanted.get("user@example.com")?.has(captions)).toBe(true);
    const webhooks = world.webhooks.starts.length;
    expect(webhooks).toBeLessThan(25);
    expect(world.webhooks.stops).toEqual([]);
    await world.clock.advanceAsync(59_000);
    expect(world.webhooks.starts.length).toBe(webhooks);
  });

  test("is left to sleep while the user is away, and woken when the glasses return", async () => {
    const world = new FakeWorld({ BROWLINE_SESSION_GRACE_MS: "600000" });
    const { session, generation } = await world.connect();
    const app = await world.runApp(session);
    session.glassesClosed(generation);
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(60_000);
    expect(session.apps.inState("DORMANT")).toEqual([captions]);
    expect(world.webhooks.starts.length).toBe(1);
    await world.connect();
    expect(world.webhooks.starts.length).toBe(2);
    world.connectApp(session);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
  });

  test("that handed over on purpose leaves nothing behind and is not called back", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US");
    session.apps.receive(captions, app.generation, { type: "ownership_release", reason: "clean_shutdown" });
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(60_000);
    expect(session.apps.inState("DORMANT")).toEqual([captions]);
    expect(session.apps.subscriptions.match("transcription:en-US")).toEqual([]);
    expect(world.webhooks.starts.length).toBe(1);
  });
});

describe("two sockets of one app", () => {
  test("the newer wins on a tie; the loser is closed with 1008 and its late close changes nothing", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const first = await world.runApp(session, captions, "button_press");
    const second = world.connectApp(session);
    expect(first.closed).toEqual(closes.duplicate);
    session.apps.closed(captions, first.generation);
    await world.clock.advanceAsync(60_000);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
    expect(second.closed).toBeUndefined();
    expect(world.webhooks.starts.length).toBe(1);
  });

  test("what the older one still says has no effect, and is counted", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const first = await world.runApp(session, captions, "button_press");
    const second = world.connectApp(session);
    world.subscribe(session, first, captions, "head_position");
    world.show(session, first, captions, "ghost");
    session.apps.receive(captions, first.generation, { type: "ownership_release" });
    await world.clock.advanceAsync(1_000);
    expect(session.apps.subscriptions.literalsOf(captions)).toEqual(["button_press"]);
    expect(glasses.texts).toEqual([]);
    const stale = { side: "app", reason: "stale" };
    expect(await world.count("browline_messages_rejected_total", stale)).toBe(3);
    // The release was not the newer one's: its loss is one to be mended.
    session.apps.closed(captions, second.generation);
    expect(session.apps.inState("GRACE_PERIOD")).toEqual([captions]);
  });

  test("a straggler of an older webhook loses to the socket of the latest", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const first = await world.runApp(session);
    const oldNonce = world.nonce;
    session.apps.closed(captions, first.generation);
    await world.clock.advanceAsync(3_500);
    const fresh = world.connectApp(session);
    const zombie = session.apps.accept(captions, apiKey, oldNonce, new FakeApp());
    expect(zombie).toEqual({ close: closes.duplicate });
    expect(fresh.closed).toBeUndefined();
  });
});

describe("what must arrive", () => {
  const press = (buttonId: string) => ({ type: "button_press", buttonId, pressType: "short" }) as const;

  test("waits for the app's next socket when the present one takes nothing any more", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "button_press");
    session.receiveGlasses(generation, press("1"));
    await world.clock.advanceAsync(world.limits.receiptMs);
    // The socket is closing, but the session has not been told yet.
    app.close({ code: 1013, reason: "Reading too slowly" });
    session.receiveGlasses(generation, press("2"));
    session.apps.closed(captions, app.generation);
    session.receiveGlasses(generation, press("3"));
    const back = world.connectApp(session);
    world.subscribe(session, back, captions, "button_press");
    expect(back.events.map(({ data }) => data)).toMatchObject([{ buttonId: "2" }, { buttonId: "3" }]);
  });

  test("reaches an app that comes back and sends no list, as one need not", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "button_press");
    session.apps.closed(captions, app.generation);
    session.receiveGlasses(generation, press("1"));
    const back = world.connectApp(session);
    await world.clock.advanceAsync(world.limits.provisionalMs - 1);
    expect(back.events).toEqual([]);
    await world.clock.advanceAsync(1);
    expect(back.events).toMatchObject([{ data: { buttonId: "1" } }]);
    session.receiveGlasses(generation, press("2"));
    expect(back.events.at(-1)).toMatchObject({ data: { buttonId: "2" } });
  });
});
