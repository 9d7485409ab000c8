import { describe, expect, test } from "bun:test";
import { type Limits, limits } from "../../src/kernel/limits.ts";
import { nextPlay, type PlayEvent, type PlayState, playableUrl } from "../../src/session/speaker-manager.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import type { AppMessage } from "../../src/wire/apps.ts";
import { appRecord, captions, type FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";

const other = "com.example.other";
const music = "https://example.com/music.mp3";

type PlayRequest = Extract<AppMessage, { type: "audio_play_request" }>;

function ask(session: UserSession, app: FakeApp, message: AppMessage, packageName = captions): void {
  session.apps.receive(packageName, app.generation, message);
}

function playRequest(requestId: string, over: Partial<PlayRequest> = {}): PlayRequest {
  return { type: "audio_play_request", requestId, audioUrl: music, stopOtherAudio: true, ...over };
}

function answersTo(app: FakeApp) {
  return app.sent.filter((message) => message.type === "audio_play_response");
}

/** A session with two running apps. */
async function open() {
  const world = new FakeWorld();
  world.records.set(other, appRecord(other));
  const { session, glasses, generation } = await world.connect();
  const app = await world.runApp(session, captions);
  const second = await world.runApp(session, other);
  return { world, session, glasses, generation, app, second };
}

describe("a sound of an app", () => {
  test("is sent to the phone under the app's name, with every field that phones need", async () => {
    const { session, glasses, app } = await open();
    ask(session, app, { type: "audio_play_request", requestId: "a", audioUrl: music, volume: 7 });
    expect(glasses.of("audio_play_request")).toEqual([
      {
        type: "audio_play_request",
        sessionId: "user@example.com",
        requestId: "a",
        packageName: captions,
        appId: captions,
        audioUrl: music,
        volume: 1,
        stopOtherAudio: true,
        trackId: 0,
      },
    ]);
    expect(answersTo(app)).toEqual([]);
  });

  test("is refused when the phone it was sent to gives no sign of life, but not once it was reported on", async () => {
    const { session, glasses, generation, app } = await open();
    ask(session, app, playRequest("a"));
    ask(session, app, playRequest("b", { trackId: 1 }));
    session.receiveGlasses(generation, { type: "audio_play_response", requestId: "b", success: true });
    glasses.fallSilent();
    expect(answersTo(app)).toMatchObject([
      { requestId: "b", success: true },
      { requestId: "a", success: false, code: "PHONE_NOT_RESPONDING", hop: "phone" },
    ]);
  });

  test("is reported on to the app that asked, and to no other", async () => {
    const { session, glasses, generation, app, second } = await open();
    ask(session, app, playRequest("a"));
    ask(session, second, playRequest("b"), other);
    const report = { type: "audio_play_response", requestId: "b", success: true, duration: 1_000 } as const;
    session.receiveGlasses(generation, { ...report, error: null });
    expect(answersTo(app)).toEqual([]);
    expect(answersTo(second)).toEqual([report]);
    const failure = { type: "audio_play_response", requestId: "a", success: false, error: "no such file" };
    session.receiveGlasses(generation, { ...failure, type: "audio_play_response", duration: null });
    expect(answersTo(app)).toEqual([{ ...failure, type: "audio_play_response" }]);
    expect(glasses.of("audio_stop_request")).toEqual([]);
  });

  test("is answered once: a second report and one on nothing are counted and left", async () => {
    const { world, session, generation, app } = await open();
    ask(session, app, playRequest("a"));
    const report = { type: "audio_play_response", requestId: "a", success: true } as const;
    session.receiveGlasses(generation, report);
    session.receiveGlasses(generation, report);
    session.receiveGlasses(generation, { ...report, requestId: "never asked" });
    expect(answersTo(app).length).toBe(1);
    expect(await world.count("browline_messages_rejected_total", { reason: "nothing_asked" })).toBe(2);
  });

  test("that may mix with others is reported on only when it fails: the SDK waits for nothing else", async () => {
    const { session, generation, app } = await open();
    for (const requestId of ["a", "b"]) ask(session, app, playRequest(requestId, { stopOtherAudio: false }));
    session.receiveGlasses(generation, { type: "audio_play_response", requestId: "a", success: true });
    session.receiveGlasses(generation, { type: "audio_play_response", requestId: "b", success: false });
    expect(answersTo(app)).toEqual([{ type: "audio_play_response", requestId: "b", success: false }]);
  });

  test("of which the phone tells nothing fails before the SDK gives up, with a code", async () => {
    const { world, session, generation, app } = await open();
    ask(session, app, playRequest("a"));
    await world.clock.advanceAsync(limits.playMs - 1);
    expect(answersTo(app)).toEqual([]);
    await world.clock.advanceAsync(1);
    expect(limits.playMs).toBeLessThan(60_000);
    expect(answersTo(app)).toMatchObject([
      { requestId: "a", success: false, code: "PHONE_TIMEOUT", hop: "phone" },
    ]);
    // Too late.
    session.receiveGlasses(generation, { type: "audio_play_response", requestId: "a", success: true });
    expect(answersTo(app).length).toBe(1);
  });

  test("D-55: is refused at once while the phone is away, and the app goes on", async () => {
    const { world, session, generation, app } = await open();
    session.glassesClosed(generation);
    ask(session, app, playRequest("a"));
    expect(answersTo(app)).toMatchObject([
      {
        requestId: "a",
        success: false,
        error: "PHONE_NOT_CONNECTED: The phone is not connected",
        code: "PHONE_NOT_CONNECTED",
        hop: "phone",
      },
    ]);
    expect(app.closed).toBeUndefined();
    const glasses = new FakeGlasses(world.clock);
    const returned = session.attachGlasses(glasses);
    expect(glasses.of("audio_play_request")).toEqual([]);
    ask(session, app, playRequest("b"));
    session.receiveGlasses(returned, { type: "audio_play_response", requestId: "b", success: true });
    expect(answersTo(app).at(-1)).toMatchObject({ requestId: "b", success: true });
  });

  test("is refused if its address is none that a phone can fetch", async () => {
    const { session, glasses, app } = await open();
    for (const [i, audioUrl] of ["no address", "file:///etc/passwd", "javascript:alert(1)"].entries()) {
      ask(session, app, playRequest(`bad ${i}`, { audioUrl }));
    }
    expect(answersTo(app).length).toBe(3);
    for (const answer of answersTo(app))
      expect(answer).toMatchObject({ success: false, code: "BAD_REQUEST" });
    expect(glasses.of("audio_play_request")).toEqual([]);
  });

  test("is refused when too many of the app are open; other apps are not held up by that", async () => {
    const { session, glasses, app, second } = await open();
    for (let i = 0; i <= limits.playsPerApp; i++) ask(session, app, playRequest(`${i}`, { trackId: i }));
    expect(answersTo(app)).toMatchObject([
      { requestId: `${limits.playsPerApp}`, success: false, code: "TOO_MANY_REQUESTS" },
    ]);
    ask(session, second, playRequest("mine"), other);
    expect(glasses.of("audio_play_request").length).toBe(limits.playsPerApp + 1);
    expect(answersTo(second)).toEqual([]);
  });

  test("cannot take over the answer to another app's sound by using its id", async () => {
    const { session, generation, app, second } = await open();
    ask(session, app, playRequest("a"));
    ask(session, app, playRequest("a"));
    ask(session, second, playRequest("a"), other);
    expect(answersTo(second)).toMatchObject([{ success: false, code: "DUPLICATE_REQUEST" }]);
    session.receiveGlasses(generation, { type: "audio_play_response", requestId: "a", success: true });
    expect(answersTo(app)).toEqual([{ type: "audio_play_response", requestId: "a", success: true }]);
  });

  test("that is reported on while the app is away is answered when it is back", async () => {
    const { world, session, generation, app } = await open();
    ask(session, app, playRequest("a"));
    session.apps.closed(captions, app.generation);
    session.receiveGlasses(generation, { type: "audio_play_response", requestId: "a", success: true });
    const returned = world.connectApp(session, captions, undefined);
    world.subscribe(session, returned, captions, "button_press");
    await world.clock.advanceAsync(limits.appNudgeMs);
    expect(answersTo(returned)).toEqual([{ type: "audio_play_response", requestId: "a", success: true }]);
  });
});

describe("a sound that is to end", () => {
  test("because a newer one of the same track takes its place is answered by the phone, or else soon", async () => {
    const { world, session, generation, app } = await open();
    ask(session, app, playRequest("first"));
    ask(session, app, playRequest("second"));
    session.receiveGlasses(generation, { type: "audio_play_response", requestId: "first", success: true });
    expect(answersTo(app)).toEqual([{ type: "audio_play_response", requestId: "first", success: true }]);
    ask(session, app, playRequest("third"));
    await world.clock.advanceAsync(limits.playEndingMs);
    expect(answersTo(app).slice(1)).toMatchObject([
      { requestId: "second", success: false, code: "REPLACED" },
    ]);
  });

  test("is left alone by newer ones of other tracks, of other apps, and by those that may mix", async () => {
    const { world, session, app, second } = await open();
    ask(session, app, playRequest("a"));
    ask(session, app, playRequest("b", { trackId: 1 }));
    ask(session, app, playRequest("c", { stopOtherAudio: false }));
    ask(session, second, playRequest("d"), other);
    await world.clock.advanceAsync(limits.playEndingMs);
    expect(answersTo(app)).toEqual([]);
  });

  test("by the app's own stop ends no sound of another app", async () => {
    const { world, session, glasses, app, second } = await open();
    ask(session, app, playRequest("a"));
    ask(session, app, playRequest("b", { trackId: 1 }));
    ask(session, second, playRequest("c"), other);
    ask(session, app, { type: "audio_stop_request", trackId: 1 });
    await world.clock.advanceAsync(limits.playEndingMs);
    expect(answersTo(app)).toMatchObject([{ requestId: "b", success: false, code: "STOPPED" }]);
    ask(session, app, { type: "audio_stop_request" });
    await world.clock.advanceAsync(limits.playEndingMs);
    expect(answersTo(app).at(-1)).toMatchObject({ requestId: "a", success: false, code: "STOPPED" });
    expect(answersTo(second)).toEqual([]);
    const stop = { type: "audio_stop_request", sessionId: "user@example.com", appId: captions } as const;
    expect(glasses.of("audio_stop_request")).toEqual([{ ...stop, trackId: 1 }, stop]);
  });

  test("with its app is forgotten, and the phone is told to stop what that app plays", async () => {
    const { world, session, glasses, generation, app, second } = await open();
    ask(session, app, playRequest("a"));
    ask(session, second, playRequest("b"), other);
    const before = app.sent.length;
    session.apps.stop(captions);
    expect(glasses.of("audio_stop_request")).toEqual([
      { type: "audio_stop_request", sessionId: "user@example.com", appId: captions },
    ]);
    session.receiveGlasses(generation, { type: "audio_play_response", requestId: "a", success: true });
    await world.clock.advanceAsync(limits.playMs);
    expect(app.sent.slice(before).map(({ type }) => type)).toEqual(["app_stopped"]);
    expect(answersTo(second)).toMatchObject([{ requestId: "b", success: false }]);
  });

  test("with its app while the phone is away is stopped when the phone is back, and not played again", async () => {
    const { world, session, generation, app } = await open();
    ask(session, app, playRequest("a"));
    session.glassesClosed(generation);
    session.apps.stop(captions);
    const glasses = new FakeGlasses(world.clock);
    session.attachGlasses(glasses);
    expect(glasses.of("audio_stop_request").map(({ appId }) => appId)).toEqual([captions]);
    expect(glasses.of("audio_play_request")).toEqual([]);
  });

  test("nothing is told to stop for an app that never played anything", async () => {
    const { session, glasses } = await open();
    session.apps.stop(captions);
    expect(glasses.of("audio_stop_request")).toEqual([]);
  });
});

describe("a sound that the phone had when it was lost", () => {
  test("is sent once more on its return, under the same id, and only once", async () => {
    const { world, session, generation, app } = await open();
    ask(session, app, playRequest("a"));
    session.glassesClosed(generation);
    const glasses = new FakeGlasses(world.clock);
    const returned = session.attachGlasses(glasses);
    expect(glasses.of("audio_play_request").map(({ requestId }) => requestId)).toEqual(["a"]);
    session.glassesClosed(returned);
    const again = new FakeGlasses(world.clock);
    const generationNow = session.attachGlasses(again);
    expect(again.of("audio_play_request")).toEqual([]);
    session.receiveGlasses(generationNow, { type: "audio_play_response", requestId: "a", success: true });
    expect(answersTo(app).length).toBe(1);
  });

  test("is left to its deadline if too little of its time remains", async () => {
    const { world, session, generation, app } = await open();
    ask(session, app, playRequest("a"));
    await world.clock.advanceAsync(limits.playMs - limits.resendLeastMs);
    ask(session, app, playRequest("b", { trackId: 1 }));
    await world.clock.advanceAsync(1);
    session.glassesClosed(generation);
    const glasses = new FakeGlasses(world.clock);
    session.attachGlasses(glasses);
    expect(glasses.of("audio_play_request").map(({ requestId }) => requestId)).toEqual(["b"]);
  });
});

describe("the address of a sound", () => {
  const plain = "http://server.example:8002";
  test.each([
    [
      "this server's speech, without TLS",
      "https://server.example:8002/api/tts?text=a",
      plain,
      "http://server.example:8002/api/tts?text=a",
    ],
    [
      "the same under a start's path",
      "https://server.example:8002/s/n/api/tts?text=a+b",
      plain,
      "http://server.example:8002/s/n/api/tts?text=a+b",
    ],
    [
      "the same on the usual port",
      "https://server.example/api/tts?text=a",
      "http://server.example",
      "http://server.example/api/tts?text=a",
    ],
    [
      "this server's speech, with TLS",
      "https://server.example/api/tts?text=a",
      "https://server.example",
      undefined,
    ],
    ["another server's speech", "https://elsewhere.example:8002/api/tts?text=a", plain, undefined],
    ["something else of this server", "https://server.example:8002/sound.mp3", plain, undefined],
    ["a plain address", music, plain, undefined],
  ])("which is %s reaches the phone as one that it can fetch", (_what, given, publicUrl, expected) => {
    expect(playableUrl(given, publicUrl)).toBe(expected ?? given);
  });

  test("is rewritten on its way to the phone", async () => {
    const { session, glasses, app } = await open();
    ask(session, app, playRequest("a", { audioUrl: "https://server/s/n/api/tts?text=hello" }));
    expect(glasses.of("audio_play_request")[0]?.audioUrl).toBe("http://server/s/n/api/tts?text=hello");
  });
});

describe("the life of one sound", () => {
  const sent: PlayState = { name: "SENT", untilMs: 59_000, resent: false };
  const resent: PlayState = { ...sent, resent: true };
  const ending: PlayState = { name: "ENDING", untilMs: 5_000, code: "STOPPED" };
  const soon = { ...(limits as Limits), playEndingMs: 2_000, resendLeastMs: 10_000 };
  const ended = (phoneThere: boolean): PlayEvent => ({ kind: "ended", code: "REPLACED", phoneThere });
  const cases: [string, PlayState, PlayEvent, number, PlayState | undefined, string | undefined][] = [
    ["an answer", sent, { kind: "answered" }, 0, undefined, "relay"],
    ["an answer while ending", ending, { kind: "answered" }, 0, undefined, "relay"],
    ["a tick too early", sent, { kind: "tick" }, 58_999, sent, undefined],
    ["a tick in time", sent, { kind: "tick" }, 59_000, undefined, "refuse PHONE_TIMEOUT"],
    ["a tick while ending", ending, { kind: "tick" }, 5_000, undefined, "refuse STOPPED"],
    ["an end", sent, ended(true), 1_000, { name: "ENDING", untilMs: 3_000, code: "REPLACED" }, undefined],
    [
      "an end at the end",
      sent,
      ended(true),
      58_000,
      { name: "ENDING", untilMs: 59_000, code: "REPLACED" },
      undefined,
    ],
    ["an end without a phone", sent, ended(false), 1_000, undefined, "refuse REPLACED"],
    ["a second end", ending, ended(true), 4_000, ending, undefined],
    ["a return", sent, { kind: "phoneReturned" }, 49_000, resent, "resend"],
    ["a late return", sent, { kind: "phoneReturned" }, 49_001, sent, undefined],
    ["a second return", resent, { kind: "phoneReturned" }, 1_000, resent, undefined],
    ["a return while ending", ending, { kind: "phoneReturned" }, 1_000, ending, undefined],
  ];
  test.each(cases)("%s", (_name, state, event, nowMs, next, action) => {
    const [after, did] = nextPlay(state, event, nowMs, soon);
    expect(after).toEqual(next);
    const told = did === undefined ? undefined : did.kind === "refuse" ? `refuse ${did.code}` : did.kind;
    expect(told).toBe(action);
  });
});
