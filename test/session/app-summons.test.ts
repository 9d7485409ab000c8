import { beforeEach, describe, expect, test } from "bun:test";
import type { UserSession } from "../../src/session/user-session.ts";
import { closes } from "../../src/wire/close-codes.ts";
import { settle } from "../support/fake-clock.ts";
import { apiKey, captions, FakeApp, FakeWorld } from "../support/fake-world.ts";

let world: FakeWorld;
let session: UserSession;
beforeEach(async () => {
  world = new FakeWorld();
  ({ session } = await world.connect());
});

/** Starts, stops and starts the app. Returns the nonces of both webhooks. */
function startTwice(): (string | undefined)[] {
  void session.apps.start(captions);
  const first = world.nonce;
  session.apps.stop(captions);
  void session.apps.start(captions);
  return [first, world.nonce];
}

describe("the socket of a start that was stopped", () => {
  test("does not push out that of the start which followed", async () => {
    const [first, second] = startTwice();
    const right = world.connectApp(session, captions, second);
    const straggler = session.apps.accept(captions, apiKey, first, new FakeApp());
    expect(straggler).toEqual({ close: closes.duplicate });
    expect(right.closed).toBeUndefined();
  });

  test("is taken while there is no other, and gives way to the right one", async () => {
    const [first, second] = startTwice();
    const straggler = world.connectApp(session, captions, first);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
    const right = world.connectApp(session, captions, second);
    expect(straggler.closed).toEqual(closes.duplicate);
    session.apps.closed(captions, straggler.generation);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
    expect(right.closed).toBeUndefined();
  });

  test("ranks below one without a nonce, which may answer any webhook", async () => {
    const [first] = startTwice();
    const session_ = session.apps;
    const plain = new FakeApp();
    expect(session_.accept(captions, apiKey, undefined, plain)).toMatchObject({ generation: 1 });
    expect(session_.accept(captions, apiKey, first, new FakeApp())).toEqual({ close: closes.duplicate });
    expect(plain.closed).toBeUndefined();
  });
});

describe("the webhook of a start that was stopped", () => {
  test("is called off, and the next one is not", () => {
    startTwice();
    expect(world.webhooks.signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  test("says nothing of the app's server", async () => {
    world.webhooks.answer = () =>
      new Promise((resolve) => {
        const [signal] = world.webhooks.signals.slice(-1);
        signal?.addEventListener("abort", () => resolve({ kind: "unreachable", detail: "aborted" }));
      });
    startTwice();
    await settle();
    expect(await world.count("browline_app_servers_down")).toBe(0);
  });

  test("is called off with the session as well", async () => {
    void session.apps.start(captions);
    await session.end();
    expect(world.webhooks.signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});
