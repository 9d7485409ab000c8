import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sha256Hex } from "../../src/kernel/identity.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { quiet, type Recording, synthesised } from "../support/speech-fixtures.ts";
import { packageName as captions, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";
import { WireApp } from "../support/wire-app.ts";

const translator = "com.example.translator";
const player = "com.example.player";
const key = "key of all three";

describe("starting and stopping apps by voice, with real speech", () => {
  let stage: Stage;
  let glasses: SimulatedGlasses;
  const apps = new Map<string, WireApp>();
  let session: UserSession;
  let said: ReadonlyMap<string, Recording>;

  beforeAll(async () => {
    stage = await Stage.open();
    const sentences = [
      "start translator",
      "stop translator",
      "play some music",
      "stop captions",
      "stop messages",
    ];
    [said] = await Promise.all([
      synthesised(sentences).then(
        (spoken) => new Map(spoken.map((recording) => [recording.text, recording])),
      ),
      stage.speechReady(),
    ]);
    const register = async (packageName: string, name: string, phrases: string[], streams: string[]) => {
      const app = new WireApp(packageName, key, streams);
      apps.set(packageName, app);
      await stage.server.store.saveApp({
        packageName,
        name,
        phrases,
        publicUrl: app.url,
        type: "background",
        apiKeyHash: sha256Hex(key),
        permissions: ["MICROPHONE"],
      });
    };
    await register(captions, "Captions", [], ["transcription:en-US"]);
    await register(translator, "Translator", [], []);
    await register(player, "Sound Box", ["play some music"], []);
    glasses = await stage.glasses();
    const found = stage.server.sessions.getSession("user@example.com");
    if (found === undefined) throw new Error("there is no session");
    session = found;
  }, 90_000);

  afterAll(async () => {
    for (const app of apps.values()) await app.close();
    await stage.close();
  });

  /** Says a sentence until it is understood word by word: how a room hums meanwhile is never the same. */
  async function say(text: string): Promise<void> {
    const recording = said.get(text);
    if (recording === undefined) throw new Error(`${text} was not synthesised`);
    for (let attempt = 1; attempt <= 3; attempt++) {
      const heardBefore = finals().length;
      await glasses.speak(recording.pcm);
      const isOver = () =>
        !session.snapshot().isTranscribing && session.transcription.history.query().at(-1)?.isFinal;
      await until(`the end of "${text}"`, () => finals().length > heardBefore && isOver(), 30_000);
      if (finals().at(-1) === text && finals().length === heardBefore + 1) return;
      process.stdout.write(`"${text}" was heard as ${JSON.stringify(finals().slice(heardBefore))}\n`);
    }
    throw new Error(`"${text}" was not understood`);
  }

  function finals(): string[] {
    return session.transcription.history.query().flatMap(({ text, isFinal }) => (isFinal ? [text] : []));
  }

  const running = () => session.apps.inState("RUNNING");

  test("does nothing while the user has not turned it on", async () => {
    glasses.startApp(captions);
    await glasses.until(() => glasses.microphoneOn, "the microphone to be on");
    // The detector of voices has to know the noise of the room before it knows a voice.
    await glasses.speak(quiet(500));
    await say("play some music");
    await glasses.roundTrip();
    expect(running()).toEqual([captions]);
  }, 60_000);

  test("stops the app that is named", async () => {
    session.settings.changePhone({ voice_commands: true });
    await say("stop captions");
    await until("the captions to be stopped", () => !running().includes(captions));
    await until("its server to be told", () => apps.get(captions)?.webhooks.includes("stop_request"));
  }, 60_000);

  test("listens though no app does, and starts the app whose phrase was said", async () => {
    await glasses.until(() => glasses.microphoneOn, "the microphone to be on");
    await say("play some music");
    await until("the player to start", () => running().includes(player));
  }, 60_000);

  test("starts the app that is named", async () => {
    await say("start translator");
    await until("the translator to run", () => running().includes(translator));
  }, 60_000);

  test("leaves everything as it is when no app is called so", async () => {
    const before = running();
    await say("stop messages");
    await glasses.roundTrip();
    expect(running()).toEqual(before);
    expect(await stage.count("browline_voice_commands_total", { outcome: "doubtful" })).toBe(0);
  }, 60_000);

  test("D-30: the first word after a pause is there, with the phone's own word that somebody speaks", async () => {
    await glasses.speak(quiet(1_500));
    glasses.reportVoice(true);
    await say("stop translator");
    glasses.reportVoice(false);
    await until("the translator to be stopped", () => !running().includes(translator));
  }, 60_000);
});
