import { describe, expect, test } from "bun:test";
import type { Transcript } from "../../src/audio/speech.ts";
import { languageToPassOn } from "../../src/session/translation-manager.ts";
import type { AppMessage, ToApp } from "../../src/wire/apps.ts";
import { parseStream } from "../../src/wire/streams.ts";
import { appRecord, captions, type FakeApp, FakeWorld } from "../support/fake-world.ts";

/** What an app is told in answer to one message. */
async function answersTo(
  message: AppMessage,
  permissions: readonly string[] = ["ALL"],
): Promise<readonly ToApp[]> {
  const world = new FakeWorld();
  world.records.set(captions, appRecord(captions, { permissions: [...permissions] }));
  const { session, glasses } = await world.connect();
  const app = await world.runApp(session);
  const [before, told] = [app.sent.length, glasses.sent.length];
  session.apps.receive(captions, app.generation, message);
  expect(app.closed).toBeUndefined();
  expect(glasses.sent.length).toBe(told);
  return app.sent.slice(before);
}

describe("video, which this server sends nowhere", () => {
  test("D-56, D-57: a stream asked for is refused at once, once, so that none can be orphaned", async () => {
    const answers = await answersTo({ type: "rtmp_stream_request", rtmpUrl: "rtmp://x/y" });
    expect(answers).toMatchObject([
      {
        type: "rtmp_stream_status",
        status: "error",
        code: "NOT_SERVED",
        hop: "server",
        appId: captions,
        streamId: expect.stringMatching(/^s\w{6,}$/),
        errorDetails: expect.stringMatching(/^NOT_SERVED: /),
      },
    ]);
  });

  test("a managed stream is refused at once instead of after the SDK's 30 s", async () => {
    expect(await answersTo({ type: "managed_stream_request" })).toMatchObject([
      {
        type: "managed_stream_status",
        status: "error",
        code: "NOT_SERVED",
        message: expect.stringMatching(/^NOT_SERVED: /),
      },
    ]);
  });

  test.each(["rtmp_stream_request", "managed_stream_request"] as const)(
    "D-18: %s without the permission says so, and the socket stays open",
    async (type) => {
      expect(await answersTo({ type }, ["MICROPHONE"])).toMatchObject([
        { status: "error", code: "PERMISSION_DENIED" },
      ]);
    },
  );

  test("what is to be stopped is stopped, and nothing runs", async () => {
    expect(await answersTo({ type: "rtmp_stream_stop", streamId: "s1" })).toEqual([
      { type: "rtmp_stream_status", streamId: "s1", status: "stopped", appId: captions },
    ]);
    expect(await answersTo({ type: "managed_stream_stop" })).toMatchObject([
      { type: "managed_stream_status", status: "stopped" },
    ]);
    expect(await answersTo({ type: "stream_status_check" })).toEqual([
      { type: "stream_status_check_response", hasActiveStream: false },
    ]);
  });
});

describe("setting up Wi-Fi", () => {
  test("is shown by the phone, with the reason and the app that asks", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session);
    for (const message of [
      { type: "request_wifi_setup", reason: "to upload" },
      { type: "request_wifi_setup" },
    ] as const) {
      session.apps.receive(captions, app.generation, message);
    }
    expect(glasses.of("show_wifi_setup")).toEqual([
      { type: "show_wifi_setup", reason: "to upload", appPackageName: captions },
      { type: "show_wifi_setup", appPackageName: captions },
    ]);
  });

  test("that cannot be shown is refused with an error event, which is all that the SDK knows here", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session);
    const before = app.sent.length;
    const ask = () => session.apps.receive(captions, app.generation, { type: "request_wifi_setup" });
    session.receiveGlasses(generation, { type: "glasses_connection_state", status: "DISCONNECTED" });
    ask();
    session.receiveGlasses(generation, {
      type: "glasses_connection_state",
      status: "CONNECTED",
      modelName: "Even Realities G1",
    });
    ask();
    session.glassesClosed(generation);
    ask();
    const errors = app.sent.slice(before).filter(({ type }) => type === "tpa_connection_error");
    expect(errors).toMatchObject([
      { code: "GLASSES_NOT_CONNECTED", hop: "glasses" },
      { code: "HARDWARE_MISSING", hop: "glasses" },
      { code: "PHONE_NOT_CONNECTED", hop: "phone" },
    ]);
    expect(app.closed).toBeUndefined();
    const labels = { request: "request_wifi_setup" };
    expect(await world.count("browline_app_requests_refused_total", labels)).toBe(3);
  });
});

function permissionErrors(app: FakeApp) {
  return app.sent.filter((message) => message.type === "permission_error");
}

