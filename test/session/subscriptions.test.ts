import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { grantedPermissions, readSubscriptions, Subscriptions } from "../../src/session/subscriptions.ts";
import { parseStream, streamKey } from "../../src/wire/streams.ts";
import { appRecord, captions, FakeWorld } from "../support/fake-world.ts";
import { seededRandom } from "../support/seeded-random.ts";

const all = grantedPermissions(["ALL"]);
const streams = (...literals: string[]) => literals.map(parseStream);

describe("subscriptions", () => {
  test("give each app the event under its own string, character for character", () => {
    const subscriptions = new Subscriptions();
    const hinted = "transcription:en-US?no-language-identification=true&hints=en%2Ces";
    subscriptions.replace("a", streams("transcription:en-US"), all);
    subscriptions.replace("b", streams(hinted), all);
    subscriptions.replace("c", streams("transcription"), all);
    subscriptions.replace("d", streams("transcription:fr-FR"), all);
    expect(subscriptions.match("transcription:en-US")).toEqual([
      { packageName: "a", literal: "transcription:en-US" },
      { packageName: "b", literal: hinted },
      { packageName: "c", literal: "transcription" },
    ]);
    expect(subscriptions.mediaDemand().languages.toSorted()).toEqual(["en-US", "fr-FR"]);
  });

  test("let those who want everything hear only what they may", () => {
    const subscriptions = new Subscriptions();
    subscriptions.replace("a", streams("*"), grantedPermissions([]));
    subscriptions.replace("b", streams("all"), grantedPermissions(["LOCATION"]));
    expect(subscriptions.match("button_press").map(({ literal }) => literal)).toEqual(["*", "all"]);
    expect(subscriptions.match("location_update").map(({ literal }) => literal)).toEqual(["all"]);
    expect(subscriptions.match("transcription:en-US")).toEqual([]);
    expect(subscriptions.mediaDemand()).toEqual({ languages: [], speech: [], pcm: false, voice: false });
  });

  test("do not let those who want everything hear twice what is published under two streams, nor raw audio", () => {
    const subscriptions = new Subscriptions();
    subscriptions.replace("a", streams("*"), all);
    for (const key of [
      "touch_event:long_press",
      "location_stream",
      "other:no_such_report",
      "local_transcription",
      "transcription:auto",
      "audio_chunk",
    ]) {
      expect(subscriptions.match(key)).toEqual([]);
    }
    for (const key of ["touch_event", "location_update", "transcription:de-DE"]) {
      expect(subscriptions.match(key)).toHaveLength(1);
    }
  });

  test("D-60: an app that wants everything turns speech on, if it may use the microphone", () => {
    const subscriptions = new Subscriptions();
    subscriptions.replace("a", streams("*"), grantedPermissions(["LOCATION"]));
    expect(subscriptions.mediaDemand().languages).toEqual([]);
    subscriptions.replace("b", streams("all"), grantedPermissions(["MICROPHONE"]));
    expect(subscriptions.mediaDemand().languages).toEqual(["en-US"]);
  });

  test("D-22: unite what the subscribers of one language say of it, for one stream", () => {
    const subscriptions = new Subscriptions();
    subscriptions.replace("a", streams("transcription:en-US?no-language-identification=true"), all);
    const alone = subscriptions.mediaDemand().speech;
    expect(alone).toEqual([{ language: "en-US", hints: [], identifyLanguage: false }]);
    subscriptions.replace("b", streams("transcription:en-US?hints=es%2Cde"), all);
    subscriptions.replace(
      "c",
      streams("transcription:en-US?no-language-identification=true&hints=fr%2Ces"),
      all,
    );
    expect(subscriptions.mediaDemand()).toEqual({
      languages: ["en-US"],
      speech: [{ language: "en-US", hints: ["de", "es", "fr"], identifyLanguage: true }],
      pcm: false,
      voice: false,
    });
    subscriptions.remove("b");
    expect(subscriptions.mediaDemand().speech[0]?.identifyLanguage).toBe(false);
  });

  test("D-39: a translation reaches those who want this very pair of languages", () => {
    const subscriptions = new Subscriptions();
    subscriptions.replace("a", streams("translation:en-US-to-es-ES"), all);
    subscriptions.replace("b", streams("translation:en-US-to-ja-JP", "translation:en-US-to-es-MX"), all);
    expect(subscriptions.match("translation:en-US-to-es-ES")).toEqual([
      { packageName: "a", literal: "translation:en-US-to-es-ES" },
    ]);
    expect(subscriptions.match("translation:en-US-to-ja-JP")).toEqual([
      { packageName: "b", literal: "translation:en-US-to-ja-JP" },
    ]);
  });

  test("of a type that nobody here knows hear just that type", () => {
    const subscriptions = new Subscriptions();
    subscriptions.replace("a", streams("no_such_report"), grantedPermissions([]));
    subscriptions.replace("b", streams("*", "no_such_reports"), all);
    expect(subscriptions.match("other:no_such_report")).toEqual([
      { packageName: "a", literal: "no_such_report" },
    ]);
  });

  test("leave out what the app may not hear and name what it lacks", () => {
    const { streams: granted, denied } = readSubscriptions(
      ["button_press", "audio_chunk", { stream: "location_stream" }, "no_such_stream"],
      grantedPermissions(["MICROPHONE"]),
      64,
    );
    expect(granted.map(({ literal }) => literal)).toEqual(["button_press", "audio_chunk", "no_such_stream"]);
    expect(denied).toMatchObject([{ stream: "location_stream", requiredPermission: "LOCATION" }]);
  });

  test("agree with a plain model after any number of changes", () => {
    const { seed } = seededRandom("subscriptions model test");
    const literal = fc.constantFrom(
      "button_press",
      "touch_event:long_press",
      "transcription",
      "transcription:en-US",
      "transcription:de-DE",
      "*",
      "audio_chunk",
      "nonsense",
    );
    const change = fc.record({
      app: fc.constantFrom("a", "b", "c"),
      literals: fc.option(fc.uniqueArray(literal)),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const subscriptions = new Subscriptions();
        const model = new Map<string, string[]>();
        for (const { app, literals } of changes) {
          if (literals === null) {
            subscriptions.remove(app);
            model.delete(app);
          } else {
            subscriptions.replace(app, streams(...literals), all);
            model.set(app, literals);
          }
        }
        for (const key of [
          "button_press",
          "touch_event:long_press",
          "transcription:en-US",
          "transcription:de-DE",
          "audio_chunk",
        ]) {
          const expected = [...model].flatMap(([packageName, literals]) =>
            literals
              .filter((each) =>
                each === "*" ? !/^touch_event:|^audio_chunk/.test(key) : streamKey(parseStream(each)) === key,
              )
              .map((each) => `${packageName} ${each}`),
          );
          const got = subscriptions
            .match(key)
            .map((listener) => `${listener.packageName} ${listener.literal}`);
          expect(got.toSorted()).toEqual(expected.toSorted());
        }
        expect(subscriptions.mediaDemand().pcm).toBe(
          [...model.values()].some((each) => each.includes("audio_chunk")),
        );
      }),
      { seed, numRuns: 200 },
    );
  });
});

