import type { TranscriptionData } from "../../src/wire/apps.ts";
import { type ContinuityApps, type Listener, ofEach, sdkRuntimes } from "./continuity-apps.ts";
import { ContinuityStage, patienceMs, pause } from "./continuity-stage.ts";
import { judgePresses, type PressVerdict } from "./press-verdict.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { until } from "./until.ts";

export interface DrainOptions {
  /** What is being said when the server is told to end. */
  readonly speech: Int16Array;
  readonly fault?: string;
}

export interface DrainReport {
  readonly pressed: number;
  /** Of what the server had taken before it closed the glasses' socket, and of all that was pressed after that. */
  readonly verdicts: Readonly<Record<Listener, PressVerdict>>;
  /** What was last heard before the signal of what was being said. */
  readonly interim: TranscriptionData | undefined;
  /** Finals of that utterance, as each app was handed them. */
  readonly finals: Readonly<Record<Listener, readonly TranscriptionData[]>>;
  /** Presses that had been read by the server and that it did not take. */
  readonly refused: readonly number[];
  /** Close codes that the glasses and the counting app saw. */
  readonly closeCodes: { readonly glasses: number | undefined; readonly app: number | undefined };
  /** What `/health` answered with between the signal and the end. */
  readonly health: readonly number[];
  readonly exitCode: number;
  /** From the signal to the end of the process. */
  readonly endMs: number;
  /** How often the counting app was told of lost speech. */
  readonly gaps: number;
  readonly toldLost: number;
}

/** Clause 3: the server is told to end while somebody speaks and buttons are pressed, and the next one is started. */
export async function drain(
  apps: ContinuityApps,
  random: SeededRandom,
  { speech, fault }: DrainOptions,
): Promise<DrainReport> {
  const stage = await ContinuityStage.open(apps, {
    recogniser: "auto",
    ...(fault !== undefined && { fault }),
  });
  const silence = new AbortController();
  try {
    await stage.begin();
    await stage.speechReady();
    stage.startPressing();
    void stage.glasses.speak(speech, silence.signal).catch(() => {});
    const heard = () => apps.heard("counting", "transcription", stage.email) as TranscriptionData[];
    await until("a few words", () => heard().some(({ text }) => text.split(" ").length >= 3), patienceMs);
    // Whoever is away at that moment has only what is kept for it.
    await stage.cutOff(random.pick(sdkRuntimes), random.integer(3, 12));
    const interim = heard().at(-1);
    const signalledMs = performance.now();
    stage.server.signal("SIGTERM");
    const health: number[] = [];
    let before: number | undefined;
    while (stage.server.running) {
      const { status } = await stage.server.health();
      if (status !== 0) health.push(status);
      if (!stage.glasses.connected) before ??= stage.pressed;
      await pause(2);
    }
    const exitCode = await stage.server.exited;
    const endMs = performance.now() - signalledMs;
    silence.abort();
    const highest = stage.highestKept;
    before ??= stage.pressed;
    const refused = stage.read.map(({ press }) => press).filter((press) => press > highest);
    const [app] = apps.counting.sessions.events.filter(
      ({ userId, closed }) => userId === stage.email && closed !== undefined,
    );
    await stage.restart();
    await stage.everybodyListens();
    stage.stopPressing();
    await stage.settle();
    const owed = stage.allPresses.filter((press) => press <= highest || press > (before ?? 0));
    return {
      pressed: stage.pressed,
      verdicts: ofEach((listener) => judgePresses(owed, stage.presses(listener))),
      finals: ofEach((listener) =>
        (apps.heard(listener, "transcription", stage.email) as TranscriptionData[]).filter(
          ({ isFinal, utteranceId }) => isFinal && utteranceId === interim?.utteranceId,
        ),
      ),
      interim,
      refused,
      closeCodes: { glasses: stage.closeCodes[0], app: app?.closed?.code },
      health,
      exitCode,
      endMs,
      toldLost: stage.toldLost,
      gaps: stage.told.filter(({ gap }) => gap !== undefined).length,
    };
  } finally {
    silence.abort();
    await stage.close();
  }
}
