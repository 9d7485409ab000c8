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
    // As the server does it: two threads, the decoders shared between them.
    const recognisers = [start(2), start(2)];
    const sentences = await synthesised(exactSentences.slice(0, 4));
    const speakers = Array.from({ length: 8 }, (_, index) => {
      const client = recognisers[index % 2];
      if (client === undefined) throw new Error("no recogniser");
      return { id: `speaker ${index}`, client, recent: client.open(`speaker ${index}`) };
    });
    const startedAt = performance.now();
    const turns = speakers.map(async ({ id, client, recent }, index) => {
      const turn = index % sentences.length;
      const said = [...sentences.slice(turn), ...sentences.slice(0, turn)];
      const [firstEnd = 0] = said.map((recording) => client.say(id, recent, recording).end);
      await client.settled(id, firstEnd);
      const firstMs = performance.now() - startedAt;
      await client.settled(id, recent.written);
      const doneMs = performance.now() - startedAt;
      const text = said.map((recording) => recording.text).join(" ");
      return { id, client, firstMs, doneMs, errors: wordErrors(text, client.heard(id)) };
    });
    const results = await Promise.all(turns);
    const rate = wordErrorRate(results.map(({ errors }) => errors));
    const firsts = results.map(({ firstMs }) => firstMs);
    const last = Math.max(...results.map(({ doneMs }) => doneMs));
    const seconds = (ms: number) => (ms / 1000).toFixed(1);
    const audioMs = speakers.reduce((sum, { recent }) => sum + recent.written / samplesPerMs, 0);
    process.stdout.write(
      `eight speakers at once: first final after ${seconds(Math.min(...firsts))} to ${seconds(Math.max(...firsts))} s, ` +
        `${seconds(audioMs)} s of speech in ${seconds(last)} s, word error rate ${(100 * rate).toFixed(1)} %\n`,
    );
    const waited = results.filter(({ client, id }) => client.states(id).includes("degraded"));
    expect(waited.length).toBeGreaterThanOrEqual(4);
    for (const { client, id } of results) {
      expect(client.lost(id)).toBe(0);
      expect(client.of(id).filter(({ kind }) => kind === "final").length).toBeGreaterThanOrEqual(4);
    }
    for (const { client, id } of waited) expect(client.states(id).at(-1)).toBe("ready");
    expect(rate).toBeLessThan(0.1);
    // The last to be heard for the first time is heard before the others are done with all they have to say.
    expect(Math.max(...firsts)).toBeLessThan(0.9 * last);
  });
});
