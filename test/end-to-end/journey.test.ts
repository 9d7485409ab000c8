import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { SpeechSynthesiser } from "../../src/simulator/speech-synthesiser.ts";
import type { AudioFormat } from "../../src/wire/audio-format.ts";
import { goForward, libriVox } from "../support/speech-fixtures.ts";
import { packageName, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";
import { wordErrorRate, wordErrors } from "../support/word-error.ts";

/** The whole way with nothing faked: glasses socket, rings, decoder, recogniser, and an app on the unmodified SDK. */
describe("from a spoken word to the display", () => {
  let stage: Stage;
  let glasses: SimulatedGlasses;
  const synthesiser = new SpeechSynthesiser();

  beforeAll(async () => {
    stage = await Stage.open();
    await stage.captionsApp("transcription", "audio", "button", "voice");
    await stage.speechReady();
    glasses = await stage.glasses();
  }, 90_000);

  afterAll(async () => {
    synthesiser.close();
    await stage.close();
  });

  test("the app is started by webhook, and its subscription turns the microphone on", async () => {
    expect(glasses.microphoneOn).toBe(false);
    glasses.startApp(packageName);
    await glasses.until(() => glasses.runningApps.includes(packageName), "the app to run", 20_000);
    await glasses.until(() => glasses.microphoneOn, "the microphone to be wanted", 10_000);
    expect(stage.app.events.find(({ kind }) => kind === "session")).toMatchObject({
      userId: "user@example.com",
    });
  });

  const codecs: [string, AudioFormat, string][] = [
    ["PCM", { codec: "pcm" }, "take a photo please"],
    ["Opus", { codec: "opus" }, "what is the weather like today"],
    ["LC3", { codec: "lc3", frameBytes: 40 }, "take a picture of this"],
  ];

  test.each(codecs)(
    "speech in %s comes back as interims and exactly one final, and is shown",
    async (_name, format, text) => {
      await glasses.configureAudio(format);
      const before = stage.transcripts.length;
      await glasses.speak(await synthesiser.synthesise(text));
      await until("the final", () => stage.transcripts.slice(before).some(({ isFinal }) => isFinal), 20_000);
      await glasses.until(() => glasses.displayText() === text, "the display", 5_000);
      const heard = stage.transcripts.slice(before);
      expect(heard.filter(({ isFinal }) => isFinal).map((final) => final.text)).toEqual([text]);
      expect(heard.length).toBeGreaterThan(1);
      expect(heard.at(-1)?.isFinal).toBe(true);
      expect(new Set(heard.map(({ utteranceId }) => utteranceId)).size).toBe(1);
      const final = heard.at(-1);
      expect(final).toMatchObject({ transcribeLanguage: "en-US", provider: "pocketsphinx" });
      expect(final?.endTime).toBeGreaterThan(final?.startTime ?? Number.POSITIVE_INFINITY);
      expect(final?.confidence).toBeGreaterThan(0);
      expect(final?.confidence).toBeLessThanOrEqual(1);
    },
    60_000,
  );

  test("times on the session's clock only move forward, over all codecs", () => {
    const finals = stage.finals;
    expect(finals.length).toBe(3);
    for (const [i, { startTime }] of finals.entries()) {
      expect(startTime).toBeGreaterThanOrEqual(finals[i - 1]?.endTime ?? 0);
    }
  });

  test("the app has got the sound as well, in chunks of whole samples", () => {
    const chunks = stage.app.events.flatMap((report) => (report.kind === "audio" ? [report.bytes] : []));
    // Over 5 s were spoken: 16,000 samples of two bytes a second.
    expect(chunks.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(5 * 32_000);
    expect(chunks.every((bytes) => bytes > 0 && bytes % 2 === 0)).toBe(true);
    // What had to be decoded comes in pieces of 20 ms at the most, PCM in the frames of 100 ms that the glasses have sent.
    expect(Math.max(...chunks)).toBeLessThanOrEqual(3_200);
    expect(chunks.filter((bytes) => bytes <= 640).length).toBeGreaterThan(chunks.length / 2);
  });

  test("a real recording is understood: go forward ten meters", async () => {
    await glasses.configureAudio({ codec: "pcm" });
    const before = stage.finals.length;
    await glasses.speak(goForward().pcm);
    await until("the final", () => stage.finals.length > before, 20_000);
    expect(wordErrors(goForward().text, stage.finals[before]?.text ?? "").errors).toBeLessThanOrEqual(1);
  }, 60_000);

  test("read sentences of an audio book are understood by more than half", async () => {
    const results = [];
    for (const recording of libriVox().slice(0, 3)) {
      const before = stage.finals.length;
      await glasses.speak(recording.pcm);
      // A reader's pause may split a sentence in two, so the end is when the voice has ended and nothing is pending.
      const ended = () => {
        const voice = stage.server.sessions.getSession("user@example.com")?.snapshot().isTranscribing;
        return voice === false && stage.finals.length > before && stage.transcripts.at(-1)?.isFinal === true;
      };
      await until(`the words of ${recording.name}`, ended, 30_000);
      const heard = stage.finals
        .slice(before)
        .map(({ text }) => text)
        .join(" ");
      results.push(wordErrors(recording.text, heard));
    }
    const rate = wordErrorRate(results);
    process.stdout.write(
      `word error rate of the audio book, over the whole way: ${(100 * rate).toFixed(1)} %\n`,
    );
    expect(rate).toBeLessThan(0.5);
  }, 120_000);

  test("a button press reaches the app", async () => {
    glasses.pressButton("long");
    const report = await stage.app.until(({ kind }) => kind === "button", 5_000);
    expect(report).toMatchObject({ data: { buttonId: "main", pressType: "long" } });
  });

  test("the app's end turns the microphone off and clears the display", async () => {
    glasses.stopApp(packageName);
    await glasses.until(() => !glasses.microphoneOn, "the microphone to be off", 10_000);
    expect(glasses.runningApps).toEqual([]);
    expect(glasses.display()).toEqual({ layoutType: "clear_view" });
    const stops = await stage.app.until(({ kind }) => kind === "stopped", 5_000);
    expect(stops).toMatchObject({ reason: "user_disabled" });
  });
});
