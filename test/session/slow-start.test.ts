import { expect, test } from "bun:test";
import { captions, FakeWorld } from "../support/fake-world.ts";

test("a start that takes more than 5 s is reported once, counts as loading all the while, and may still succeed", async () => {
  const world = new FakeWorld();
  const { session, glasses } = await world.connect();
  const started = session.apps.start(captions);
  void session.apps.start(captions);
  const slow = () => world.count("browline_app_starts_total", { outcome: "slow" });
  await world.clock.advanceAsync(4_999);
  expect(await slow()).toBe(0);
  const before = glasses.of("app_state_change").length;
  await world.clock.advanceAsync(1_000);
  expect(await slow()).toBe(1);
  const told = glasses.of("app_state_change").slice(before);
  expect(told.map(({ userSession }) => userSession.loadingApps)).toEqual([[captions]]);
  world.connectApp(session);
  expect(await started).toEqual({ success: true });
  expect(await slow()).toBe(1);
});

test("a start that succeeds or fails in time is not called slow", async () => {
  const world = new FakeWorld();
  const { session } = await world.connect();
  await world.runApp(session, captions);
  session.apps.stop(captions);
  world.webhooks.answer = async () => ({ kind: "refused", status: 404, sdkError: false });
  expect(await session.apps.start(captions)).toMatchObject({ success: false });
  await world.clock.advanceAsync(10_000);
  expect(await world.count("browline_app_starts_total", { outcome: "slow" })).toBe(0);
});
