import { afterEach, describe, expect, test } from "bun:test";
import { RecentAudio, samplesPerMs } from "../../src/audio/recent-audio.ts";
import { PocketsphinxProvider } from "../../workers/stt/pocketsphinx-provider.ts";
import type { SpeechEvent, SpeechStream } from "../../workers/stt/provider.ts";
import { EventLog } from "../support/event-log.ts";
import { RecogniserThread } from "../support/recogniser-thread.ts";
import { quiet, type Recording } from "../support/speech-fixtures.ts";

/** An offline recogniser and what it is to hear. */
export interface OfflineStage {
  readonly engine: "pocketsphinx" | "sherpa";
  readonly modelDir: string;
  /** Two that it hears as they are written. */
  readonly recordings: () => readonly [Recording, Recording];
}

const packet = 100 * samplesPerMs;

/** A stream of the provider, with the voice detector's part played by the test. */
class Listening {
  readonly log = new EventLog<SpeechEvent>();
  readonly recent = RecentAudio.allocate(60_000);
  readonly stream: SpeechStream;

  constructor(provider: PocketsphinxProvider) {
    this.stream = provider.open(
      { streamId: crypto.randomUUID(), language: "en-US", recent: this.recent, fromSample: 0 },
      { onEvent: (event) => this.log.add(event) },
    );
  }

  append(pcm: Int16Array): void {
    for (let at = 0; at < pcm.length; at += packet) {
      this.recent.append(pcm.subarray(at, at + packet));
      this.stream.audioUntil(this.recent.written);
    }
  }

  /** Half a second of quiet, the recording, and 600 ms of quiet, all of it marked as voice. */
  say({ pcm }: Recording): { start: number; end: number } {
    const start = this.recent.written;
    this.stream.voiceStart(start);
    this.append(quiet(500));
    this.append(pcm);
    this.append(quiet(600));
    const end = this.recent.written;
    this.stream.voiceEnd(end);
    return { start, end };
  }

  async settled(sample: number): Promise<void> {
    await this.log.until((event) => event.kind === "settled" && event.sample >= sample);
  }

  get finals() {
    return this.log.events.flatMap((event) => (event.kind === "final" ? [event] : []));
  }

  get kinds(): string[] {
    return this.log.events.map(({ kind }) => kind);
  }
}

/** What a lane and the supervisor may take for granted of any offline recogniser. */
export function offlineContract(name: string, { engine, modelDir, recordings }: OfflineStage): void {
  describe(`${name}, as any offline recogniser`, () => {
    const threads: RecogniserThread[] = [];

    function provide(): PocketsphinxProvider {
      const thread = new RecogniserThread({ engine, modelDir });
      threads.push(thread);
      return new PocketsphinxProvider(thread.connect(), engine);
    }

    afterEach(async () => {
      for (const thread of threads.splice(0)) await thread.stop();
    });

    test("says that it listens, hears an utterance as interims and one final, and settles all of its voice", async () => {
      const provider = provide();
      expect(provider.id).toBe(engine);
      const listening = new Listening(provider);
      await listening.log.until((event) => event.kind === "state");
      expect(listening.log.events[0]).toMatchObject({ kind: "state", state: "ready" });
      listening.append(quiet(2_000));
      const [recording] = recordings();
      const { start, end } = listening.say(recording);
      await listening.settled(end);
      expect(listening.finals.map(({ text }) => text)).toEqual([recording.text]);
      const [final] = listening.finals;
      expect(final?.startSample).toBeGreaterThanOrEqual(start);
      expect(final?.endSample).toBeLessThanOrEqual(end);
      expect(final?.confidence).toBeGreaterThan(0.2);
      expect(final?.words?.map(({ text }) => text).join(" ")).toBe(recording.text);
      const times = final?.words?.flatMap(({ startMs, endMs }) => [startMs, endMs]) ?? [];
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(listening.kinds.indexOf("interim")).toBeGreaterThan(0);
      expect(listening.kinds.lastIndexOf("interim")).toBeLessThan(listening.kinds.indexOf("final"));
      const settled = listening.log.events.flatMap((event) =>
        event.kind === "settled" ? [event.sample] : [],
      );
      expect(settled).toEqual(settled.toSorted((a, b) => a - b));
    });

    test("hears one utterance after the other, each once, on one clock", async () => {
      const listening = new Listening(provide());
      const [first, second] = recordings();
      await listening.settled(listening.say(first).end);
      listening.append(quiet(3_000));
      const { start, end } = listening.say(second);
      await listening.settled(end);
      expect(listening.finals.map(({ text }) => text)).toEqual([first.text, second.text]);
      expect(listening.finals[1]?.startSample).toBeGreaterThanOrEqual(start);
    });

    test("hears nothing in quiet that was taken for a voice, and settles it", async () => {
      const listening = new Listening(provide());
      const { end } = listening.say({ name: "quiet", text: "", pcm: quiet(1_500) });
      await listening.settled(end);
      expect(listening.kinds).not.toContain("interim");
      expect(listening.kinds).not.toContain("final");
    });

    test("gives the pending words before it is closed, and is silent afterwards", async () => {
      const listening = new Listening(provide());
      const [recording] = recordings();
      listening.stream.voiceStart(0);
      listening.append(quiet(500));
      listening.append(recording.pcm);
      await listening.stream.close(20_000);
      expect(listening.finals.map(({ text }) => text)).toEqual([recording.text]);
      const events = listening.log.events.length;
      listening.stream.voiceStart(listening.recent.written);
      listening.stream.audioUntil(listening.recent.written);
      listening.stream.voiceEnd(listening.recent.written);
      await listening.stream.close(10);
      expect(listening.log.events).toHaveLength(events);
    });

    test("is closed in time when its words would take longer", async () => {
      const listening = new Listening(provide());
      const [recording] = recordings();
      listening.stream.voiceStart(0);
      listening.append(recording.pcm);
      await listening.stream.close(1);
      const events = listening.log.events.length;
      const other = new Listening(provide());
      await other.settled(other.say(recording).end);
      expect(listening.log.events).toHaveLength(events);
    });

    test("hears several sessions at once, each its own words", async () => {
      const provider = provide();
      const both = recordings().map((recording) => ({ recording, listening: new Listening(provider) }));
      const ends = both.map(({ recording, listening }) => listening.say(recording).end);
      await Promise.all(both.map(({ listening }, index) => listening.settled(ends[index] ?? 0)));
      for (const { recording, listening } of both) {
        expect(listening.finals.map(({ text }) => text)).toEqual([recording.text]);
      }
    });
  });
}
