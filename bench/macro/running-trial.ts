import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyMs } from "../busy-cores.ts";
import type { AppReport } from "./app-host.ts";
import { BenchProcess } from "./control.ts";
import type { GeneratorReport } from "./generator.ts";
import type { BenchApp, FrameTotals, ServerCommands, ServerReport } from "./server-under-test.ts";
import type { SpeechReport } from "./speech-service.ts";
import type { Surroundings } from "./surroundings.ts";
import type { ServerKind, TrialInProgress, TrialPlan } from "./trial-plan.ts";

/** Bytes of one frame of the generator as PCM. */
const frameBytes = 640;
const listeningMs = 45_000;
/** How long frames may be on their way after the last was sent. */
const settlingMs = 3_000;
const stoppingMs = 5_000;

const scripts: Readonly<Record<ServerKind, string>> = {
  bare: "./bare-server.ts",
  "bare relay": "./bare-relay-server.ts",
  posting: "./posting-server.ts",
  browline: "./browline-server.ts",
  "single loop": "./browline-server.ts",
};

/** What is known of the frames once nothing is on its way any more. */
export interface Settled extends FrameTotals {
  /** Frames that came to the end of their way: to the apps, to a decoder, or else to the server. */
  readonly arrived: number;
  /** Frames of PCM that an app has had. */
  readonly atApps: number;
  readonly gaps: number;
  readonly usersWithGaps: number;
}

/** A server under test with everybody connected to it. */
export class RunningTrial implements TrialInProgress {
  readonly server: BenchProcess<ServerCommands>;
  readonly #plan: TrialPlan;
  readonly #surroundings: Surroundings;
  readonly #dataDir: string;
  #livezPort = 0;
  #port = 0;
  #tokens: readonly string[] = [];
  #apps: readonly BenchApp[] = [];

