import { describe, expect, test } from "bun:test";
import type { SpeechState, Transcript } from "../../src/audio/speech.ts";
import { limits } from "../../src/kernel/limits.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { TranscriptionManager } from "../../src/session/transcription-manager.ts";
import type { VoiceCommand } from "../../src/session/voice-commands.ts";
import type { TranscriptionData } from "../../src/wire/apps.ts";
import { parseGlassesMessage } from "../../src/wire/glasses.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { appRecord, captions, FakeWorld } from "../support/fake-world.ts";

const off: SpeechState = { state: "off", detail: "nobody listens" };
const ready: SpeechState = { state: "ready", detail: "" };

function transcript(text: string, over: Partial<Transcript> = {}): Transcript {
  return {
    utteranceId: "u1",
    language: "en-US",
    text,
    isFinal: true,
    startMs: 1_000,
    endMs: 2_000,
    confidence: 0.9,
    provider: "test",
    ...over,
  };
}

/** A user with one app that hears `subscriptions`, and the worker's and the phone's side of the sound. */
async function stage(...subscriptions: string[]) {
  const world = new FakeWorld();
  const { session, glasses, generation } = await world.connect();
  const app = await world.runApp(session, captions, ...subscriptions);
  await world.clock.advanceAsync(1_000);
  const lane = () => world.lanes.opened[0];
  const phone = (message: object, from = generation) => {
    const parsed = parseGlassesMessage(JSON.stringify(message));
    if (parsed.kind !== "message") throw new Error(`not a message: ${JSON.stringify(parsed)}`);
    session.receiveGlasses(from, parsed.message);
  };
  const heard = () =>
    app.events.map(({ streamType, data }) => [streamType, (data as TranscriptionData).text]);
  return { world, session, glasses, generation, app, lane, phone, heard };
}

describe("transcripts", () => {
  test("reach every kind of subscriber under its own string, an utterance once each", async () => {
    const hinted = "transcription:en-US?no-language-identification=true&hints=en%2Ces";
    const { world, session, lane, heard } = await stage(hinted, "transcription", "transcription:auto");
    world.records.set("com.all", appRecord("com.all"));
    const everything = await world.runApp(session, "com.all", "*");
    lane()?.listener.onTranscript(transcript("hello"));
    expect(heard()).toEqual([
      [hinted, "hello"],
      ["transcription", "hello"],
      ["transcription:auto", "hello"],
    ]);
    expect(everything.events.map(({ streamType }) => streamType)).toEqual(["*"]);
  });

  test("of a language nobody subscribed to with its region reach nobody", async () => {
    const { lane, heard } = await stage("transcription:en-US");
    lane()?.listener.onTranscript(transcript("bonjour", { language: "fr-FR" }));
    expect(heard()).toEqual([]);
  });

  test("D-38: carry one id from interim to final, a speaker as text, and times of the session", async () => {
    const { lane, app } = await stage("transcription:en-US");
    lane()?.listener.onTranscript(transcript("hel", { isFinal: false, endMs: 1_500 }));
    lane()?.listener.onTranscript(transcript("hello"));
    expect(app.events.map(({ data }) => data)).toMatchObject([
      { text: "hel", isFinal: false, utteranceId: "u1", speakerId: "0", startTime: 1_000, duration: 500 },
      { text: "hello", isFinal: true, utteranceId: "u1", speakerId: "0", startTime: 1_000, duration: 1_000 },
    ]);
  });

  test("are listened for in one stream a language, whatever the options; `auto` in that of the default one", async () => {
    const { lane } = await stage(
      "transcription",
      "transcription:en-US?hints=es",
      "transcription:auto?hints=de",
      "transcription:fr-FR?no-language-identification=true",
    );
    expect(lane()?.demand).toEqual({
      languages: ["en-US", "fr-FR"],
      speech: [
        { language: "en-US", hints: ["de", "es"], identifyLanguage: true, anyLanguage: true },
        { language: "fr-FR", hints: [], identifyLanguage: false },
      ],
      pcm: false,
      encodedOnly: true,
      voice: false,
    });
  });

  test("are kept for 30 minutes and forgotten with the session", async () => {
    const { world, session, lane } = await stage("transcription:en-US");
    lane()?.listener.onTranscript(transcript("hello"));
    expect(session.transcription.history.query({ language: "en-US" })).toMatchObject([{ text: "hello" }]);
    await session.end();
    expect(session.transcription.history.size).toBe(0);
    expect(world.clock.pending).toBe(0);
  });

  test("that an app may not hear are denied by a message that names the stream", async () => {
    const world = new FakeWorld();
    world.records.set(captions, appRecord(captions, { permissions: ["LOCATION"] }));
    const { session } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US", "VAD", "button_press");
    expect(app.sent.find(({ type }) => type === "permission_error")).toMatchObject({
      details: [
        { stream: "transcription:en-US", requiredPermission: "MICROPHONE" },
        { stream: "VAD", requiredPermission: "MICROPHONE" },
      ],
    });
    expect(session.apps.subscriptions.literalsOf(captions)).toEqual(["button_press"]);
    await world.clock.advanceAsync(1_000);
    expect(world.lanes.opened).toEqual([]);
  });
});

