import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { RecentAudio, samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { Transcript } from "../../src/audio/speech.ts";
import { LaneSpeech, type LaneSpeechReport } from "../../workers/stt/lane-speech.ts";
import { PocketsphinxProvider } from "../../workers/stt/pocketsphinx-provider.ts";
import { EventLog } from "../support/event-log.ts";
import { RecogniserThread } from "../support/recogniser-thread.ts";
import { exactSentences, goForward, quiet, type Recording, synthesised } from "../support/speech-fixtures.ts";

setDefaultTimeout(60_000);

const threads: RecogniserThread[] = [];

function startThread(settings?: ConstructorParameters<typeof RecogniserThread>[0]): RecogniserThread {
  const thread = new RecogniserThread(settings);
  threads.push(thread);
  return thread;
}

afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.stop();
});

/** A lane as the audio worker keeps it, in front of the real recogniser. */
class ListeningLane {
  readonly reports = new EventLog<LaneSpeechReport>();
  readonly recent = RecentAudio.allocate(60_000);
  readonly speech: LaneSpeech;

  constructor(provider: PocketsphinxProvider, language = "en-US") {
    this.speech = new LaneSpeech(crypto.randomUUID(), this.recent, [provider], (each) =>
      this.reports.add(each),
    );
    this.speech.setLanguages([language]);
  }

  get transcripts(): Transcript[] {
    return this.reports.events.flatMap((each) => (each.kind === "transcript" ? [each.transcript] : []));
  }

  get finals(): Transcript[] {
    return this.transcripts.filter((each) => each.isFinal);
  }

  /** Speaks in packets of 100 ms, with half a second of quiet before and 800 ms after, all of it marked as voice. */
  say({ pcm }: Recording): void {
    this.append(quiet(500));
    this.speech.voiceStart(this.recent.written - 500 * samplesPerMs);
    this.append(pcm);
    this.append(quiet(800));
    this.speech.voiceEnd(this.recent.written);
  }

  append(pcm: Int16Array): void {
    const packet = 100 * samplesPerMs;
    for (let at = 0; at < pcm.length; at += packet) {
      this.recent.append(pcm.subarray(at, at + packet));
      this.speech.audioUntil(this.recent.written);
    }
  }

  async untilFinals(count: number): Promise<void> {
    await this.reports.untilCount(count, (each) => each.kind === "transcript" && each.transcript.isFinal);
  }
}

describe("the embedded recogniser behind a lane", () => {
  test("hears thirteen spoken sentences word by word in one session", async () => {
    const provider = new PocketsphinxProvider(startThread().connect());
    const lane = new ListeningLane(provider);
    for (const [i, recording] of (await synthesised(exactSentences)).entries()) {
      lane.say(recording);
      await lane.untilFinals(i + 1);
    }
    await lane.speech.close(10_000);
    expect(lane.finals.map((each) => each.text)).toEqual([...exactSentences]);
    const ids = lane.finals.map((each) => each.utteranceId);
    expect(new Set(ids).size).toBe(exactSentences.length);
    for (const id of ids) {
      const utterance = lane.transcripts.filter((each) => each.utteranceId === id);
      expect(utterance.length).toBeGreaterThan(1);
      expect(utterance.map((each) => each.isFinal).indexOf(true)).toBe(utterance.length - 1);
      const lengths = utterance.slice(0, -1).map((each) => each.text.split(" ").length);
      expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
    }
    const starts = lane.transcripts.map((each) => each.startMs);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    await provider.close();
  });

  test("serves English and, as the best there is, a language to be found out; no other", () => {
    const provider = new PocketsphinxProvider(new MessageChannel().port1);
    expect(["en-US", "auto", "fr-FR", "de-DE"].filter((each) => provider.supports(each))).toEqual([
      "en-US",
      "auto",
    ]);
  });

  test("marks transcripts with the language that was asked for", async () => {
    const lane = new ListeningLane(new PocketsphinxProvider(startThread().connect()), "auto");
    lane.say(goForward());
    await lane.untilFinals(1);
    expect(lane.finals[0]).toMatchObject({
      text: "go forward ten meters",
      language: "auto",
      provider: "pocketsphinx",
    });
  });

  test("hears what was said while its thread was being replaced, as one utterance", async () => {
    const first = startThread();
    const provider = new PocketsphinxProvider(first.connect());
    const lane = new ListeningLane(provider);
    const { pcm, text } = goForward();
    const middle = 1_800 * samplesPerMs;
    lane.speech.voiceStart(0);
    lane.append(pcm.subarray(0, middle));
    await lane.reports.until((each) => each.kind === "transcript");
    await first.stop();
    threads.length = 0;
    await lane.reports.until((each) => each.kind === "state" && each.state.state === "degraded");
    lane.append(pcm.subarray(middle));
    lane.append(quiet(800));
    lane.speech.voiceEnd(lane.recent.written);
    provider.attach(startThread().connect());
    await lane.untilFinals(1);
    expect(lane.finals.map((each) => each.text)).toEqual([text]);
    expect(lane.finals[0]?.utteranceId).toBe(lane.transcripts[0]?.utteranceId ?? "");
    const states = lane.reports.events.flatMap((each) => (each.kind === "state" ? [each.state.state] : []));
    expect(states).toEqual(["ready", "degraded", "ready"]);
  });

  test("keeps a lane that closes waiting no longer than it may, even for a recogniser that has died", async () => {
    const { port1, port2 } = new MessageChannel();
    const lane = new ListeningLane(new PocketsphinxProvider(port1));
    const commands = new EventLog<{ readonly kind: string }>();
    port2.addEventListener("message", (event) =>
      commands.add((event as MessageEvent<{ kind: string }>).data),
    );
    port2.start();
    lane.say(goForward());
    await lane.speech.close(20);
    await commands.until((command) => command.kind === "drop");
    expect(lane.transcripts).toEqual([]);
    port2.close();
  });

  test("is off, with the way to turn it on, when its model is missing", async () => {
    const provider = new PocketsphinxProvider(startThread({ modelDir: "/nowhere" }).connect());
    const lane = new ListeningLane(provider);
    const report = await lane.reports.until((each) => each.kind === "state");
    expect(report).toMatchObject({
      state: {
        state: "off",
        detail: expect.stringContaining("apt-get install libpocketsphinx3 pocketsphinx-en-us"),
      },
    });
    expect(provider.availability?.available).toBe(false);
    lane.say(goForward());
    await lane.speech.close(1_000);
    expect(lane.transcripts).toEqual([]);
  });
});
