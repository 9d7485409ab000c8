import { afterAll, beforeAll, expect, test } from "bun:test";
import type { TranscriptionData } from "../../src/wire/apps.ts";
import { AssemblyAiSimulator } from "../support/assemblyai-simulator.ts";
import { countersIn } from "../support/counted-audio.ts";
import { spokenNumber } from "../support/counting-ear.ts";
import { DeepgramSimulator } from "../support/deepgram-simulator.ts";
import type { SdkApp } from "../support/sdk-app.ts";
import { SdkStage, type SdkUser } from "../support/sdk-stage.ts";
import { describeTrusting } from "../support/trusting-process.ts";
import { until } from "../support/until.ts";

const captions = "com.example.captions";
const notes = "com.example.notes";
const names = "com.example.names";
/** Numbers said before French is wanted as well, and in all. */
const before = 8;
const total = 40;

function account(key: string, url: string) {
  return { key, url, tokenUrl: undefined, model: undefined, concurrency: 10, opensPerMinute: 600 };
}

describeTrusting(import.meta.path, "unmodified SDK apps in two languages over two services", () => {
  let deepgram: DeepgramSimulator;
  let assemblyai: AssemblyAiSimulator;
  let stage: SdkStage;
  let captionsApp: SdkApp;
  let notesApp: SdkApp;
  let namesApp: SdkApp;
  let user: SdkUser;

  beforeAll(async () => {
    deepgram = new DeepgramSimulator({
      apiKeys: ["a-key"],
      // For French it never opens.
      faults: (number) =>
        deepgram.visits[number]?.query["language"] === "fr" ? { openMs: Number.POSITIVE_INFINITY } : {},
    });
    assemblyai = new AssemblyAiSimulator({ apiKeys: ["b-key"], maxSpeed: 1.25 });
    stage = await SdkStage.open(
      {
        speech: ["deepgram", "assemblyai"],
        deepgram: account("a-key", deepgram.url),
        assemblyai: account("b-key", assemblyai.url),
      },
      { recentAudioMs: 30_000 },
    );
    const english = (hint: string) =>
      [["events.onTranscriptionForLanguage", "en-US", { hints: [hint] }]] as const;
    captionsApp = await stage.app({
      runtime: "bun",
      packageName: captions,
      listen: [["events.onTranscription"]],
    });
    notesApp = await stage.app({ runtime: "bun", packageName: notes, listen: english("es") });
    namesApp = await stage.app({ runtime: "bun", packageName: names, listen: english("Grünwald") });
    user = await stage.join(captionsApp, captions);
    for (const [app, packageName] of [
      [notesApp, notes],
      [namesApp, names],
    ] as const) {
      user.glasses.startApp(packageName);
      const sessionId = `${user.email}-${packageName}`;
      await app.reports.until((report) => report.kind === "ready" && report.sessionId === sessionId);
      // By then the audio side has been told as well.
      await user.messages.until(
        (message) =>
          message.type === "app_state_change" &&
          message.userSession.appSubscriptions[packageName]?.some((one) =>
            one.startsWith("transcription"),
          ) === true,
      );
    }
  }, 90_000);

  afterAll(async () => {
    await stage.close();
    await deepgram.close();
    await assemblyai.close();
  });

  const heardBy = (app: SdkApp, language: string): TranscriptionData[] =>
    app.reports.events
      .flatMap((report) => (report.kind === "event" ? [report.data as TranscriptionData] : []))
      .filter(({ transcribeLanguage }) => transcribeLanguage === language);
  const finals = (app: SdkApp, language: string) =>
    heardBy(app, language)
      .filter(({ isFinal }) => isFinal)
      .flatMap(({ text }) => countersIn(text));

  /** Says numbers in real time. The detector hears no voice in them: the phone says that there is one. */
  async function say(first: number, last: number): Promise<void> {
    for (let number = first; number <= last; number++) {
      if ((number - first) % 4 === 0) user.glasses.reportVoice(true);
      await user.glasses.speak(spokenNumber(number));
    }
  }

  test("D-31: a language whose first service never opens delays no other, and is heard by the second from its beginning", async () => {
    await say(1, before);
    // In the middle of an utterance.
    await captionsApp.listen(user.sessionId, "events.onTranscriptionForLanguage", "fr-FR", {
      hints: ["Orléans"],
    });
    await say(before + 1, total);
    await user.glasses.speak(new Int16Array(6_400));
    user.glasses.reportVoice(false);
    await until("all English", () => finals(captionsApp, "en-US").at(-1) === total, 20_000);
    await until("all French", () => finals(captionsApp, "fr-FR").at(-1) === total, 30_000);
    const others = [notesApp, namesApp];
    await until("all English in the other apps", () =>
      others.every((app) => finals(app, "en-US").at(-1) === total),
    );

    const all = Array.from({ length: total }, (_, index) => index + 1);
    expect(finals(captionsApp, "en-US")).toEqual(all);
    for (const app of others) expect(finals(app, "en-US")).toEqual(all);
    // What had been said of the utterance when French came to be wanted is heard as well.
    expect(finals(captionsApp, "fr-FR")).toEqual(all);
    for (const app of others) expect(heardBy(app, "fr-FR")).toEqual([]);

    const providers = (language: string) =>
      new Set(heardBy(captionsApp, language).map(({ provider }) => provider));
    expect(providers("en-US")).toEqual(new Set(["deepgram"]));
    expect(providers("fr-FR")).toEqual(new Set(["assemblyai"]));
    // English went on while nobody had heard any French yet.
    const languages = captionsApp.reports.events.flatMap((report) =>
      report.kind === "event" ? [(report.data as TranscriptionData).transcribeLanguage] : [],
    );
    const firstFrench = languages.indexOf("fr-FR");
    expect(firstFrench).toBeGreaterThan(before / 2);

    // One stream for all three apps, with what each of them expects.
    const english = deepgram.visits.filter(({ query }) => query["language"] !== "fr");
    expect(english.map(({ query, keyterms }) => ({ language: query["language"], keyterms }))).toEqual([
      { language: "multi", keyterms: ["Grünwald"] },
    ]);
    expect(assemblyai.visits.map(({ query }) => query["keyterms_prompt"])).toEqual(['["Orléans"]']);
  }, 90_000);
});
