import { describe, expect, test } from "bun:test";
import { appRecord, captions, type FakeApp, FakeWorld } from "../support/fake-world.ts";

/** The streams of each refusal, oldest first. */
function refusals(app: FakeApp): string[][] {
  return app.sent.flatMap((message) =>
    message.type === "permission_error" ? [message.details.map(({ stream }) => stream)] : [],
  );
}

describe("what an app may not hear", () => {
  const world = () => {
    const made = new FakeWorld();
    made.records.set(captions, appRecord(captions, { permissions: [] }));
    return made;
  };

  test("it is told once on a connection, however often it sends its list", async () => {
    const fake = world();
    const { session } = await fake.connect();
    const app = await fake.runApp(session, captions, "transcription:en-US", "button_press");
    fake.subscribe(session, app, captions, "transcription:en-US", "button_press");
    fake.subscribe(session, app, captions, "transcription:en-US", "location_update");
    expect(refusals(app)).toEqual([["transcription:en-US"], ["location_update"]]);
    session.apps.closed(captions, app.generation);
    const back = fake.connectApp(session);
    fake.subscribe(session, back, captions, "transcription:en-US");
    expect(refusals(back)).toEqual([["transcription:en-US"]]);
  });

  test("is remembered within bounds", async () => {
    const fake = world();
    const { session } = await fake.connect();
    const app = await fake.runApp(session, captions, "location_update");
    const letters = [..."ABCDEFGH"];
    const regions = letters.flatMap((one) => letters.map((two) => one + two));
    const many = regions
      .slice(0, fake.limits.subscriptionsPerApp)
      .map((region) => `transcription:en-${region}`);
    fake.subscribe(session, app, captions, ...many);
    fake.subscribe(session, app, captions, "location_update");
    expect(refusals(app).map(({ length }) => length)).toEqual([1, many.length, 1]);
  });
});

test("a list of very many streams is read no further than it counts", async () => {
  const world = new FakeWorld();
  const { session } = await world.connect();
  const most = world.limits.subscriptionsPerApp;
  const app = await world.runApp(session, captions);
  const list = Array.from({ length: 20_000 }, (_, i) => (i < most ? `touch_event:${i}` : "button_press"));
  world.subscribe(session, app, captions, ...list);
  expect(session.apps.subscriptions.literalsOf(captions)).toEqual(list.slice(0, most));
  const reason = { side: "app", reason: "too_many_subscriptions" };
  expect(await world.count("browline_messages_rejected_total", reason)).toBe(20_000 - most);
});

test("an app that the user has taken off is not started, whoever asks for it", async () => {
  const world = new FakeWorld();
  const { session, glasses, generation } = await world.connect();
  session.setInstalled(captions, false);
  expect(await session.apps.start(captions)).toMatchObject({ success: false });
  session.receiveGlasses(generation, { type: "start_app", packageName: captions });
  await world.clock.advanceAsync(1);
  expect(world.webhooks.starts).toEqual([]);
  expect(glasses.of("app_state_change").some(({ error }) => error?.includes("taken this app off"))).toBe(
    true,
  );
});
