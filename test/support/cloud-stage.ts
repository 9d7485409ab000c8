import { RecentAudio } from "../../src/audio/recent-audio.ts";
import type { Transcript } from "../../src/audio/speech.ts";
import { Supervisor } from "../../workers/stt/cloud/supervisor.ts";
import { LaneSpeech, type LaneSpeechReport } from "../../workers/stt/lane-speech.ts";
import type { SpeechProvider } from "../../workers/stt/provider.ts";
import { spokenNumber } from "./counting-ear.ts";
import { FakeClock } from "./fake-clock.ts";
import { type FakeBehaviour, FakeVendor, type FakeVendorOptions } from "./fake-vendor.ts";

export interface CloudStageOptions {
  readonly deepgram?: (index: number) => FakeBehaviour;
  /** Undefined: there is no second provider. */
  readonly assemblyai?: (index: number) => FakeBehaviour;
  readonly capabilities?: FakeVendorOptions["capabilities"];
  readonly connections?: number;
  readonly offline?: readonly SpeechProvider[];
}

/** A supervisor over fake services, on a clock of its own, and lanes that speak numbers to it. */
export class CloudStage {
  readonly clock = new FakeClock();
  readonly deepgram: FakeVendor;
  readonly assemblyai: FakeVendor | undefined;
  readonly supervisor: Supervisor;

  constructor(options: CloudStageOptions = {}) {
    const { deepgram = () => ({}), assemblyai, capabilities = {}, connections = 100, offline = [] } = options;
    const { clock } = this;
    this.deepgram = new FakeVendor({ id: "deepgram", clock, capabilities, behave: deepgram });
    this.assemblyai =
      assemblyai && new FakeVendor({ id: "assemblyai", clock, capabilities, behave: assemblyai });
    const vendors = [this.deepgram, ...(this.assemblyai ? [this.assemblyai] : [])];
    const seats = vendors.map((vendor) => ({ vendor, connections, openBurst: 100, opensPerSecond: 50 }));
    this.supervisor = new Supervisor({ clock, seats, offline: () => offline, random: () => 0.5 });
  }

  lane(languages: readonly string[] = ["en-US"]): SpeakingLane {
    return new SpeakingLane(this.clock, this.supervisor, languages);
  }
}

/** One session's speech. Time goes on as it speaks and is silent. */
export class SpeakingLane {
  readonly recent = RecentAudio.allocate(30_000);
  readonly reports: { readonly atMs: number; readonly report: LaneSpeechReport }[] = [];
  readonly speech: LaneSpeech;
  readonly #clock: FakeClock;
  #number = 0;

  constructor(clock: FakeClock, supervisor: Supervisor, languages: readonly string[]) {
    this.#clock = clock;
    this.speech = new LaneSpeech("lane", this.recent, [supervisor], (report) =>
      this.reports.push({ atMs: clock.now(), report }),
    );
    this.speech.setLanguages(languages);
  }

  get transcripts(): Transcript[] {
    return this.reports.flatMap(({ report }) => (report.kind === "transcript" ? [report.transcript] : []));
  }

  /** The numbers in all finals. */
  get heard(): number[] {
    return this.transcripts
      .filter(({ isFinal }) => isFinal)
      .flatMap(({ text }) => text.split(" ").map((word) => Number(word.slice(1))));
  }

  get states(): string[] {
    return this.reports.flatMap(({ report }) => (report.kind === "state" ? [report.state.state] : []));
  }

  get lostSamples(): number {
    return this.reports.reduce((sum, { report }) => sum + (report.kind === "lost" ? report.samples : 0), 0);
  }

  /** All numbers spoken so far. */
  get spoken(): number[] {
    return Array.from({ length: this.#number }, (_, i) => i + 1);
  }

  async begin(): Promise<void> {
    this.speech.voiceStart(this.recent.written);
    await this.#play(new Int16Array(320));
  }

  async speak(words: number): Promise<void> {
    for (let i = 0; i < words; i++) await this.#play(spokenNumber(++this.#number));
  }

  async end(): Promise<void> {
    await this.silence(200);
    this.speech.voiceEnd(this.recent.written);
  }

  async say(words: number): Promise<void> {
    await this.begin();
    await this.speak(words);
    await this.end();
  }

  async silence(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 20) await this.#play(new Int16Array(320));
  }

  async #play(pcm: Int16Array): Promise<void> {
    for (let from = 0; from < pcm.length; from += 320) {
      this.recent.append(pcm.subarray(from, from + 320));
      this.speech.audioUntil(this.recent.written);
      this.#clock.advance(20);
      for (let i = 0; i < 4; i++) await null;
    }
  }
}
