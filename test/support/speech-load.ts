import type { AudioLane } from "../../src/audio/lanes.ts";
import { countersIn } from "./counted-audio.ts";
import { type HeardLane, startPool } from "./running-pool.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SpeechServices } from "./speech-services.ts";
import { until } from "./until.ts";

const frameMs = 20;
/** A number is 100 ms long, and people say some three words a second. */
const framesPerNumber = 5;
const framesPerWord = 15;
const frame = new Int16Array(16 * frameMs);
const frameBytes = new Uint8Array(frame.buffer);
/** The voice detector hears no voice in numbers: the phone says again and again that there is one. */
const markEvery = 25;

/** One session: says numbers in utterances of random length, in real time, as the frames of its glasses. */
class Speaker {
  readonly lane: AudioLane;
  readonly heard: HeardLane;
  readonly first: number;
  readonly #random: SeededRandom;
  #spoken = 0;
  #frame = 0;
  /** Frames of the utterance, or of the pause, that are left. */
  #left: number;
  #speaks = false;

  constructor(
    opened: { lane: AudioLane; heard: HeardLane },
    first: number,
    random: SeededRandom,
    beginsWithinMs: number,
  ) {
    this.lane = opened.lane;
    this.heard = opened.heard;
    this.first = first;
    this.#random = random;
    this.#left = random.integer(1, Math.ceil(beginsWithinMs / frameMs));
  }

  /** Writes the next frame. `ending`: no utterance begins any more. */
  speak(ending: boolean): void {
    if (this.#left === 0) this.#turn(ending);
    this.#left--;
    if (this.#speaks && this.#frame % markEvery === 0) this.lane.markVoice(true);
    if (this.#speaks && this.#frame % framesPerWord === 0) this.#spoken++;
    const sounds = this.#speaks && this.#frame % framesPerWord < framesPerNumber;
    frame.fill(sounds ? this.first + this.#spoken - 1 : 0);
    this.#frame++;
    this.lane.write(frameBytes);
  }

  get silent(): boolean {
    return !this.#speaks;
  }

  get spoken(): number {
    return this.#spoken;
  }

  /** What differs between what was said and what was heard, or undefined. */
  problem(): string | undefined {
    const heard = this.heard.transcripts
      .filter(({ isFinal }) => isFinal)
      .flatMap(({ text }) => countersIn(text).map((counter) => counter - this.first));
    const wrong = heard.findIndex((number, index) => number !== index);
    if (wrong >= 0) return `number ${wrong} is followed by ${heard[wrong]}`;
    return heard.length === this.#spoken ? undefined : `${heard.length} of ${this.#spoken} numbers heard`;
  }

  #turn(ending: boolean): void {
    const begins = !this.#speaks && !ending;
    if (this.#speaks) this.lane.markVoice(false);
    this.#speaks = begins;
    this.#frame = 0;
    this.#left = begins
      ? framesPerWord * this.#random.integer(3, 20)
      : Math.round(this.#random.integer(600, 3_000) / frameMs);
  }
}

export interface SpeechLoad {
  readonly sessions: number;
  readonly seconds: number;
  /** Of so many connections one fails. 0: none. */
  readonly faultEvery: number;
  readonly random: SeededRandom;
}

/** Speaks in many sessions at once, half over each of the two services, and tells what came of it. */
export async function runSpeechLoad({ sessions, seconds, faultEvery, random }: SpeechLoad) {
  const services = await SpeechServices.start(faultEvery);
  const { deepgramUrl, assemblyaiUrl } = await services.report();
  const running = await startPool({
    limits: { maxSessions: sessions },
    env: {
      BROWLINE_SPEECH: "deepgram,assemblyai",
      BROWLINE_DEEPGRAM_KEY: "a-key",
      BROWLINE_DEEPGRAM_URL: deepgramUrl,
      // Half of the sessions find no room here and go to the other at once.
      BROWLINE_DEEPGRAM_CONCURRENCY: String(Math.ceil(sessions / 2)),
      BROWLINE_ASSEMBLYAI_KEY: "b-key",
      BROWLINE_ASSEMBLYAI_URL: assemblyaiUrl,
      BROWLINE_ASSEMBLYAI_CONCURRENCY: String(sessions),
      BROWLINE_ASSEMBLYAI_OPENS: "60000",
    },
  });
  const { pool, metrics } = running;
  try {
    Bun.gc(true);
    const rssBefore = process.memoryUsage.rss();
    const speakers = Array.from({ length: sessions }, (_, index) => {
      const opened = running.open();
      opened.lane.setDemand({ languages: ["en-US"], pcm: false });
      // They do not all begin at once: a connection over TLS costs as much as seconds of speech.
      return new Speaker(opened, 1 + 60 * (index % 500), random, (seconds * 1_000) / 5);
    });
    let worstBeatMs = 0;
    let worstLateMs = 0;
    const startedAt = performance.now();
    for (let played = 0; ; ) {
      const due = Math.floor((performance.now() - startedAt) / frameMs);
      worstLateMs = Math.max(worstLateMs, (due - played - 1) * frameMs);
      const ending = played * frameMs >= seconds * 1_000;
      for (; played < due; played++) for (const speaker of speakers) speaker.speak(ending);
      worstBeatMs = Math.max(worstBeatMs, ...pool.stats().workers.map((worker) => worker.heartbeatAgeMs));
      if (ending && speakers.every(({ silent }) => silent)) break;
      await new Promise((resolve) => setTimeout(resolve, frameMs / 4));
    }
    const rssLive = process.memoryUsage.rss();
    const endedAt = performance.now();
    // A service that has fallen silent is found out after 6 s, and its words are played again at 1.2 times their pace.
    const patienceMs = 60_000;
    const wrong = () => speakers.flatMap((speaker) => speaker.problem() ?? []);
    await until("all words", () => wrong().length === 0, patienceMs).catch(() => {});
    const behindMs = performance.now() - endedAt;
    const ringP99Us = metrics.probes.readStage("ring_to_worker").percentileUs(0.99) ?? 0;
    const { deepgram, assemblyai } = await services.report();
    const lost = await running.counted(metrics.audioLost);
    const failures = (await metrics.speechEvents.get()).values.flatMap(({ value, labels }) =>
      labels.what === "failed" ? [`${value} ${labels.provider} ${labels.reason}`] : [],
    );
    const failed = await running.counted(metrics.speechEvents, { what: "failed" });
    const failedOver = await running.counted(metrics.speechEvents, { what: "failed_over" });
    await Promise.all(speakers.map(({ lane }) => lane.close(2_000)));
    return {
      problems: wrong(),
      lostFrames: lost,
      refusedFrames: await running.counted(metrics.audioFrames, { fate: "refused" }),
      numbers: speakers.reduce((sum, { spoken }) => sum + spoken, 0),
      failed,
      failures,
      failedOver,
      deepgram,
      assemblyai,
      /** What the process has grown by, for each session: 30 s of audio, its ring, and the connection. */
      kilobytesPerStream: Math.round((rssLive - rssBefore) / 1_024 / sessions),
      /** Longest time without a sign of life of a worker; one comes every 100 ms. */
      worstBeatMs: Math.round(worstBeatMs),
      /** How late the frames were written at worst: this process' own main loop. */
      worstLateMs,
      /** 99 of 100 frames had waited in their ring for no more than so many milliseconds. */
      ringP99Ms: ringP99Us / 1_000,
      /** Until the last word had come, after the last frame. */
      behindMs: Math.round(behindMs),
    };
  } finally {
    await pool.close();
    await services.stop();
  }
}