describe("what the phone has transcribed", () => {
  const local = (text: string, isFinal: boolean, over: object = {}) => ({
    type: "local_transcription",
    text,
    isFinal,
    transcribeLanguage: "en-US",
    ...over,
  });

  test("counts only while speech is off", async () => {
    const { lane, phone, heard } = await stage("transcription:en-US");
    phone(local("one", true));
    lane()?.listener.onSpeechState(off);
    phone(local("two", true));
    lane()?.listener.onSpeechState(ready);
    phone(local("three", true));
    expect(heard()).toEqual([["transcription:en-US", "two"]]);
  });

  test("counts for the languages that nobody serves, and not for those that are served", async () => {
    const { lane, phone, heard } = await stage("transcription:en-US", "transcription:fr-FR");
    lane()?.listener.onSpeechState({ ...off, unserved: ["fr-FR"] });
    phone(local("hello", true));
    phone(local("bonjour", true, { transcribeLanguage: "fr-FR" }));
    expect(heard()).toEqual([["transcription:fr-FR", "bonjour"]]);
  });

  test("has the form of every transcript: text as speaker, ids, session times", async () => {
    const { world, lane, phone, app } = await stage("transcription:en-US", "transcription:auto");
    lane()?.listener.onSpeechState(off);
    const startTime = world.clock.now();
    phone(local("hel", false, { speakerId: 2, startTime, endTime: startTime + 300 }));
    phone(local("hello", true, { speakerId: 2, startTime, endTime: startTime + 700, provider: "sherpa" }));
    phone(local("you", true, { speakerId: 3, startTime: startTime + 900, endTime: startTime + 1_000 }));
    const data = app.events
      .filter(({ streamType }) => streamType === "transcription:en-US")
      .map((event) => event.data as TranscriptionData);
    expect(data).toMatchObject([
      { text: "hel", isFinal: false, speakerId: "2", startTime: 1_000, duration: 300, provider: "phone" },
      { text: "hello", isFinal: true, speakerId: "2", startTime: 1_000, duration: 700, provider: "sherpa" },
      { text: "you", isFinal: true, speakerId: "3", startTime: 1_900, duration: 100 },
    ]);
    const ids = data.map(({ utteranceId }) => utteranceId);
    expect(ids[0]).toBe(ids[1] ?? "");
    expect(ids[2]).not.toBe(ids[1] ?? "");
    expect(app.events.filter(({ streamType }) => streamType === "transcription:auto")).toHaveLength(3);
  });

  test("in a language without a region is in the one listened to", async () => {
    const { lane, phone, heard } = await stage("transcription:en-GB", "transcription:pt-BR");
    lane()?.listener.onSpeechState(off);
    phone(local("hello", true, { transcribeLanguage: "en" }));
    phone(local("oi", true, { transcribeLanguage: "pt" }));
    expect(heard()).toEqual([
      ["transcription:en-GB", "hello"],
      ["transcription:pt-BR", "oi"],
    ]);
  });

  test("and has not finished is ended when the server hears again", async () => {
    const { lane, phone, app } = await stage("transcription:en-US");
    lane()?.listener.onSpeechState(off);
    phone(local("good mor", false));
    lane()?.listener.onSpeechState(ready);
    expect(app.events.map(({ data }) => (data as TranscriptionData).isFinal)).toEqual([false, true]);
  });

  test("in more languages than are remembered ends what was begun longest ago, and keeps little of any name", async () => {
    const { lane, phone, session } = await stage("transcription:en-US");
    lane()?.listener.onSpeechState(off);
    const languages = Array.from({ length: limits.transcriptLanguages + 1 }, (_, i) => `x${i}-XX`);
    for (const transcribeLanguage of languages) {
      phone(local("begun", false, { transcribeLanguage, speakerId: "s".repeat(1_000) }));
    }
    const { history } = session.transcription;
    // The history has as many languages: the end of the oldest has taken the place of what was oldest there.
    expect(history.query({ language: languages[0] ?? "" })).toMatchObject([
      { text: "begun", isFinal: true, speakerId: "s".repeat(64) },
    ]);
    phone(local("begun and ended", true, { transcribeLanguage: languages[0] ?? "" }));
    const ids = history.query({ language: languages[0] ?? "" }).map(({ resultId }) => resultId);
    expect(new Set(ids).size).toBe(2);
    for (const name of ["transcribeLanguage", "provider"]) {
      const text = JSON.stringify(local("hello", true, { [name]: "x".repeat(65) }));
      expect(parseGlassesMessage(text).kind).toBe("invalid");
    }
  });

  test("is left out when it is empty or far too long", async () => {
    const { world, lane, phone, heard } = await stage("transcription:en-US");
    lane()?.listener.onSpeechState(off);
    phone(local("  ", true));
    phone(local("x".repeat(limits.transcriptChars + 1), true));
    expect(heard()).toEqual([]);
    expect(await world.count("browline_messages_rejected_total", { reason: "oversized_transcript" })).toBe(1);
  });
});

