import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { samplesPerMs } from "../../src/audio/recent-audio.ts";
import { RecogniserClient } from "../support/recogniser-client.ts";
import { RecogniserThread } from "../support/recogniser-thread.ts";
import { exactSentences, libriVox, type Recording, synthesised } from "../support/speech-fixtures.ts";
import { wordErrorRate, wordErrors } from "../support/word-error.ts";

setDefaultTimeout(60_000);

const threads: RecogniserThread[] = [];

function start(decoders: number): RecogniserClient {
  const thread = new RecogniserThread({ decoders });
  threads.push(thread);
  return new RecogniserClient(thread);
}

afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.stop();
});

interface Score {
  readonly rate: number;
  readonly words: number;
  /** Time for all of it by its length; below 1 is faster than speech. */
  readonly realTimeFactor: number;
}

/** One speaker after the other; `sameSpeaker`: all in one session, which gets to know the voice. */
async function score(recordings: readonly Recording[], sameSpeaker: boolean): Promise<Score> {
  const client = start(1);
  await client.reports.until(({ kind }) => kind === "availability");
  const errors = [];
  let samples = 0;
  const startedAt = performance.now();
  const shared = client.open("speaker", 120_000);
  let heardBefore = "";
  for (const recording of recordings) {
    const id = sameSpeaker ? "speaker" : recording.name;
    const { start: from, end } = client.say(id, sameSpeaker ? shared : client.open(id), recording);
    await client.settled(id, end);
    samples += end - from;
    const heard = client.heard(id);
    errors.push(wordErrors(recording.text, sameSpeaker ? heard.slice(heardBefore.length) : heard));
    heardBefore = heard;
  }
  return {
    rate: wordErrorRate(errors),
    words: errors.reduce((sum, { words }) => sum + words, 0),
    realTimeFactor: (performance.now() - startedAt) / (samples / samplesPerMs),
  };
}

function print(what: string, { rate, words, realTimeFactor }: Score): void {
  process.stdout.write(
    `${what}: word error rate ${(100 * rate).toFixed(1)} % of ${words} words, real-time factor ${realTimeFactor.toFixed(2)}\n`,
  );
}

describe("the offline recogniser", () => {
  test("gets most words of an audio book right when every sentence is from a stranger", async () => {
    const result = await score(libriVox(), false);
    print("LibriVox, every sentence in a new session", result);
    expect(result.words).toBeGreaterThan(70);
    expect(result.rate).toBeLessThan(0.45);
  });

  test("gets more of them right once it knows the voice", async () => {
    const result = await score(libriVox(), true);
    print("LibriVox, all in one session", result);
    expect(result.rate).toBeLessThan(0.36);
  });

  test("gets nearly every word of what is said to glasses", async () => {
    const result = await score(await synthesised(exactSentences), true);
    print("thirteen synthesised sentences", result);
    expect(result.rate).toBeLessThan(0.05);
  });

  test("hears eight who speak at once on two cores: those who wait are told, nobody starves, no audio is lost", async () => {
    // As the server does it by default: one thread with four decoders, while the other core has all the rest to do.
    const client = start(4);
    await client.reports.until(({ kind }) => kind === "availability");
    const sentences = await synthesised(exactSentences.slice(0, 3));
    const startedAt = performance.now();
    const speakers = Array.from({ length: 8 }, (_, index) => {
      const id = `speaker ${index}`;
      const recent = client.open(id);
      const turn = index % sentences.length;
      const said = [...sentences.slice(turn), ...sentences.slice(0, turn)];
      for (const recording of said) client.say(id, recent, recording);
      return { id, recent, text: said.map((recording) => recording.text).join(" ") };
    });
    for (const { id, recent } of speakers) await client.settled(id, recent.written, 120_000);
    const seconds = (performance.now() - startedAt) / 1_000;
    const audioMs = speakers.reduce((sum, { recent }) => sum + recent.written / samplesPerMs, 0);
    const rate = wordErrorRate(speakers.map(({ id, text }) => wordErrors(text, client.heard(id))));
    process.stdout.write(
      `eight speakers at once: ${(audioMs / 1_000).toFixed(1)} s of speech in ${seconds.toFixed(1)} s, ` +
        `word error rate ${(100 * rate).toFixed(1)} %\n`,
    );
    const waited = speakers.filter(({ id }) => client.states(id).includes("degraded"));
    expect(waited.length).toBeGreaterThanOrEqual(4);
    for (const { id } of waited) expect(client.states(id).at(-1)).toBe("ready");
    for (const { id } of speakers) expect(client.lost(id)).toBe(0);
    // All of them are strangers, whose first sentence is the hardest.
    expect(rate).toBeLessThan(0.2);
    // By turns, not by time: nobody has been heard three times before everybody has been heard once.
    const turns = new Map<string, number>();
    for (const report of client.reports.events) {
      if (report.kind !== "final") continue;
      const heard = (turns.get(report.streamId) ?? 0) + 1;
      turns.set(report.streamId, heard);
      if (heard === sentences.length) expect(turns.size).toBe(speakers.length);
    }
    expect([...turns.values()]).toEqual(speakers.map(() => sentences.length));
  }, 150_000);
});
