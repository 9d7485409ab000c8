import { describe, expect, test } from "bun:test";
import { Arena } from "../../src/audio/arena.ts";
import type { AudioWorkerCommand } from "../../src/audio/commands.ts";
import { formatOfCode, frameKinds, numberOfPayload } from "../../src/audio/frame.ts";
import { type FrameFates, Lane, type LaneHost } from "../../src/audio/lane.ts";
import { RecentAudioPool } from "../../src/audio/recent-audio-pool.ts";
import type { Transcript } from "../../src/audio/speech.ts";
import { LatencyHistogram } from "../../src/kernel/latency-histogram.ts";
import { limits } from "../../src/kernel/limits.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";
import { seededRandom } from "../support/seeded-random.ts";

const ringBytes = 1024;

/** A lane without a worker: the test reads what is in the ring, and what would have been sent. */
function makeLane() {
  const arena = Arena.allocate({ slots: 1, ringBytes, pcmRingBytes: 1024 });
  const clock = new FakeClock();
  const commands: AudioWorkerCommand[] = [];
  const told: string[] = [];
  const fates: FrameFates = {
    accepted: 0,
    refused: 0,
    oversized: 0,
    empty: 0,
    unwanted: 0,
    quarantined: 0,
    closed: 0,
  };
  const recents = new RecentAudioPool(1_000);
  let freed = 0;
  const relayed: boolean[] = [];
  const errors: unknown[] = [];
  const host: LaneHost = {
    arena,
    clock,
    limits,
    epochMs: clock.now(),
    recents,
    fates,
    pcmToMain: new LatencyHistogram(),
    post: (command) => void commands.push(command),
    relay: (_, active) => void relayed.push(active),
    onListenerError: (error) => void errors.push(error),
    freed: () => void freed++,
  };
  const lane = new Lane(host, 0, 1, {
    onTranscript: (transcript) => void told.push(transcript.text),
    onVoice: (active, atMs) => void told.push(`voice ${active} at ${atMs}`),
    onPcm: (pcm) => void told.push(`pcm ${pcm.length}`),
    onSpeechState: ({ state }) => void told.push(state),
  });
  const reader = arena.slot(0).reader();
  /** What the ring holds, a word a record. */
  const ring = (): string[] => {
    const records: string[] = [];
    const into = new Uint8Array(ringBytes);
    while (reader.next()) {
      const { kind } = reader;
      const length = reader.take(into);
      if (kind === frameKinds.audio) records.push(`${length} bytes`);
      else if (kind === frameKinds.format) records.push(formatOfCode(numberOfPayload(into)).codec);
      else if (kind === frameKinds.gap) records.push(`gap ${numberOfPayload(into)}`);
      else if (kind === frameKinds.reset) records.push("reset");
      else records.push(kind === frameKinds.voiceOn ? "on" : "off");
    }
    return records;
  };
  const kinds = () => commands.map(({ kind }) => kind);
  return {
    arena,
    clock,
    commands,
    told,
    fates,
    recents,
    relayed,
    errors,
    lane,
    ring,
    kinds,
    freed: () => freed,
  };
}

const listen = { languages: ["en-US"], pcm: false };
const nothing = { languages: [], pcm: false };
const at = (generation = 1) => ({ slot: 0, generation });
const transcript = (text: string, over: Partial<Transcript> = {}) =>
  ({
    kind: "transcript",
    ...at(),
    transcript: {
      utteranceId: "u",
      language: "en-US",
      text,
      isFinal: true,
      startMs: 0,
      endMs: 1,
      provider: "p",
      ...over,
    },
  }) as const;