describe("voice activity", () => {
  test("of the phone is relayed as VAD, in both spellings and both forms of its status", async () => {
    const { phone, app, lane, session } = await stage("VAD", "transcription:en-US");
    phone({ type: "VAD", status: true });
    expect(session.snapshot().isTranscribing).toBe(true);
    phone({ type: "vad", status: "false" });
    expect(session.snapshot().isTranscribing).toBe(false);
    phone({ type: "vad", status: true });
    expect(app.events).toMatchObject([
      { streamType: "VAD", data: { type: "VAD", status: true } },
      { streamType: "VAD", data: { type: "VAD", status: "false" } },
      { streamType: "VAD", data: { type: "VAD", status: true } },
    ]);
    expect(lane()?.told.filter((line) => line.startsWith("voice"))).toEqual([
      "voice true",
      "voice false",
      "voice true",
    ]);
  });

  test("as the server hears it is told while the phone says nothing, and not once it does", async () => {
    const { world, session, phone, app, lane, generation } = await stage("VAD", "transcription:en-US");
    const statuses = () => app.events.map(({ data }) => (data as { status: unknown }).status);
    lane()?.listener.onVoice(true, 100);
    lane()?.listener.onVoice(false, 900);
    expect(statuses()).toEqual([true, false]);
    expect(app.events[0]).toMatchObject({ streamType: "VAD", data: { type: "VAD" } });
    phone({ type: "VAD", status: true });
    lane()?.listener.onVoice(true, 1_000);
    lane()?.listener.onVoice(false, 2_000);
    expect(statuses()).toEqual([true, false, true]);

    session.glassesClosed(generation);
    const again = await world.connect();
    expect(again.session).toBe(session);
    lane()?.listener.onVoice(true, 3_000);
    expect(statuses()).toEqual([true, false, true, true]);
  });

  test("ends with the glasses' socket: the phone may never say so", async () => {
    const { session, phone, app, generation } = await stage("VAD", "transcription:en-US");
    phone({ type: "VAD", status: true });
    session.glassesClosed(generation);
    expect(session.snapshot().isTranscribing).toBe(false);
    expect(app.events.at(-1)).toMatchObject({ streamType: "VAD", data: { type: "VAD", status: false } });
  });
});

