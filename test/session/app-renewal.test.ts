import { beforeEach, describe, expect, test } from "bun:test";
import type { AppState } from "../../src/session/app-lifecycle.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import { settle } from "../support/fake-clock.ts";
import { appRecord, type Connected, captions, FakeWorld } from "../support/fake-world.ts";

const speech = "transcription:en-US";
const speaker = appRecord(captions, { permissions: ["MICROPHONE"] });

let world: FakeWorld;
let connected: Connected;
let session: UserSession;

beforeEach(async () => {
  world = new FakeWorld({ BROWLINE_SESSION_GRACE_MS: "600000" });
  world.records.clear();
  await world.users.saveApp(speaker);
  connected = await world.connect();
  session = connected.session;
});

async function lose(): Promise<void> {
  const app = await world.runApp(session, captions, speech);
  session.apps.closed(captions, app.generation);
}

/** Ways into every state in which a session has to do with an app. */
const ways: Record<string, { state: AppState["name"]; enter: () => Promise<unknown> }> = {
  starting: {
    state: "CONNECTING",
    enter: async () => void session.apps.start(captions),
  },
  running: { state: "RUNNING", enter: () => world.runApp(session, captions, speech) },
  "given a grace": { state: "GRACE_PERIOD", enter: lose },
  "being brought back": {
    state: "RESURRECTING",
    enter: async () => {
      await lose();
      await world.clock.advanceAsync(world.limits.appGraceMs);
    },
  },
  "asleep, since the user is away": {
    state: "DORMANT",
    enter: async () => {
      const app = await world.runApp(session, captions, speech);
      session.glassesClosed(connected.generation);
      session.apps.closed(captions, app.generation);
      await world.clock.advanceAsync(60_000);
    },
  },
  parked: {
    state: "STOPPED",
    enter: async () => {
      await lose();
      world.webhooks.answer = async () => ({ kind: "refused", status: 500, sdkError: true });
      await world.clock.advanceAsync(world.limits.appGraceMs + world.limits.resurrectionMs);
      world.webhooks.answer = () => new Promise(() => {});
    },
  },
};

describe("an app that loses a permission while it is", () => {
  for (const [name, { state, enter }] of Object.entries(ways)) {
    test(`${name} hears nothing by it any more, and begins anew`, async () => {
      await enter();
      expect([...session.apps.inState(state), name === "parked" && captions]).toContain(captions);
      const before = world.webhooks.starts.length;
      await world.users.saveApp({ ...speaker, permissions: [] });
      expect(session.apps.subscriptions.mediaDemand().languages).toEqual([]);
      expect(session.apps.subscriptions.match(speech)).toEqual([]);
      if (!session.connected) {
        expect(world.webhooks.starts.length).toBe(before);
        await world.connect();
      }
      await settle();
      expect(world.webhooks.starts.length).toBe(before + 1);
      const again = world.connectApp(session);
      world.subscribe(session, again, captions, speech);
      expect(again.sent.at(-1)).toMatchObject({ type: "permission_error" });
      expect(session.apps.subscriptions.match(speech)).toEqual([]);
      expect(session.apps.app(captions)?.may("MICROPHONE")).toBe(false);
    });
  }

  test("late, its start having failed, is not let in any more, nor started again", async () => {
    const start = session.apps.start(captions);
    await world.clock.advanceAsync(world.limits.appStartMs);
    expect(await start).toMatchObject({ success: false });
    await world.users.saveApp({ ...speaker, permissions: [] });
    expect(() => world.connectApp(session)).toThrow("APP_NOT_STARTED");
    expect(world.webhooks.starts.length).toBe(1);
  });

  test("running is asked what it may by the record as it is, even before its socket has been closed", async () => {
    world.records.set(captions, speaker);
    const app = await world.runApp(session, captions);
    // A catalogue that tells nobody of its changes.
    world.records.set(captions, { ...speaker, permissions: [] });
    expect(session.apps.app(captions)?.may("MICROPHONE")).toBe(false);
    world.subscribe(session, app, captions, speech);
    expect(session.apps.subscriptions.match(speech)).toEqual([]);
  });
});

test("an app that was handed over and then stopped does not come back with the glasses", async () => {
  await ways["asleep, since the user is away"]?.enter();
  await world.users.saveApp({ ...speaker, permissions: [] });
  session.apps.stop(captions);
  const before = world.webhooks.starts.length;
  await world.connect();
  await world.clock.advanceAsync(60_000);
  expect(world.webhooks.starts.length).toBe(before);
});

test("an app whose new record needs what the glasses lack waits for others, and comes back with them", async () => {
  await world.runApp(session, captions);
  session.device.applyReport({ modelName: "Even Realities G1" });
  await world.users.saveApp({ ...speaker, hardware: [{ type: "CAMERA", level: "REQUIRED" }] });
  expect(session.apps.inState("RUNNING", "CONNECTING")).toEqual([]);
  expect(connected.glasses.of("app_state_change").at(-1)?.error).toContain("camera");
  await world.users.saveApp(speaker);
  await world.users.saveApp({ ...speaker, permissions: [] });
  expect(session.apps.inState("CONNECTING")).toEqual([captions]);
});