  private constructor(plan: TrialPlan, surroundings: Surroundings) {
    this.#plan = plan;
    this.#surroundings = surroundings;
    this.#dataDir = mkdtempSync(join(tmpdir(), "browline-bench-"));
    // An interrupted bench gets no further than this.
    process.once("exit", this.#removeDataDir);
    this.server = new BenchProcess<ServerCommands>(new URL(scripts[plan.server], import.meta.url));
  }

  /** Starts the server, connects the glasses, starts the apps and waits until they are heard. */
  static async start(plan: TrialPlan, surroundings: Surroundings): Promise<RunningTrial> {
    const trial = new RunningTrial(plan, surroundings);
    try {
      await trial.#start();
      return trial;
    } catch (error) {
      await trial.stop();
      throw error;
    }
  }

  get livezUrl(): string {
    return `http://127.0.0.1:${this.#livezPort}/livez`;
  }

  async startTraffic(): Promise<void> {
    const { generator, appHost } = this.#surroundings;
    const { traffic, deaf = 0 } = this.#plan;
    await generator.call("startPacing", traffic);
    await appHost.call("startDisplays");
    if (deaf > 0) await Promise.all([generator.call("deafen", deaf), appHost.call("deafen", deaf)]);
  }

  async measure(ms: number): Promise<{
    server: ServerReport;
    generator: GeneratorReport;
    app: AppReport;
    speech: SpeechReport;
    /** Cores of the machine that were busy, with whatever. */
    busyCores: number;
  }> {
    const { generator, appHost, speech } = this.#surroundings;
    await Promise.all([
      this.server.call("begin"),
      generator.call("begin"),
      appHost.call("begin"),
      speech.call("begin"),
    ]);
    const busyBefore = busyMs();
    const fromMs = performance.now();
    await Promise.all([Bun.sleep(ms), this.#plan.during?.(this)]);
    const busyCores = (busyMs() - busyBefore) / (performance.now() - fromMs);
    const [ofServer, ofGenerator, , ofSpeech] = await Promise.all([
      this.server.call("end"),
      generator.call("end"),
      appHost.call("end"),
      speech.call("end"),
    ]);
    return {
      server: ofServer,
      generator: ofGenerator,
      app: await appHost.call("report"),
      speech: ofSpeech,
      busyCores,
    };
  }

  /** Waits for what is still on its way. What has not come by then is missing. */
  async settle(sent: number): Promise<Settled> {
    const untilMs = performance.now() + settlingMs;
    for (;;) {
      const seen = await this.#look();
      if ((seen.arrived >= sent && seen.received >= sent) || performance.now() >= untilMs) return seen;
      await Bun.sleep(50);
    }
  }

  /** Ends everything. Safe to call twice. */
  async stop(): Promise<void> {
    const { generator, appHost } = this.#surroundings;
    await generator.call("disconnect").catch(ignore);
    if (this.#plan.apart) {
      for (const one of [generator, appHost]) one.pin("any");
      generator.setRealTime(false);
    }
    // A server that is beyond answering is ended without it.
    await Promise.race([this.server.call("stop").catch(ignore), Bun.sleep(stoppingMs)]);
    await appHost.call("reset").catch(ignore);
    await this.server.close();
    this.#removeDataDir();
    process.off("exit", this.#removeDataDir);
  }

  readonly #removeDataDir = (): void => rmSync(this.#dataDir, { recursive: true, force: true });

  async #start(): Promise<void> {
    const { generator, appHost, speech } = this.#surroundings;
    const { server, sessions, apps, opus = "auto", audioWorkers, sessionGraceMs } = this.#plan;
    this.#apps = apps === undefined ? [] : await appHost.call("apps", apps);
    const { port, livezPort, tokens } = await this.server.call("start", {
      sessions,
      dataDir: this.#dataDir,
      apps: this.#apps,
      opus,
      speechUrl: this.#plan.speech ? await speech.call("url") : undefined,
      singleLoop: server === "single loop",
      audioWorkers,
      ...(sessionGraceMs !== undefined && { sessionGraceMs }),
    });
    if (this.#plan.apart) {
      // Its main thread: the others, which are there by now, go where there is room.
      this.server.pin(0);
      generator.setRealTime(true);
      for (const one of [generator, appHost]) one.pin(1);
    }
    this.#livezPort = livezPort;
    this.#port = port;
    this.#tokens = tokens;
    await this.connectAgain();
  }

  /** Connects everybody, once more where they have left, and starts their apps. */
  async connectAgain(): Promise<void> {
    const { generator, appHost } = this.#surroundings;
    const { sessions, traffic } = this.#plan;
    const starts = this.#apps.map(({ packageName }) => ({ type: "start_app", packageName }));
    await generator.call("connect", this.#port, this.#tokens, starts);
    if (traffic.codec === "opus") await this.server.call("useOpus");
    await waitUntil("every app to be there", listeningMs, async () => {
      return (await appHost.call("acks")) >= sessions * this.#apps.length;
    });
    if (!this.#isHeard) return;
    await waitUntil("an app to listen to every session", listeningMs, async () => {
      return (await this.server.call("listeners")) >= sessions;
    });
  }

  /** Waits until the sessions of those who have left have ended. */
  async untilNobodyIsThere(): Promise<void> {
    await waitUntil("every session to end", listeningMs, async () => {
      const { sessions, lanes } = await this.server.call("present");
      return sessions === 0 && lanes === 0;
    });
  }

  get #isSpeech(): boolean {
    return this.#plan.apps?.hears.some((stream) => stream.startsWith("transcription")) ?? false;
  }

  get #isHeard(): boolean {
    return this.#isSpeech || (this.#plan.apps?.hears.includes("audio_chunk") ?? false);
  }

  async #look(): Promise<Settled> {
    const { appHost } = this.#surroundings;
    const { apps, traffic } = this.#plan;
    const [totals, app] = await Promise.all([this.server.call("totals"), appHost.call("report")]);
    const relayed = apps?.hears.includes("audio_chunk") && traffic.codec === "pcm" && !traffic.heavy;
    // Large frames are decoded in pieces, so that those decoded cannot be compared with those sent.
    const decodes = (this.#isSpeech || (this.#isHeard && !relayed)) && !traffic.heavy;
    const atApps = Math.floor(app.audioBytes / frameBytes / (apps?.count ?? 1));
    const arrived = decodes ? totals.decoded : relayed ? atApps : totals.received;
    return { ...totals, arrived, atApps, gaps: app.audioGaps, usersWithGaps: app.usersWithGaps };
  }
}

async function waitUntil(what: string, limitMs: number, reached: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + limitMs;
  while (!(await reached())) {
    if (performance.now() > untilMs) throw new Error(`waited ${limitMs / 1000} s in vain for ${what}`);
    await Bun.sleep(20);
  }
}

function ignore(): void {}
