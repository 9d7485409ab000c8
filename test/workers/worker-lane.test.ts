import { describe, expect, test } from "bun:test";
import { Arena } from "../../src/audio/arena.ts";
import type { LaneReport } from "../../src/audio/commands.ts";
import { formatCode, frameKinds, noPayload, numberPayload } from "../../src/audio/frame.ts";
import { RecentAudio } from "../../src/audio/recent-audio.ts";
import { stampOf } from "../../src/audio/stamp.ts";
import { StageTimes } from "../../src/kernel/stage-times.ts";
import type { AudioFormat } from "../../src/wire/audio-format.ts";
import { CodecShelf } from "../../workers/codecs/codec-shelf.ts";
import type { SpeechProvider, SpeechStreamOptions } from "../../workers/stt/provider.ts";
import { VoiceDetectors } from "../../workers/voice-detector.ts";
import { type LaneContext, WorkerLane } from "../../workers/worker-lane.ts";
import { hummedSamples, opusPackets } from "../support/opus-packets.ts";

const shelf = new CodecShelf("auto");
const detectors = await VoiceDetectors.load();

/** A recogniser that only writes down what it is told. */
class NotingProvider implements SpeechProvider {
  readonly id = "noting";
  readonly notes: string[] = [];

  supports(): boolean {
    return true;
  }

  open({ fromSample }: SpeechStreamOptions) {
    const { notes } = this;
    notes.push(`open from ${fromSample}`);
    return {
      voiceStart: (sample: number) => void notes.push(`start ${sample}`),
      audioUntil: (sample: number) => void notes.push(`until ${sample}`),
      voiceEnd: (sample: number) => void notes.push(`end ${sample}`),
      close: async () => void notes.push("close"),
    };
  }

  async close(): Promise<void> {}
}

/** A lane without threads: the test writes into its ring and lets it drain. */
function makeLane(options: { audioLagMs?: number } = {}) {
  const arena = Arena.allocate({ slots: 2, ringBytes: 64 * 1024, pcmRingBytes: 32 * 1024 });
  const words = arena.slot(1);
  const writer = words.writer();
  const reports: LaneReport[] = [];
  const provider = new NotingProvider();
  const recent = RecentAudio.allocate(10_000);
  const context: LaneContext & { nowMs: number } = {
    nowMs: 0,
    workerId: "test",
    arena,
    shelf,
    detectors,
    prerollMs: 500,
    pcmBatchMs: 20,
    audioLagMs: options.audioLagMs ?? 5_000,
    stamp: () => stampOf(context.nowMs, 0),
    stages: new StageTimes(),
    providers: () => [provider],
    report: (report) => void reports.push(report),
    poison: undefined,
  };
  const open = (generation: number, resumed = false) => new WorkerLane(context, 1, generation, resumed);
  const write = (generation: number, bytes: Uint8Array) =>
    writer.write(frameKinds.audio, generation, context.stamp(), bytes);
  const mark = (generation: number, kind: number, payload = noPayload) =>
    writer.write(kind, generation, context.stamp(), payload);
  const setFormat = (generation: number, format: AudioFormat) =>
    mark(generation, frameKinds.format, numberPayload(formatCode(format)));
  const heard = (): number[] => {
    const into = new Int16Array(recent.written);
    recent.read(0, into);
    return [...into];
  };
  return { arena, words, context, reports, provider, recent, open, write, mark, setFormat, heard };
}

function pcm(...samples: number[]): Uint8Array {
  return new Uint8Array(Int16Array.from(samples).buffer);
}

function drainAll(lane: WorkerLane): void {
  while (lane.drain(16));
}