function spoken(over: Partial<Transcript> = {}): Transcript {
  return {
    language: "en-US",
    utteranceId: "u1",
    text: "hello world",
    isFinal: true,
    startMs: 100,
    endMs: 900,
    confidence: 0.9,
    provider: "pocketsphinx",
    ...over,
  };
}

describe("translation, for which there is no translator", () => {
  test("is refused by the name of the stream, once a connection, and the rest of the list is in force", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const translated = "translation:fr-FR-to-en-US?hints=fr";
    const app = await world.runApp(session, captions, "button_press", translated);
    const expected = [
      {
        type: "permission_error",
        message: "Some subscriptions cannot be served",
        details: [
          {
            stream: translated,
            requiredPermission: "MICROPHONE",
            message: expect.stringMatching(/^NOT_SERVED: translation:fr-FR-to-en-US/),
          },
        ],
        code: "NOT_SERVED",
        hop: "server",
      },
    ];
    expect(permissionErrors(app) as unknown[]).toEqual(expected);
    world.subscribe(session, app, captions, "button_press", translated, "head_position");
    expect(permissionErrors(app).length).toBe(1);
    expect(session.apps.subscriptions.literalsOf(captions)).toContain("button_press");
    expect(app.closed).toBeUndefined();

    const returned = world.connectApp(session, captions, undefined);
    world.subscribe(session, returned, captions, translated);
    expect(permissionErrors(returned) as unknown[]).toEqual(expected);
  });

  test("opens no stream for a language that would not help", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    await world.runApp(session, captions, "translation:fr-FR-to-en-US");
    expect(session.apps.subscriptions.mediaDemand().languages).toEqual([]);
  });

  test("D-40: what is said in the wanted language already is passed on, interims and the final", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const wanted = ["translation:en-US-to-en-GB", "translation:all-to-en-US", "translation:all-to-es-ES"];
    const app = await world.runApp(session, captions, ...wanted);
    await world.clock.advanceAsync(world.limits.microphoneBatchMs);
    expect(world.lanes.opened[0]?.demand.languages).toEqual(["en-US"]);
    // Between variants of one language nothing is missing; from any language, all but that one is.
    expect(permissionErrors(app).flatMap(({ details }) => details.map(({ stream }) => stream))).toEqual([
      "translation:all-to-en-US",
      "translation:all-to-es-ES",
    ]);
    world.lanes.opened[0]?.listener.onTranscript(spoken({ text: "hello", isFinal: false }));
    world.lanes.opened[0]?.listener.onTranscript(spoken());
    const heard = (text: string, isFinal: boolean, translateLanguage: string) => ({
      type: "translation",
      text,
      originalText: text,
      isFinal,
      utteranceId: "u1",
      transcribeLanguage: "en-US",
      translateLanguage,
      didTranslate: false,
      startTime: 100,
      endTime: 900,
      duration: 800,
      speakerId: expect.any(String),
      confidence: 0.9,
      provider: "pocketsphinx",
    });
    expect(app.events as unknown[]).toEqual([
      { streamType: wanted[0], data: heard("hello", false, "en-GB") },
      { streamType: wanted[1], data: heard("hello", false, "en-US") },
      { streamType: wanted[0], data: heard("hello world", true, "en-GB") },
      { streamType: wanted[1], data: heard("hello world", true, "en-US") },
    ]);
  });

  test("comes under the app's own string, and an app that hears everything does not hear it twice", async () => {
    const world = new FakeWorld();
    world.records.set("com.example.all", appRecord("com.example.all"));
    const { session } = await world.connect();
    const literal = "translation:en-US-to-en-US?no-language-identification=true";
    const app = await world.runApp(session, captions, literal);
    const all = await world.runApp(session, "com.example.all", "*");
    await world.clock.advanceAsync(world.limits.microphoneBatchMs);
    world.lanes.opened[0]?.listener.onTranscript(spoken());
    expect(app.events.map(({ streamType }) => streamType)).toEqual([literal]);
    expect(all.events.filter(({ data }) => JSON.stringify(data).includes("hello world")).length).toBe(1);
  });

  test("ends with the subscription", async () => {
    const world = new FakeWorld();
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, "translation:en-US-to-en-US", "button_press");
    world.subscribe(session, app, captions, "button_press");
    world.lanes.opened[0]?.listener.onTranscript(spoken());
    expect(app.events).toEqual([]);
  });

  test.each([
    ["translation:en-US-to-en-GB", "en-US"],
    ["translation:all-to-en-US", "auto"],
    ["translation:es-ES-to-en-US", "none"],
  ])("of %s, the language to listen to is %s", (literal, language) => {
    const stream = parseStream(literal);
    expect(stream.kind === "translation" ? (languageToPassOn(stream) ?? "none") : "no translation").toBe(
      language,
    );
  });
});
