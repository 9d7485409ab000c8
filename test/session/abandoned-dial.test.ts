import { beforeEach, describe, expect, test } from "bun:test";
import type { WebhookOutcome } from "../../src/session/ports.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import { settle } from "../support/fake-clock.ts";
import { apiKey, captions, FakeApp, FakeWorld } from "../support/fake-world.ts";

/** What the SDK answers when it has waited for an acknowledgement for 5 s, or when the app's `onSession` has thrown. */
const failedToConnect: WebhookOutcome = { kind: "refused", status: 500, sdkError: true };

let world: FakeWorld;
let session: UserSession;
let answer: (outcome: WebhookOutcome) => Promise<void>;
beforeEach(async () => {
  world = new FakeWorld();
  ({ session } = await world.connect());
  const webhook = Promise.withResolvers<WebhookOutcome>();
  world.webhooks.answer = () => webhook.promise;
  answer = async (outcome) => {
    world.webhooks.answer = () => new Promise(() => {});
    webhook.resolve(outcome);
    await settle();
  };
});

describe("a dial that the app has given up before its acknowledgement", () => {
  test("is not let in: no handler would ever stand behind it", async () => {
    const app = await world.runApp(session, captions, "button_press");
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(3_500);
    const { nonce } = world;
    await answer(failedToConnect);
    const late = session.apps.accept(captions, apiKey, nonce, new FakeApp());
    expect(late).toMatchObject({ fault: { code: "APP_NOT_STARTED" } });
    // The next webhook brings a session that knows of its user.
    await world.clock.advanceAsync(2_000);
    expect(world.nonce).not.toBe(nonce);
    world.connectApp(session);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
  });

  test("is closed for good where the acknowledgement was still under way, and the app is helped back", async () => {
    void session.apps.start(captions);
    const { nonce } = world;
    const app = world.connectApp(session);
    await answer(failedToConnect);
    expect(app.closed?.code).toBe(1008);
    expect(session.apps.accept(captions, apiKey, nonce, new FakeApp())).toHaveProperty("fault");
    await world.clock.advanceAsync(3_500);
    expect(world.nonce).not.toBe(nonce);
  });

  test("is left alone where the app has spoken over it: only its start has thrown", async () => {
    void session.apps.start(captions);
    const app = world.connectApp(session);
    world.subscribe(session, app, captions);
    await answer(failedToConnect);
    expect(app.closed).toBeUndefined();
    session.apps.closed(captions, app.generation);
    world.connectApp(session);
    expect(session.apps.inState("RUNNING")).toEqual([captions]);
  });
});