describe("a lane", () => {
  test("counts frames that nobody wants and keeps them out of the ring", () => {
    const { lane, ring, fates } = makeLane();
    expect(lane.write(new Uint8Array(40))).toBeTrue();
    expect(ring()).toEqual([]);
    expect(fates.unwanted).toBe(1);
  });

  test("tells before the first wanted frame what has changed meanwhile, each only as it is now", () => {
    const { lane, ring } = makeLane();
    lane.setFormat({ codec: "opus" });
    lane.setFormat({ codec: "lc3", frameBytes: 40 });
    lane.markVoice(true);
    lane.markVoice(false);
    lane.markVoice(true);
    lane.reset();
    lane.write(new Uint8Array(40));
    lane.setDemand(listen);
    lane.write(new Uint8Array(41));
    expect(ring()).toEqual(["reset", "lc3", "on", "41 bytes"]);
  });

  test("keeps markers in their place among the frames", () => {
    const { lane, ring } = makeLane();
    lane.setDemand(listen);
    lane.write(new Uint8Array(10));
    lane.markVoice(true);
    lane.write(new Uint8Array(11));
    lane.setFormat({ codec: "opus" });
    lane.write(new Uint8Array(12));
    lane.markVoice(false);
    lane.reset();
    expect(ring()).toEqual(["10 bytes", "on", "11 bytes", "opus", "12 bytes", "off", "reset"]);
  });

  test("says how many bytes of PCM are missing after frames that it had to refuse", () => {
    const { lane, ring, fates } = makeLane();
    lane.setDemand(listen);
    while (lane.write(new Uint8Array(101)));
    expect(lane.write(new Uint8Array(3))).toBeFalse();
    expect(fates.refused).toBe(2);
    ring();
    lane.write(new Uint8Array(5));
    expect(ring()).toEqual(["gap 104", "5 bytes"]);
  });

  test("says how many bytes of PCM are missing after a time in which nobody listened", () => {
    const { lane, ring } = makeLane();
    lane.write(new Uint8Array(7));
    lane.setDemand(listen);
    expect(ring()).toEqual(["gap 7"]);
  });

  test("says how many bytes of PCM went elsewhere", () => {
    const { lane, ring, fates } = makeLane();
    lane.setDemand(listen);
    lane.skip(3);
    lane.write(new Uint8Array(5));
    expect(ring()).toEqual(["gap 3", "5 bytes"]);
    expect(fates.unwanted).toBe(0);
  });

  test("listens for somebody who wants to know of voices and of nothing else", () => {
    const { lane, ring, commands } = makeLane();
    lane.setDemand({ languages: [], pcm: false, voice: true });
    lane.write(new Uint8Array(5));
    expect(ring()).toEqual(["5 bytes"]);
    expect(commands.at(-1)).toMatchObject({ kind: "demand", languages: [], pcm: false });
    expect((commands.at(-1) as { recent?: SharedArrayBuffer }).recent).toBeDefined();
  });

  test("does not lose markers to a full ring: they come as soon as there is room, even without another frame", () => {
    const { lane, ring, fates } = makeLane();
    lane.setDemand(listen);
    lane.setFormat({ codec: "opus" });
    while (lane.write(new Uint8Array(100)));
    // Fill what is left with markers, until none fits.
    for (let i = 0; i < 100; i++) lane.markVoice(true);
    lane.markVoice(false);
    lane.setFormat({ codec: "lc3", frameBytes: 20 });
    const before = ring();
    expect(before).not.toContain("off");
    expect(fates.refused).toBe(1);
    lane.flush();
    expect(ring()).toEqual(["lc3", "off"]);
    lane.flush();
    expect(ring()).toEqual([]);
  });

  test("refuses and counts a frame that is too large for its ring, and ignores an empty one", () => {
    const { lane, fates } = makeLane();
    lane.setDemand(listen);
    expect(lane.write(new Uint8Array(ringBytes))).toBeFalse();
    expect(lane.write(new Uint8Array(0))).toBeTrue();
    expect(fates).toMatchObject({ oversized: 1, empty: 1, accepted: 0 });
  });

  test("cuts a large frame of PCM between samples, in order and without losing a byte", () => {
    const { lane, arena, fates } = makeLane();
    const random = seededRandom("large frames of PCM");
    const reader = arena.slot(0).reader();
    const into = new Uint8Array(ringBytes);
    lane.setDemand(listen);
    for (let round = 0; round < 300; round++) {
      const frame = random.bytes(random.integer(1, 744));
      expect(lane.write(frame)).toBeTrue();
      const pieces: Uint8Array[] = [];
      while (reader.next()) pieces.push(into.slice(0, reader.take(into)));
      for (const piece of pieces.slice(0, -1)) expect(piece.length % 2).toBe(0);
      expect(Buffer.compare(Buffer.concat(pieces), frame)).toBe(0);
    }
    expect(fates).toMatchObject({ accepted: 300, refused: 0, oversized: 0 });
  });

  test("cuts a large message of LC3 between its frames", () => {
    const { lane, ring } = makeLane();
    lane.setFormat({ codec: "lc3", frameBytes: 40 });
    lane.setDemand(listen);
    ring();
    expect(lane.write(new Uint8Array(10 * 40))).toBeTrue();
    expect(ring()).toEqual(["120 bytes", "120 bytes", "120 bytes", "40 bytes"]);
  });

  test("never cuts an Opus packet", () => {
    const { lane, ring, fates } = makeLane();
    lane.setFormat({ codec: "opus" });
    lane.setDemand(listen);
    ring();
    expect(lane.write(new Uint8Array(400))).toBeTrue();
    expect(lane.write(new Uint8Array(600))).toBeFalse();
    expect(ring()).toEqual(["400 bytes"]);
    expect(fates.oversized).toBe(1);
  });

  test("tells of the rest of a large frame, for which there was no room, as a gap", () => {
    const { lane, ring, fates } = makeLane();
    lane.setDemand(listen);
    for (let i = 0; i < 5; i++) lane.write(new Uint8Array(100));
    expect(lane.write(new Uint8Array(501))).toBeFalse();
    expect(fates.refused).toBe(1);
    expect(ring()).toEqual([...Array(5).fill("100 bytes"), "124 bytes", "124 bytes"]);
    lane.write(new Uint8Array(2));
    expect(ring()).toEqual(["gap 253", "2 bytes"]);
  });

  test("lends recent audio only while somebody listens and some time after", () => {
    const { lane, recents, clock, commands, kinds } = makeLane();
    expect(recents.inUse).toBe(0);
    lane.setDemand(listen);
    expect(recents.inUse).toBe(1);
    lane.setDemand(nothing);
    clock.advance(limits.recentIdleMs - 1);
    expect(kinds()).not.toContain("release");
    clock.advance(1);
    expect(commands.at(-1)?.kind).toBe("release");
    expect(recents.inUse).toBe(1);
    lane.receive({ kind: "released", ...at() });
    expect(recents).toMatchObject({ inUse: 0, free: 1 });
  });

  test("carries the session's clock over to the next recent audio", () => {
    const { lane, clock, commands } = makeLane();
    lane.setDemand(listen);
    const sent = () => commands.findLast((command) => command.kind === "demand");
    const first = sent()?.recent;
    if (first === undefined) throw new Error("no recent audio was handed out");
    new BigInt64Array(first)[0] = 4_000n;
    lane.setDemand(nothing);
    clock.advance(limits.recentIdleMs);
    // Somebody listens again before the worker has let go: the lane waits for that.
    lane.setDemand(listen);
    expect(commands.at(-1)?.kind).toBe("release");
    lane.receive({ kind: "released", ...at() });
    const second = sent()?.recent;
    if (second === undefined) throw new Error("no recent audio was handed out");
    expect(new BigInt64Array(second)[0]).toBe(4_000n);
    expect(lane.write(new Uint8Array(2))).toBeTrue();
  });

  test("keeps its recent audio when somebody listens again in time", () => {
    const { lane, clock, kinds, recents } = makeLane();
    lane.setDemand(listen);
    lane.setDemand(nothing);
    clock.advance(1_000);
    lane.setDemand(listen);
    clock.advance(10 * limits.recentIdleMs);
    expect(kinds()).not.toContain("release");
    expect(recents.inUse).toBe(1);
  });

  test("closes when the worker says so; what comes until then is still heard, and nothing after", async () => {
    const { lane, told, freed, clock } = makeLane();
    lane.setDemand(listen);
    let closed = false;
    void lane.close(1_000).then(() => {
      closed = true;
    });
    lane.receive(transcript("last words"));
    await settle();
    expect(closed).toBeFalse();
    lane.receive({ kind: "closed", ...at() });
    await settle();
    expect(closed).toBeTrue();
    expect(freed()).toBe(1);
    lane.receive(transcript("too late"));
    expect(told).toEqual(["last words"]);
    expect(clock.pending).toBe(0);
    await lane.close(1_000);
    expect(freed()).toBe(1);
  });

  test("closes after its time when the worker does not answer, but keeps its slot until it does", async () => {
    const { lane, told, freed, clock, recents } = makeLane();
    lane.setDemand(listen);
    const closing = lane.close(1_000);
    clock.advance(2_000);
    await closing;
    lane.receive(transcript("too late"));
    expect(told).toEqual([]);
    expect({ freed: freed(), inUse: recents.inUse }).toEqual({ freed: 0, inUse: 1 });
    lane.receive({ kind: "closed", ...at() });
    expect({ freed: freed(), inUse: recents.inUse }).toEqual({ freed: 1, inUse: 0 });
  });

  test("does not hear what is said about a former session of its slot", () => {
    const { lane, told } = makeLane();
    lane.receive({ ...transcript("not mine"), generation: 0 });
    lane.receive({ kind: "voice", ...at(2), active: true, sample: 0 });
    expect(told).toEqual([]);
  });

  test("tells a new worker all that the former knew", () => {
    const { lane, commands, arena } = makeLane();
    lane.setDemand({ languages: ["en-US"], pcm: true });
    void lane.close(1_000);
    commands.length = 0;
    lane.announce(true);
    expect(commands).toMatchObject([
      { kind: "open", resumed: true },
      { kind: "demand", languages: ["en-US"], pcm: true },
      { kind: "close", drainMs: 1_000 },
    ]);
    expect(commands.at(-1)).toMatchObject({ serial: arena.slot(0).announced });
  });

  test("tells a new worker what the former has told of speech, and ends what that one will not", () => {
    const { lane, commands, told } = makeLane();
    lane.setDemand({ languages: ["en-US"], pcm: false });
    const interim = { isFinal: false, utteranceId: "v", startMs: 2_000, endMs: 2_500 };
    lane.receive(transcript("turn on the lights", { endMs: 1_900 }));
    lane.receive(transcript("take a", interim));
    lane.receive(transcript("bonne", { ...interim, language: "fr-FR", utteranceId: "w" }));
    lane.announce(true);
    // French is not wanted any more.
    expect(told).toEqual(["turn on the lights", "take a", "bonne", "bonne"]);
    const open = commands.findLast(({ kind }) => kind === "open");
    expect(open).toMatchObject({
      told: [
        { language: "en-US", untilMs: 1_900, unfinished: { utteranceId: "v", text: "take a" } },
        { language: "fr-FR", untilMs: 2_500, unfinished: undefined },
      ],
    });
  });

  test("ends the utterance that is shown when its worker does not: at the close, or cut off for good", async () => {
    const shown = { isFinal: false, utteranceId: "v" };
    const hanging = makeLane();
    hanging.lane.setDemand(listen);
    hanging.lane.receive(transcript("take a", shown));
    const closed = hanging.lane.close(1_000);
    hanging.clock.advance(1_250);
    await closed;
    expect(hanging.told).toEqual(["take a", "take a"]);
    const deadly = makeLane();
    deadly.lane.setDemand(listen);
    deadly.lane.receive(transcript("take a", shown));
    for (let deaths = 1; deaths <= limits.quarantineDeaths; deaths++) deadly.lane.countDeath();
    expect(deadly.told).toEqual(["take a", "take a", "off"]);
  });

  test("ends speech whose end died with the worker", () => {
    const { lane, told } = makeLane();
    lane.setDemand(listen);
    lane.receive({ kind: "voice", ...at(), active: true, sample: 160 });
    lane.receive({ kind: "voice", ...at(), active: true, sample: 320 });
    lane.announce(true);
    expect(told).toEqual(["voice true at 10", "voice false at 0"]);
  });

  test("is cut off after three deaths of its worker within a minute, and says so", async () => {
    const { lane, told, fates, clock, commands, recents, freed } = makeLane();
    lane.setDemand(listen);
    expect(lane.countDeath()).toBeFalse();
    clock.advance(limits.quarantineWindowMs);
    expect(lane.countDeath()).toBeFalse();
    expect(lane.countDeath()).toBeFalse();
    expect(lane.countDeath()).toBeTrue();
    expect(told).toEqual(["off"]);
    expect(lane.write(new Uint8Array(10))).toBeFalse();
    expect(fates.quarantined).toBe(1);
    expect(recents.inUse).toBe(0);
    commands.length = 0;
    lane.announce(true);
    expect(commands).toEqual([]);
    await lane.close(1_000);
    expect(freed()).toBe(1);
  });

  test("survives a listener that throws", () => {
    const { arena, clock, recents, fates } = makeLane();
    const errors: unknown[] = [];
    const fail = () => {
      throw new Error("listener");
    };
    const host: LaneHost = {
      arena,
      clock,
      limits,
      epochMs: clock.now(),
      recents,
      fates,
      pcmToMain: new LatencyHistogram(),
      post: () => {},
      relay: () => {},
      onListenerError: (error) => void errors.push(error),
      freed: () => {},
    };
    const lane = new Lane(host, 0, 1, {
      onTranscript: fail,
      onVoice: fail,
      onPcm: fail,
      onSpeechState: fail,
    });
    lane.receive(transcript("boom"));
    expect(errors.length).toBe(1);
  });
});