describe("a lane in its audio worker", () => {
  test("puts the samples of its frames into the recent audio, halves of samples joined", () => {
    const { open, write, recent, heard } = makeLane();
    const lane = open(1);
    lane.setDemand([], true, recent.buffer);
    const bytes = pcm(1, 2, 3, 4, 5);
    write(1, bytes.subarray(0, 3));
    write(1, bytes.subarray(3, 8));
    write(1, bytes.subarray(8));
    drainAll(lane);
    expect(heard()).toEqual([1, 2, 3, 4, 5]);
  });

  test("drops and counts late frames of the slot's former session", () => {
    const { open, write, words, recent, heard, mark } = makeLane();
    write(1, pcm(1, 1, 1));
    mark(1, frameKinds.format, numberPayload(formatCode({ codec: "opus" })));
    write(1, pcm(1));
    const lane = open(2);
    lane.setDemand([], true, recent.buffer);
    write(2, pcm(2, 2));
    write(1, pcm(1));
    write(2, pcm(3));
    drainAll(lane);
    expect(heard()).toEqual([2, 2, 3]);
    expect(words.counter("late")).toBe(3);
  });

  test("leaves the ring alone until the newest command about it has been carried out", () => {
    const { open, write, words, recent, heard } = makeLane();
    const lane = open(1);
    lane.setDemand([], true, recent.buffer);
    words.announced = 2;
    write(1, pcm(1));
    lane.setSerial(1);
    expect(lane.drain(16)).toBeFalse();
    expect(heard()).toEqual([]);
    lane.setSerial(2);
    lane.drain(16);
    expect(heard()).toEqual([1]);
  });

  test("changes the format, forgets half samples and notes gaps exactly where they stand among the frames", () => {
    const { open, write, mark, setFormat, recent, heard, words } = makeLane();
    const lane = open(1);
    lane.setDemand([], true, recent.buffer);
    write(1, Uint8Array.of(1, 0, 9));
    mark(1, frameKinds.reset);
    write(1, Uint8Array.of(2, 0, 3));
    mark(1, frameKinds.gap, numberPayload(1));
    write(1, Uint8Array.of(4, 0, 5));
    setFormat(1, { codec: "opus" });
    for (const packet of opusPackets(hummedSamples(640, 120))) write(1, packet);
    setFormat(1, { codec: "pcm" });
    write(1, pcm(6));
    drainAll(lane);
    const samples = heard();
    expect(samples.slice(0, 3)).toEqual([1, 2, 4]);
    expect(samples.length).toBe(3 + 640 + 1);
    expect(samples.at(-1)).toBe(6);
    expect(words.format).toBe(formatCode({ codec: "pcm" }));
  });

  test("goes on in the same format and in the middle of a sample when its worker has been replaced", () => {
    const { open, write, setFormat, recent, heard } = makeLane();
    const first = open(1);
    first.setDemand([], true, recent.buffer);
    write(1, Uint8Array.of(1, 0, 9));
    drainAll(first);
    const second = open(1, true);
    second.setDemand([], true, recent.buffer);
    // The second half of a sample whose first half died with the worker.
    write(1, Uint8Array.of(9, 2, 0));
    setFormat(1, { codec: "opus" });
    drainAll(second);
    const third = open(1, true);
    third.setDemand([], true, recent.buffer);
    for (const packet of opusPackets(hummedSamples(320, 120))) write(1, packet);
    drainAll(third);
    expect(heard().slice(0, 2)).toEqual([1, 2]);
    expect(heard().length).toBe(2 + 320);
  });

  test("skips to live, and counts, when frames have waited too long, but follows the markers among them", () => {
    const { open, write, setFormat, recent, heard, words, context } = makeLane({ audioLagMs: 1_000 });
    const lane = open(1);
    lane.setDemand([], true, recent.buffer);
    write(1, pcm(1));
    setFormat(1, { codec: "opus" });
    setFormat(1, { codec: "pcm" });
    write(1, Uint8Array.of(2, 0, 3));
    context.nowMs = 900;
    write(1, Uint8Array.of(0, 4, 0));
    context.nowMs = 1_100;
    write(1, pcm(5));
    drainAll(lane);
    expect(heard()).toEqual([4, 5]);
    expect(words.counter("skipped")).toBe(2);
    context.nowMs = 1_200;
    write(1, pcm(6));
    drainAll(lane);
    expect(heard()).toEqual([4, 5, 6]);
  });

  test("counts what it cannot decode and does not take it for PCM", () => {
    const { open, write, setFormat, recent, heard, words } = makeLane();
    const lane = open(1);
    lane.setDemand([], true, recent.buffer);
    setFormat(1, { codec: "opus" });
    write(1, new Uint8Array(1_300).fill(77));
    drainAll(lane);
    expect(words.counter("undecodable")).toBe(1);
    expect(heard().every((sample) => sample === 0)).toBeTrue();
  });

  test("lets frames go that nobody wants any more", () => {
    const { open, write, recent, words } = makeLane();
    const lane = open(1);
    lane.setDemand([], true, recent.buffer);
    lane.setDemand([], false, undefined);
    write(1, pcm(1, 2));
    drainAll(lane);
    expect(words.counter("unwanted")).toBe(1);
    expect(recent.written).toBe(0);
  });

  test("sends PCM back in order and in batches of at most 20 ms", () => {
    const { open, write, recent, words } = makeLane();
    const lane = open(1);
    lane.setDemand([], true, recent.buffer);
    const samples = Array.from({ length: 4_000 }, (_, i) => i);
    for (let at = 0; at < samples.length; at += 150) write(1, pcm(...samples.slice(at, at + 150)));
    drainAll(lane);
    const reader = words.pcmReader();
    const back: number[] = [];
    const into = new Uint8Array(1_024);
    while (reader.next()) {
      const length = reader.take(into);
      expect(length).toBeLessThanOrEqual(640);
      back.push(...new Int16Array(into.slice(0, length).buffer));
    }
    expect(back).toEqual(samples);
  });

  test("sends back what was encoded alone where PCM is known already, by what each frame was when it came", () => {
    const { open, write, setFormat, recent, words, heard } = makeLane();
    const [packet] = opusPackets(hummedSamples(320, 1));
    const lane = open(1);
    lane.setDemand([], true, recent.buffer, [], true);
    // All of it waits while the format changes, and changes back.
    write(1, pcm(1, 2, 3));
    setFormat(1, { codec: "opus" });
    write(1, packet ?? new Uint8Array());
    setFormat(1, { codec: "pcm" });
    write(1, pcm(4, 5));
    drainAll(lane);
    const reader = words.pcmReader();
    const back: number[] = [];
    while (reader.next()) back.push(reader.take(new Uint8Array(1_024)));
    expect(back).toEqual([640]);
    expect(heard()).toHaveLength(3 + 320 + 2);
  });

  test("counts the PCM for which the way back has no room and goes on", () => {
    const { open, write, recent, words } = makeLane();
    const lane = open(1);
    lane.setDemand([], true, recent.buffer);
    for (let i = 0; i < 100; i++) {
      write(1, new Uint8Array(1_600));
      drainAll(lane);
    }
    expect(words.counter("pcm_refused")).toBeGreaterThan(100);
    expect(recent.written).toBe(80_000);
  });

  test("tells the recogniser of speech with a pre-roll, after the phone's word", () => {
    const { open, write, mark, recent, provider, reports } = makeLane();
    const lane = open(1);
    lane.setDemand(["en-US"], false, recent.buffer);
    for (let i = 0; i < 20; i++) write(1, new Uint8Array(1_600));
    drainAll(lane);
    mark(1, frameKinds.voiceOn);
    write(1, new Uint8Array(1_600));
    mark(1, frameKinds.voiceOff);
    drainAll(lane);
    // One second of silence before, so the pre-roll of 500 ms fits; the marker's place is exact.
    expect(provider.notes.filter((note) => /start|end/.test(note))).toEqual(["start 8000", "end 16800"]);
    expect(reports.filter((report) => report.kind === "voice").map(({ sample }) => sample)).toEqual([
      16_000, 16_800,
    ]);
  });

  test("never begins an utterance inside the one before", () => {
    const { open, write, mark, recent, provider } = makeLane();
    const lane = open(1);
    lane.setDemand(["en-US"], false, recent.buffer);
    for (const kind of [frameKinds.voiceOn, frameKinds.voiceOff, frameKinds.voiceOn]) {
      mark(1, kind);
      write(1, new Uint8Array(640));
    }
    drainAll(lane);
    expect(provider.notes.filter((note) => /start|end/.test(note))).toEqual([
      "start 0",
      "end 320",
      "start 320",
    ]);
  });

  test("works off its ring and waits for the recogniser before it says that it is closed", async () => {
    const { open, write, recent, reports, heard, provider } = makeLane();
    const lane = open(1);
    lane.setDemand(["en-US"], false, recent.buffer);
    for (let i = 0; i < 40; i++) write(1, pcm(i));
    lane.close(5_000);
    drainAll(lane);
    expect(heard().length).toBe(40);
    await new Promise((resolve) => setImmediate(resolve));
    expect(provider.notes.at(-1)).toBe("close");
    expect(reports.at(-1)?.kind).toBe("closed");
    expect(lane.finished).toBeTrue();
  });

  test("lets go of the recent audio and goes on with another, its clock unbroken", async () => {
    const { open, write, recent, reports, provider } = makeLane();
    const lane = open(1);
    lane.setDemand(["en-US"], false, recent.buffer);
    write(1, pcm(1, 2, 3));
    drainAll(lane);
    lane.setDemand([], false, undefined);
    await lane.release(1_000);
    expect(reports.at(-1)?.kind).toBe("released");
    const next = RecentAudio.allocate(10_000);
    next.clear(recent.written);
    lane.setDemand(["en-US"], false, next.buffer);
    write(1, pcm(4));
    drainAll(lane);
    expect(recent.written).toBe(3);
    expect(next.written).toBe(4);
    expect(provider.notes.at(-1)).toBe("until 4");
  });
});
