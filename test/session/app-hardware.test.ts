import { beforeEach, describe, expect, test } from "bun:test";
import { apiKey, appRecord, captions, FakeApp, FakeWorld } from "../support/fake-world.ts";

const camera = "com.example.camera";
const g1 = "Even Realities G1";
const live = "Mentra Live";
const hardware = [{ type: "CAMERA", level: "REQUIRED" }] as const;

let world: FakeWorld;
beforeEach(() => {
  world = new FakeWorld();
  world.records.set(camera, appRecord(camera, { hardware }));
});

describe("an app that needs what the glasses lack", () => {
  test("is not tried again while it is parked, and is when other glasses are worn", async () => {
    world.users.wanted.set("user@example.com", new Set([camera]));
    world.webhooks.answer = async () => ({ kind: "refused", status: 500, sdkError: true });
    const { session } = await world.connect();
    await world.clock.advanceAsync(1_000);
    session.device.applyReport({ modelName: g1 });
    const tries = world.webhooks.starts.length;
    await world.clock.advanceAsync(10 * world.limits.parkedMs);
    expect(world.webhooks.starts.length).toBe(tries);
    expect(() => world.connectApp(session, camera)).toThrow("APP_NOT_STARTED");
    session.device.applyReport({ modelName: live });
    expect(world.webhooks.starts.length).toBe(tries + 1);
  });

  test("is not let in late, after its start has failed", async () => {
    const { session } = await world.connect();
    const start = session.apps.start(camera);
    await world.clock.advanceAsync(world.limits.appStartMs);
    expect(await start).toMatchObject({ success: false });
    session.device.applyReport({ modelName: g1 });
    expect(() => world.connectApp(session, camera)).toThrow("APP_NOT_STARTED");
    // Its start has failed: nothing begins it again.
    const tries = world.webhooks.starts.length;
    session.device.applyReport({ modelName: live });
    expect(world.webhooks.starts.length).toBe(tries);
  });

  test("is refused at the door with the reason, should it come all the same", async () => {
    const { session } = await world.connect();
    world.records.set(camera, appRecord(camera));
    void session.apps.start(camera);
    session.device.applyReport({ modelName: g1 });
    // A catalogue that tells nobody of its changes.
    world.records.set(camera, appRecord(camera, { hardware }));
    const answer = session.apps.accept(camera, apiKey, world.nonce, new FakeApp());
    expect(answer).toMatchObject({
      fault: { code: "APP_NOT_STARTED", message: expect.stringMatching(/camera/i) },
    });
  });
});

describe("a standard app that comes back with its glasses", () => {
  beforeEach(() => {
    world.records.set(camera, appRecord(camera, { type: "standard", hardware }));
    world.records.set(captions, appRecord(captions, { type: "standard" }));
  });

  test("leaves the one alone that the user has just started, though it has not connected yet", async () => {
    const { session } = await world.connect();
    await world.runApp(session, camera);
    session.device.applyReport({ modelName: g1 });
    void session.apps.start(captions);
    session.device.applyReport({ modelName: live });
    expect(session.apps.inState("CONNECTING", "RUNNING")).toEqual([captions]);
  });

  test("leaves the one alone that is parked, and stays away once it was replaced and that one stopped", async () => {
    const { session } = await world.connect();
    await world.runApp(session, camera);
    session.device.applyReport({ modelName: g1 });
    const app = await world.runApp(session, captions);
    session.apps.closed(captions, app.generation);
    world.webhooks.answer = async () => ({ kind: "refused", status: 500, sdkError: true });
    await world.clock.advanceAsync(world.limits.appGraceMs + world.limits.resurrectionMs);
    world.webhooks.answer = () => new Promise(() => {});
    session.device.applyReport({ modelName: live });
    expect(session.apps.inState("CONNECTING", "RUNNING")).toEqual([]);
    // Parked as it is, it comes in, if not by a dial that its own SDK has given up.
    world.connectApp(session, captions, "of-an-earlier-start");
    session.apps.stop(captions);
    session.device.applyReport({ modelName: g1 });
    session.device.applyReport({ modelName: live });
    expect(session.apps.inState("CONNECTING", "RUNNING")).toEqual([]);
  });
});
