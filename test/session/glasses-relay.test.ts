import { describe, expect, test } from "bun:test";
import { appRecord, captions, FakeWorld } from "../support/fake-world.ts";

const other = "com.example.other";

/** A session with an app that hears `subscriptions` and one that hears everything. */
async function stage(permissions: readonly string[], ...subscriptions: string[]) {
  const world = new FakeWorld();
  world.records.set(captions, appRecord(captions, { permissions: [...permissions] }));
  world.records.set(other, appRecord(other));
  const connected = await world.connect();
  const app = await world.runApp(connected.session, captions, ...subscriptions);
  const everything = await world.runApp(connected.session, other, "*");
  return { world, ...connected, app, everything };
}

describe("a message of the glasses of a type that is not known here", () => {
  test("reaches the app that has subscribed to that very type, and not those who hear everything", async () => {
    const { session, generation, app, everything } = await stage([], "no_such_report");
    const message = { type: "no_such_report", level: 3 };
    expect(session.receiveUnknown(generation, "no_such_report", message)).toBe(true);
    expect(session.receiveUnknown(generation, "no_such_reports", message)).toBe(false);
    expect(app.events).toMatchObject([{ streamType: "no_such_report", data: message }]);
    expect(everything.events).toEqual([]);
  });

  test("never passes for a stream that needs a permission, or for any that is known", async () => {
    const names = ["LOCATION_STREAM", "transcription:english", "location_stream", "video", "*"];
    const { session, generation, app } = await stage([], ...names);
    for (const type of names) expect(session.receiveUnknown(generation, type, { type })).toBe(false);
    expect(app.events).toEqual([]);
  });

  test("reaches the phone's own apps as well, and counts for nothing from a socket that is gone", async () => {
    const { session, glasses, generation } = await stage([]);
    const subscriptions = ["no_such_report"];
    session.receiveGlasses(generation, { type: "phone_subscription_update", subscriptions });
    expect(session.receiveUnknown(generation, "no_such_report", { a: 1 })).toBe(true);
    expect(session.receiveUnknown(generation - 1, "no_such_report", { a: 2 })).toBe(false);
    expect(glasses.of("data_stream")).toMatchObject([{ streamType: "no_such_report", data: { a: 1 } }]);
  });
});

describe("what the phone has transcribed by itself", () => {
  const words = { type: "local_transcription", text: "by the phone", isFinal: true } as const;

  test("is relayed under its own type to those who asked for it and may use the microphone", async () => {
    const { session, generation, app, everything } = await stage(["MICROPHONE"], "local_transcription");
    session.receiveGlasses(generation, words);
    expect(app.events).toMatchObject([{ streamType: "local_transcription", data: { text: "by the phone" } }]);
    expect(everything.events).toEqual([]);
  });

  test("is kept from an app that may not", async () => {
    const { session, generation, app } = await stage(["LOCATION"], "local_transcription");
    session.receiveGlasses(generation, words);
    expect(app.events).toEqual([]);
    expect(app.sent.filter(({ type }) => type === "permission_error")).toHaveLength(1);
  });
});

test("a translation that only the phone wants is listened for and delivered to it", async () => {
  const world = new FakeWorld();
  const { session, glasses, generation } = await world.connect();
  const subscriptions = ["translation:en-US-to-en-GB"];
  session.receiveGlasses(generation, { type: "phone_subscription_update", subscriptions });
  await world.clock.advanceAsync(1_000);
  expect(glasses.microphone).toBe(true);
  const said = {
    utteranceId: "u1",
    language: "en-US",
    isFinal: true,
    startMs: 0,
    endMs: 900,
    provider: "test",
  };
  world.lanes.opened[0]?.listener.onTranscript({ ...said, text: "hello" });
  expect(glasses.of("data_stream")).toMatchObject([
    { streamType: "translation:en-US-to-en-GB", data: { text: "hello", didTranslate: false } },
  ]);
  session.receiveGlasses(generation, { type: "phone_subscription_update", subscriptions: [] });
  world.lanes.opened[0]?.listener.onTranscript({ ...said, utteranceId: "u2", text: "again" });
  expect(glasses.of("data_stream")).toHaveLength(1);
});
