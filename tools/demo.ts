import { setTimeout as sleep } from "node:timers/promises";
import type { CaptionsReport } from "../src/simulator/captions-app.ts";
import { createAudioEncoder } from "../src/simulator/create-audio-encoder.ts";
import { SpeechSynthesiser } from "../src/simulator/speech-synthesiser.ts";
import type { AudioFormat } from "../src/wire/audio-format.ts";
import { CommandFailure, runCommand } from "./command.ts";
import { isRight, resultSummary, resultTable, type SentenceResult } from "./demo-report.ts";
import { demoScript } from "./demo-script.ts";
import { type DemoStage, openDemoStage } from "./demo-stage.ts";
import { interruption } from "./interruption.ts";
import { LiveLine } from "./live-line.ts";
import { aptLine, serverPackages, system } from "./system-packages.ts";

/** Room noise before a sentence, and at least after it. */
const beforeMs = 500;
const afterMs = 800;
/** How long a final, and then the display, may take before the sentence counts as lost. A later final spoils the next. */
const finalWaitMs = 15_000;
const displayWaitMs = 2_000;
/** A sample louder than this is heard. */
const audible = 300;

/**
 * `bun run demo`: glasses speak, an unmodified app hears, the glasses show it. Exits with 0 only if every word came back.
 */
const usage = `usage: bun run demo
  Starts a server and an app on the real SDK, and speaks to simulated glasses in PCM, Opus and LC3. Exits with 0 only if
  every word came back at the app and on the display. Takes about 40 s; ports and data are its own.`;

await runCommand(usage, async () => {
  const missing = system.missing(serverPackages).filter((name) => name !== "libopus0");
  if (missing.length > 0) {
    throw new CommandFailure(`The demo needs ${missing.join(", ")}. On Debian: sudo ${aptLine(missing)}`);
  }
  // Before anything runs: says what is wrong with the library, if something is.
  createAudioEncoder({ codec: "lc3", frameBytes: 40 }).close();

  const startedMs = performance.now();
  const synthesiser = new SpeechSynthesiser();
  const heard = new Listener();
  let opening: Promise<DemoStage> | undefined;
  const interrupted = interruption().then(() => {
    throw new CommandFailure("\nThe demo was interrupted.");
  });
  // It may come while nobody waits for it.
  interrupted.catch(() => {});
  try {
    const sentences = demoScript.flatMap(({ sentences }) => sentences);
    const speech = await Promise.all(
      sentences.map(async (text) => [text, await synthesiser.synthesise(text)] as const),
    );
    opening = openDemoStage(heard);
    const stage = await Promise.race([opening, interrupted]);
    console.log(`Server         ${stage.serverUrl}`);
    console.log(`Captions app   ${stage.appUrl}  (@mentra/sdk, a process of its own)`);
    console.log("Glasses        connected, app started, microphone on\n");
    const results = await Promise.race([perform(stage, heard, new Map(speech)), interrupted]);
    console.log(`\n${resultTable(results).join("\n")}\n\n${resultSummary(results)}`);
    console.log(`${Math.round((performance.now() - startedMs) / 1000)} s in all`);
    if (!results.every(isRight)) throw new CommandFailure("Not every word came back right.");
  } finally {
    synthesiser.close();
    await opening?.then(
      (stage) => stage.close(),
      () => {},
    );
  }
});

/** What has arrived since a sentence began. */
class Listener {
  finals: { text: string; atMs: number }[] = [];
  interims = 0;
  line: ((text: string) => void) | undefined;
  wake: () => void = () => {};

  onReport(report: CaptionsReport): void {
    if (report.kind === "error") console.error(`The captions app failed: ${report.message}`);
    if (report.kind !== "transcript") return;
    if (report.data.isFinal) this.finals.push({ text: report.data.text, atMs: Date.now() });
    else {
      this.interims++;
      this.line?.(report.data.text);
    }
    this.wake();
  }

  onDisplay(): void {
    this.wake();
  }

  begin(line: (text: string) => void): void {
    this.finals = [];
    this.interims = 0;
    this.line = line;
  }

  /** Resolves when `condition` holds, or after `timeoutMs`; says which. */
  async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = () => {
      if (condition()) resolve(true);
    };
    this.wake = look;
    const timer = setTimeout(() => resolve(false), timeoutMs);
    look();
    const held = await promise;
    clearTimeout(timer);
    this.wake = () => {};
    return held;
  }
}

/** Speaks the whole script in one session. */
async function perform(
  { glasses }: DemoStage,
  heard: Listener,
  speech: ReadonlyMap<string, Int16Array>,
): Promise<SentenceResult[]> {
  const results: SentenceResult[] = [];
  for (const { format, sentences } of demoScript) {
    await glasses.configureAudio(format);
    console.log(heading(format));
    for (const said of sentences) {
      const samples = speech.get(said) ?? new Int16Array();
      const line = new LiveLine();
      heard.begin((text) => line.update(`  … ${text}`));
      await sleep(beforeMs);
      const { endedAtMs } = await glasses.speak(samples);
      const silentAtMs = endedAtMs - trailingSilence(samples) / 16;
      await heard.until(() => heard.finals.length > 0, finalWaitMs);
      const final = heard.finals[0];
      const showsIt = await heard.until(
        () => glasses.displayText() === final?.text,
        final ? displayWaitMs : 0,
      );
      const shownMs = showsIt ? Date.now() - silentAtMs : undefined;
      await sleep(Math.max(0, endedAtMs + afterMs - Date.now()));
      const result: SentenceResult = {
        codec: format.codec,
        said,
        heard: heard.finals.map(({ text }) => text),
        shown: glasses.displayText(),
        interims: heard.interims,
        finalMs: final && final.atMs - silentAtMs,
        shownMs,
      };
      line.finish(
        `  ${isRight(result) ? "✓" : "✗"} ${result.heard.join(" | ") || "(nothing)"}${
          isRight(result) ? "" : `   said: ${said}`
        }   glasses: [${result.shown}]`,
      );
      results.push(result);
    }
  }
  return results;
}

function heading(format: AudioFormat): string {
  switch (format.codec) {
    case "pcm":
      return "PCM, 16 bit, 1600-byte frames";
    case "opus":
      return "Opus, 20 ms packets";
    case "lc3":
      return `LC3, ${format.frameBytes}-byte frames`;
  }
}

/** Samples after the last audible one: the voice ends its sentences with a pause. */
function trailingSilence(samples: Int16Array): number {
  return samples.length - 1 - samples.findLastIndex((sample) => Math.abs(sample) > audible);
}