describe("the phone as a subscriber", () => {
  const streams = (glasses: { of(type: "data_stream"): { streamType: string }[] }) =>
    glasses.of("data_stream").map(({ streamType }) => streamType);

  test("hears what it subscribed to under its own string, and turns speech on", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    const hinted = "transcription:en-US?hints=es";
    session.receiveGlasses(generation, {
      type: "phone_subscription_update",
      subscriptions: [hinted, "transcription:auto", "button_press", "audio_chunk", "no_such_stream"],
    });
    await world.clock.advanceAsync(1_000);
    const [lane] = world.lanes.opened;
    expect(lane?.demand).toMatchObject({ languages: ["en-US"], pcm: false });
    expect(glasses.microphone).toBe(true);
    lane?.listener.onTranscript(transcript("hello"));
    lane?.listener.onPcm(new Uint8Array(640));
    session.receiveGlasses(generation, { type: "button_press", buttonId: "main", pressType: "short" });
    expect(streams(glasses)).toEqual([hinted, "transcription:auto", "button_press"]);
    expect(glasses.of("data_stream")[0]?.data).toMatchObject({ type: "transcription", text: "hello" });
    expect(session.snapshot().activeAppSessions).toEqual([]);
  });

  test("hears no more when it says so, while the apps go on hearing", async () => {
    const { session, generation, glasses, lane, heard } = await stage("transcription:en-US");
    const subscribe = (...subscriptions: string[]) =>
      session.receiveGlasses(generation, { type: "phone_subscription_update", subscriptions });
    subscribe("transcription:en-US");
    subscribe();
    lane()?.listener.onTranscript(transcript("hello"));
    expect(streams(glasses)).toEqual([]);
    expect(heard()).toEqual([["transcription:en-US", "hello"]]);
  });

  test("keeps its list over a drop of its socket", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    session.receiveGlasses(generation, {
      type: "phone_subscription_update",
      subscriptions: ["button_press"],
    });
    session.glassesClosed(generation);
    const { glasses, generation: next } = await world.connect();
    session.receiveGlasses(next, { type: "button_press", buttonId: "main", pressType: "long" });
    expect(streams(glasses)).toEqual(["button_press"]);
  });

  test("is held to the bound of every subscriber", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const subscriptions = Array.from({ length: limits.subscriptionsPerApp + 3 }, (_, i) => `stream_${i}`);
    session.receiveGlasses(generation, { type: "phone_subscription_update", subscriptions });
    expect(await world.count("browline_messages_rejected_total", { reason: "too_many_subscriptions" })).toBe(
      3,
    );
  });
});

describe("spoken commands", () => {
  function listener(enabled = true) {
    const obeyed: VoiceCommand[] = [];
    const metrics = new Metrics();
    const manager = new TranscriptionManager({
      clock: new FakeClock(),
      limits,
      metrics,
      publish: () => {},
      onSaid: () => {},
      onStateChange: () => {},
      voiceCommands: () => enabled,
      callableApps: () => [{ packageName: captions, name: "Captions" }],
      obey: (command) => obeyed.push(command),
      changed: () => {},
    });
    const say = (text: string, over: Partial<Transcript> = {}) =>
      manager.onTranscript(transcript(text, over));
    return { manager, metrics, obeyed, say };
  }

  test("are obeyed when a final says them", () => {
    const { obeyed, say } = listener();
    say("start captions", { isFinal: false });
    expect(obeyed).toEqual([]);
    say("start captions");
    say("stop captions", { utteranceId: "u2" });
    expect(obeyed).toEqual([
      { action: "start", packageName: captions },
      { action: "stop", packageName: captions },
    ]);
  });

  test("are not obeyed when the user has not turned them on", () => {
    const { manager, obeyed, say } = listener(false);
    say("start captions");
    expect(obeyed).toEqual([]);
    expect(manager.demandOf({ languages: [], speech: [], pcm: false, voice: false }).languages).toEqual([]);
  });

  test("are not obeyed when the recogniser is not sure, or does not say how sure it is", async () => {
    const { metrics, obeyed, say } = listener();
    say("start captions", { confidence: limits.voiceCommandPercent / 100 - 0.01 });
    const { confidence: _, ...unsure } = transcript("start captions");
    listener().manager.onTranscript(unsure);
    expect(obeyed).toEqual([]);
    const counted = await metrics.voiceCommands.get();
    expect(counted.values).toMatchObject([{ labels: { outcome: "doubtful" }, value: 1 }]);
  });

  test("asking what there is to listen to changes nothing of what is listened to", () => {
    const heard: string[] = [];
    const manager = new TranscriptionManager({
      clock: new FakeClock(),
      limits,
      metrics: new Metrics(),
      publish: (key) => heard.push(key),
      onSaid: () => {},
      onStateChange: () => {},
      voiceCommands: () => false,
      callableApps: () => [],
      obey: () => {},
      changed: () => {},
    });
    const of = (...languages: string[]) => ({
      languages,
      speech: languages.map((language) => ({ language, hints: [], identifyLanguage: true })),
      pcm: false,
      voice: false,
    });
    manager.listenFor(of("en-US"));
    manager.demandOf(of("auto", "de-DE"));
    manager.onTranscript(transcript("hello"));
    expect(heard).toEqual(["transcription:en-US"]);
    manager.listenFor(of("auto"));
    manager.onTranscript(transcript("hello"));
    expect(heard.slice(1)).toEqual(["transcription:en-US", "transcription:auto"]);
  });

  test("turn speech on though no app wants it", () => {
    const { manager } = listener();
    const { languages, speech } = manager.demandOf({ languages: [], speech: [], pcm: false, voice: false });
    expect(languages).toEqual(["en-US"]);
    // What is likely to be said.
    expect(speech).toMatchObject([{ hints: ["Captions"], identifyLanguage: false }]);
  });
});
