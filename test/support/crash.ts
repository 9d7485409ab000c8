import { type ContinuityApps, type Listener, ofEach, packageOf, sdkRuntimes } from "./continuity-apps.ts";
import { ContinuityStage, patienceMs, pause } from "./continuity-stage.ts";
import { jpeg } from "./jpeg.ts";
import { passedPresses } from "./passed-presses.ts";
import { judgePresses, type PressVerdict } from "./press-verdict.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { until } from "./until.ts";

export interface CrashOptions {
  readonly kills: number;
  /** How long the server lives at most before it is killed. */
  readonly aliveMs: number;
  /** How long the server stays away after the last kill; the SDK gives up after about 3 s. */
  readonly lastAwayMs: number;
  /** What somebody says when the server is killed for the first time; undefined: nobody speaks. */
  readonly speech?: Int16Array;
  readonly fault?: string;
}

export interface CrashReport {
  readonly pressed: number;
  /** Of what was committed, or had got out to any app, before a kill, and of all that was pressed after the last. */
  readonly verdicts: Readonly<Record<Listener, PressVerdict>>;
  /** Presses that an app was sent and had not confirmed, and that the data folder did not hold. */
  readonly uncommitted: readonly number[];
  /** Of each kill: for how long a press had been read by the server and was not kept, in milliseconds; 0: none. */
  readonly atRiskMs: readonly number[];
  /** Of each start: from the start of the process until it listened. */
  readonly bootMs: readonly number[];
  /** Of each return of the glasses: the apps that the session had, and what was shown. */
  readonly returns: readonly { readonly apps: readonly string[]; readonly text: string }[];
  /** How often each SDK app's handlers were set up after the last kill. */
  readonly begunAnew: readonly number[];
  /** Whether the photo that was asked for before the first kill has reached the app. */
  readonly photoCame: boolean;
  /** How many events the counting app was told that it had missed. */
  readonly toldLost: number;
  /** What the counting app was told of lost speech after the first kill, relative to that, in milliseconds. */
  readonly gap: { readonly fromMs: number; readonly toMs: number } | undefined;
}

export const caption = "still here";

/** Clause 2: the server is killed at random moments while buttons are pressed, and started again. */
export async function crash(
  apps: ContinuityApps,
  random: SeededRandom,
  { kills, aliveMs, lastAwayMs, speech, fault }: CrashOptions,
): Promise<CrashReport> {
  const recogniser = speech === undefined ? "off" : "auto";
  const stage = await ContinuityStage.open(apps, { recogniser, ...(fault !== undefined && { fault }) });
  const sessionId = `${stage.email}-${packageOf("bun")}`;
  const owed: number[] = [];
  const uncommitted: number[] = [];
  const atRiskMs: number[] = [];
  const bootMs: number[] = [];
  const returns: CrashReport["returns"][number][] = [];
  const silence = new AbortController();
  let photo: Promise<unknown> = Promise.resolve();
  let begun: number[] = [];
  let firstKillMs = 0;
  try {
    await stage.begin();
    await apps.sdk("bun").call(sessionId, "layouts.showTextWall", caption);
    await stage.glasses.until(() => stage.glasses.displayText() === caption, "the caption", patienceMs);
    photo = apps.sdk("bun").call(sessionId, "camera.requestPhoto");
    photo.catch(() => {});
    const { requestId } = await stage.message("photo_request");
    if (speech !== undefined) {
      await stage.speechReady();
      void stage.glasses.speak(speech, silence.signal).catch(() => {});
      await until(
        "a word",
        () => apps.heard("counting", "transcription", stage.email).length > 0,
        patienceMs,
      );
    }
    stage.startPressing();
    let from = 1;
    for (let kill = 1; kill <= kills; kill++) {
      await pause(random.integer(0, aliveMs));
      // Whoever is away at that moment has only what is kept for it.
      await stage.cutOff(random.pick(sdkRuntimes), random.integer(3, 12));
      const killedMs = performance.now();
      if (kill === 1) firstKillMs = Date.now();
      await stage.server.kill();
      silence.abort();
      const kept = Object.entries(stage.kept());
      for (const [listener, presses] of kept) {
        const { unconfirmed } = passedPresses(stage.cutter.passed, packageOf(listener as Listener));
        uncommitted.push(
          ...unconfirmed.map(({ press }) => press).filter((press) => !presses.includes(press)),
        );
      }
      const highest = stage.highestKept;
      for (let press = from; press <= highest; press++) owed.push(press);
      const atRiskSinceMs = stage.readSinceMs(Math.max(highest, from - 1)) ?? killedMs;
      atRiskMs.push(Math.max(0, killedMs - atRiskSinceMs));
      await stage.glasses.until(() => !stage.glasses.connected, "the loss", patienceMs);
      from = stage.pressed + 1;
      begun = stage.sessionsBegun();
      if (kill === kills) await pause(lastAwayMs);
      await stage.restart();
      bootMs.push(stage.server.bootMs);
      const ack = await stage.message("connection_ack");
      const display = await stage.message("display_event");
      returns.push({
        apps: ack.userSession.activeAppSessions,
        text: display.layout.layoutType === "text_wall" ? display.layout.text : "",
      });
      if (kill === 1) {
        const again = await stage.message("photo_request");
        if (again.requestId === requestId) await stage.glasses.uploadPhoto(again, jpeg());
      }
      await stage.everybodyListens();
    }
    stage.stopPressing();
    await stage.settle();
    for (let press = from; press <= stage.pressed; press++) owed.push(press);
    const { gap } = stage.told.find((told) => told.gap !== undefined) ?? {};
    return {
      pressed: stage.pressed,
      verdicts: ofEach((listener) => judgePresses(owed, stage.presses(listener))),
      uncommitted,
      atRiskMs,
      bootMs,
      returns,
      begunAnew: stage.sessionsBegun().map((sessions, i) => sessions - (begun[i] ?? 0)),
      photoCame: await photo.then(
        () => true,
        () => false,
      ),
      toldLost: stage.toldLost,
      gap: gap && { fromMs: gap.fromMs - firstKillMs, toMs: gap.toMs - firstKillMs },
    };
  } finally {
    silence.abort();
    await stage.close();
  }
}