describe("an empty subscription list", () => {
  async function running() {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, "button_press");
    await world.clock.advanceAsync(60_000);
    session.apps.closed(captions, app.generation);
    const back = world.connectApp(session);
    const heard = () => session.apps.subscriptions.literalsOf(captions);
    return { world, session, back, heard };
  }

  test("D-52b: in the very turn of the acknowledgement takes nothing away", async () => {
    const { world, session, back, heard } = await running();
    world.subscribe(session, back, captions);
    world.subscribe(session, back, captions, "button_press");
    await world.clock.advanceAsync(60_000);
    expect(heard()).toEqual(["button_press"]);
  });

  test.each([0, 1_000, 3_000])(
    "%p ms after a reconnect is held back for 2 s, then taken at its word",
    async (delay) => {
      const { world, session, back, heard } = await running();
      await world.clock.advanceAsync(delay);
      world.subscribe(session, back, captions);
      await world.clock.advanceAsync(1_999);
      expect(heard()).toEqual(["button_press"]);
      await world.clock.advanceAsync(1);
      expect(heard()).toEqual([]);
    },
  );

  test("9 s after a connect is meant", async () => {
    const { world, session, back, heard } = await running();
    await world.clock.advanceAsync(9_000);
    world.subscribe(session, back, captions);
    expect(heard()).toEqual([]);
  });

  test("is forgotten when a list with entries follows", async () => {
    const { world, session, back, heard } = await running();
    world.subscribe(session, back, captions);
    world.subscribe(session, back, captions, "head_position");
    await world.clock.advanceAsync(20_000);
    expect(heard()).toEqual(["head_position"]);
  });

  test("cannot be put off for more than 8 s by repeating it", async () => {
    const { world, session, back, heard } = await running();
    for (let ms = 0; ms < 8_000; ms += 500) {
      world.subscribe(session, back, captions);
      await world.clock.advanceAsync(500);
    }
    expect(heard()).toEqual([]);
  });
});

describe("permissions", () => {
  test("fail closed: the rest is applied and the app is told what was denied", async () => {
    const world = new FakeWorld();
    world.records.set("com.deaf", appRecord("com.deaf", { permissions: [] }));
    const { session } = await world.connect();
    const app = await world.runApp(session, "com.deaf", "transcription:en-US", "button_press");
    expect(session.apps.subscriptions.literalsOf("com.deaf")).toEqual(["button_press"]);
    expect(app.sent.at(-1)).toMatchObject({
      type: "permission_error",
      details: [{ stream: "transcription:en-US", requiredPermission: "MICROPHONE" }],
    });
  });

  test("one app leaving does not silence another that hears the same", async () => {
    const world = new FakeWorld();
    world.records.set("com.other", appRecord("com.other"));
    const { session, glasses } = await world.connect();
    await world.runApp(session, captions, "transcription:en-US");
    const other = await world.runApp(session, "com.other", "transcription:en-US");
    await world.clock.advanceAsync(2_000);
    session.apps.stop(captions);
    await world.clock.advanceAsync(10_000);
    expect(glasses.microphone).toBe(true);
    world.lanes.opened[0]?.listener.onTranscript({
      utteranceId: "u",
      language: "en-US",
      text: "hello",
      isFinal: true,
      startMs: 0,
      endMs: 900,
      provider: "test",
    });
    expect(other.events).toMatchObject([{ data: { text: "hello", isFinal: true, utteranceId: "u" } }]);
  });
});
