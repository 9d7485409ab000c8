import { RecentAudio, samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { Transcript } from "../../src/audio/speech.ts";
import { ToldTranscripts } from "../../src/audio/told-transcripts.ts";
import { Supervisor } from "../../workers/stt/cloud/supervisor.ts";
import type { ConnectionFailure } from "../../workers/stt/cloud/vendor.ts";
import { LaneSpeech, type LaneSpeechReport } from "../../workers/stt/lane-speech.ts";
import { blockSamples, spokenNumber } from "./counting-ear.ts";
import { CountingProvider } from "./counting-provider.ts";
import { FakeClock } from "./fake-clock.ts";
import { type FakeBehaviour, FakeVendor } from "./fake-vendor.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** A worker's way to the audio, which ends with the worker. */
class MortalAudio extends RecentAudio {
  isAlive = true;

  override settle(sample: number): void {
    if (this.isAlive) super.settle(sample);
  }
}

/** What came of a script. */
export interface ScriptOutcome {
  readonly spoken: number;
  readonly languages: number;
  readonly lostSamples: number;
  /** What breaks the rules, a sentence each. */
  readonly problems: readonly string[];
  /** What the supervisors counted: `opened`, `failed`, `failed_over`, `rotated`, `skipped`. */
  readonly counts: Readonly<Record<string, number>>;
  readonly crashes: number;
}

const failures: readonly ConnectionFailure["kind"][] = [
  "transient",
  "transient",
  "transient",
  "expired",
  "limit",
  "protocol",
  "auth",
  "config",
];

/** Some fault of one connection, or none. */
function someBehaviour(random: SeededRandom): FakeBehaviour {
  const base = { latencyMs: random.integer(50, 400), longest: random.integer(4, 30) };
  const failure = { kind: random.pick(failures), detail: "scripted" };
  switch (random.integer(0, 11)) {
    case 0:
      return { ...base, opensAfterMs: 100_000, failsAfterMs: random.integer(1, 300), failure };
    case 1:
      return { ...base, opensAfterMs: random.integer(800, 6_000) };
    case 2:
      return { ...base, opensAfterMs: 1_000_000 };
    case 3:
      return { ...base, stallsAfterMs: random.integer(100, 8_000) };
    case 4:
    case 5:
      return { ...base, failsAfterMs: random.integer(60, 9_000), failure };
    case 6:
      return { ...base, babbles: true, finalLatencyMs: random.integer(0, 1_000) };
    case 7:
      return { ...base, finalLatencyMs: random.integer(500, 5_000) };
    default:
      return base;
  }
}

export interface ScriptOptions {
  /** Off: a negative control. */
  readonly replay?: boolean;
  /** Off: another. A worker that takes over does not learn what the former one has told. */
  readonly hands?: boolean;
}

/** Plays numbers to a lane through two providers that fail as `random` says, and a worker that may die, then lets all recover. */
export async function playSpeechScript(
  random: SeededRandom,
  { replay = true, hands = true }: ScriptOptions = {},
): Promise<ScriptOutcome> {
  const clock = new FakeClock();
  const recent = RecentAudio.allocate(30_000);
  const transcripts: Transcript[] = [];
  let lostSamples = 0;
  let isCalm = false;
  const rotates = random.chance(0.3);
  const offline = random.chance(0.3) ? [new CountingProvider()] : [];
  const languages = random.chance(0.3) ? ["en-US", "fr-FR"] : ["en-US"];
  const counts: Record<string, number> = {};
  const told = new ToldTranscripts();
  const tell = (transcript: Transcript) => {
    told.note(transcript);
    transcripts.push(transcript);
  };
  const newLane = () => {
    const [first, second] = (["deepgram", "assemblyai"] as const).map((id) => {
      const capabilities = rotates ? { maxSessionMs: random.integer(10_000, 40_000) } : {};
      const behave = () => (isCalm ? {} : someBehaviour(random));
      const vendor = new FakeVendor({ id, clock, capabilities, behave });
      return { vendor, connections: 10, openBurst: 20, opensPerSecond: 5 };
    });
    const seats = first && second ? [first, second] : [];
    const supervisor = new Supervisor({ clock, seats, offline: () => offline, random: random.next, replay });
    const life = new MortalAudio(recent.buffer);
    const report = (event: LaneSpeechReport) => {
      if (!life.isAlive) return;
      if (event.kind === "transcript") tell(event.transcript);
      if (event.kind === "lost") lostSamples += event.samples;
    };
    const speech = new LaneSpeech("lane", life, [supervisor], report, hands ? told.languages : []);
    const count = () => {
      for (const { what, by } of supervisor.report().counts) counts[what] = (counts[what] ?? 0) + by;
    };
    return { speech, life, count };
  };
  let crashes = 0;
  let lane = newLane();
  lane.speech.setLanguages(languages);
  const step = async (pcm: Int16Array) => {
    // Frames of 20 ms come as they are spoken.
    for (let from = 0; from < pcm.length; from += 320) {
      recent.append(pcm.subarray(from, from + 320));
      lane.speech.audioUntil(recent.written);
      clock.advance(20);
      for (let i = 0; i < 4; i++) await null;
    }
  };
  const silence = async (ms: number) => {
    for (let left = ms; left > 0; left -= 20) await step(new Int16Array(320));
  };
  const crash = (voiceFrom: number | undefined) => {
    lane.life.isAlive = false;
    crashes++;
    lane.count();
    // What a dead thread leaves behind does nothing any more.
    void lane.speech.close(0);
    const inherits = recent.settled > 0;
    // As the lane on the main thread does it.
    if (hands) transcripts.push(...told.end(languages));
    lane = newLane();
    lane.speech.setLanguages(languages);
    if (voiceFrom !== undefined) lane.speech.voiceStart(inherits ? recent.written : voiceFrom);
  };
  let number = 0;
  await silence(random.integer(1, 60) * 20);
  const utterances = random.chance(0.2) ? random.integer(8, 25) : random.integer(2, 7);
  for (let utterance = utterances; utterance > 0; utterance--) {
    const start = Math.max(0, recent.written - 200 * samplesPerMs);
    lane.speech.voiceStart(start);
    for (let words = random.integer(3, 60); words > 0; words--) {
      await step(spokenNumber(++number));
      if (random.chance(0.004)) crash(start);
    }
    // The voice detector hears the end a little late.
    await silence(random.integer(5, 20) * 20);
    lane.speech.voiceEnd(recent.written);
    await silence(random.integer(10, 200) * 20);
    if (random.chance(0.05)) crash(undefined);
    if (random.chance(0.1)) await silence(65_000);
  }
  isCalm = true;
  // Whoever refused the key or the language is asked again at last.
  await silence(60_000);
  for (let i = 0; i < 700 * 5; i++) {
    clock.advance(200);
    for (let turn = 0; turn < 4; turn++) await null;
  }
  lane.speech.voiceStart(recent.written);
  await step(spokenNumber(++number));
  await silence(400);
  lane.speech.voiceEnd(recent.written);
  await silence(20_000);
  const closed = lane.speech.close(2_000);
  clock.advance(3_000);
  await closed;
  lane.count();
  const problems = languages.flatMap((language) =>
    judge(
      transcripts.filter((one) => one.language === language),
      number,
      lostSamples,
      counts,
    ).map((problem) => `${language}: ${problem}`),
  );
  return { spoken: number, languages: languages.length, problems, lostSamples, counts, crashes };
}

function judge(
  transcripts: readonly Transcript[],
  spoken: number,
  lostSamples: number,
  { skipped = 0 }: Readonly<Record<string, number>>,
): string[] {
  const problems: string[] = [];
  const finals = transcripts.filter(({ isFinal }) => isFinal);
  const heard = finals.flatMap(({ text }) => text.split(" ").map((word) => Number(word.slice(1))));
  for (const [i, number] of heard.entries()) {
    const before = heard[i - 1] ?? 0;
    if (number <= before) problems.push(`w${number} comes after w${before}`);
  }
  const known = new Set(heard);
  const missing = Array.from({ length: spoken }, (_, i) => i + 1).filter((number) => !known.has(number));
  // The edge of a gap may cut a word on either side of it.
  if (missing.length > 0 && lostSamples === 0) problems.push(`${missing.join(",")} missing, and not counted`);
  if (lostSamples > 0 && skipped === 0) problems.push(`${lostSamples} samples given up before their time`);
  if (missing.length * blockSamples > lostSamples + 4 * blockSamples) {
    problems.push(`${missing.length} missing, but only ${lostSamples / blockSamples} blocks counted`);
  }
  const ended = new Set<string>();
  const shown = new Map<string, number>();
  for (const { utteranceId, isFinal, text } of transcripts) {
    if (ended.has(utteranceId)) problems.push(`something came after the final of an utterance: ${text}`);
    const words = text.split(" ").length;
    if (!isFinal && words < (shown.get(utteranceId) ?? 0)) problems.push(`an interim shrank: ${text}`);
    shown.set(utteranceId, words);
    if (isFinal) ended.add(utteranceId);
  }
  for (const id of shown.keys()) if (!ended.has(id)) problems.push("an utterance never got its final");
  for (let i = 1; i < finals.length; i++) {
    const [before, after] = [finals[i - 1], finals[i]];
    if (before && after && after.startMs < before.startMs) problems.push("times ran backwards");
  }
  return problems;
}
