import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { WholeSamples } from "../../src/session/whole-samples.ts";
import { captions, FakeGlasses, FakeWorld } from "../support/fake-world.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** A session with an app that hears `streams`, and whatever the glasses are about to say. */
async function hearing(...streams: string[]) {
  const world = new FakeWorld();
  const { session, generation } = await world.connect();
  const app = await world.runApp(session, captions, ...streams);
  await world.clock.advanceAsync(200);
  const say = (...bytes: number[]) => session.audio.receive(generation, Uint8Array.from(bytes));
  const fate = (name: string) => world.count("browline_audio_frames_total", { fate: name });
  return { world, session, app, say, fate };
}

describe("PCM that an app hears", () => {
  test("goes there as it came, at once, and takes no place in a worker", async () => {
    const { world, app, say, fate } = await hearing("audio_chunk");
    say(1, 2, 3, 4);
    say(5, 6);
    expect(app.audio).toEqual([Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6)]);
    expect(world.lanes.opened).toEqual([]);
    expect(await fate("passed_on")).toBe(2);
  });

  test("goes to a worker as well where words are wanted, which need not send it back", async () => {
    const { world, app, say, fate } = await hearing("audio_chunk", "transcription:en-US");
    say(1, 2);
    expect(app.audio).toEqual([Uint8Array.of(1, 2)]);
    expect(world.lanes.opened[0]?.frames).toEqual([Uint8Array.of(1, 2)]);
    expect(world.lanes.opened[0]?.demand).toMatchObject({
      pcm: true,
      encodedOnly: true,
      languages: ["en-US"],
    });
    expect(await fate("passed_on")).toBe(0);
  });

  test("goes to a worker as well where somebody wants to know of voices", async () => {
    const { world, say } = await hearing("audio_chunk", "VAD");
    say(1, 2);
    expect(world.lanes.opened[0]?.frames).toEqual([Uint8Array.of(1, 2)]);
    expect(world.lanes.opened[0]?.demand).toMatchObject({ encodedOnly: true, voice: true, languages: [] });
  });

  test("comes back from a worker where it has to be decoded, from the very next frame on", async () => {
    const { world, session, app, say } = await hearing("audio_chunk");
    session.configureAudio({ codec: "opus" });
    say(9);
    expect(app.audio).toEqual([]);
    expect(world.lanes.opened[0]?.told).toEqual(["format opus"]);
    expect(world.lanes.opened[0]?.frames).toEqual([Uint8Array.of(9)]);
    expect(world.lanes.opened[0]?.demand).toMatchObject({ pcm: true, encodedOnly: true });
    session.configureAudio({ codec: "pcm" });
    say(1, 2);
    expect(app.audio).toEqual([Uint8Array.of(1, 2)]);
    // What it has not decoded yet is still wanted.
    expect(world.lanes.opened[0]?.demand).toMatchObject({ pcm: true, encodedOnly: true });
    expect(world.lanes.opened[0]?.frames).toHaveLength(1);
  });

  test("keeps its samples whole however it is cut, and begins anew with a new socket", async () => {
    const { world, session, app, say } = await hearing("audio_chunk");
    say(1);
    say(2, 3);
    say(4, 5, 6, 7);
    expect(Buffer.concat(app.audio)).toEqual(Buffer.of(1, 2, 3, 4, 5, 6));
    expect(app.audio.every(({ length }) => length % 2 === 0)).toBe(true);
    const generation = session.attachGlasses(new FakeGlasses(world.clock));
    session.audio.receive(generation, Uint8Array.of(8, 9));
    expect(app.audio.at(-1)).toEqual(Uint8Array.of(8, 9));
  });

  test("keeps its samples whole after a while in which nobody heard it", async () => {
    const { world, session, app, say } = await hearing("audio_chunk");
    const hear = async (...streams: string[]) => {
      world.subscribe(session, app, captions, ...streams);
      await world.clock.advanceAsync(2_000);
    };
    say(1, 2, 3);
    await hear("button_press");
    say(4, 5, 6, 7);
    await hear("audio_chunk");
    // The second half of a sample whose first went nowhere.
    say(8, 9, 10);
    expect(app.audio).toEqual([Uint8Array.of(1, 2), Uint8Array.of(9, 10)]);
  });

  test("that is recognised from the middle of a sample on tells the worker so", async () => {
    const { world, session, app, say } = await hearing("audio_chunk");
    const skipped: number[] = [];
    const { open } = world.lanes;
    world.lanes.open = (listener) => {
      const lane = open.call(world.lanes, listener);
      lane.skip = (bytes) => void skipped.push(bytes);
      return lane;
    };
    say(1, 2, 3);
    world.subscribe(session, app, captions, "audio_chunk", "transcription:en-US");
    await world.clock.advanceAsync(200);
    say(4, 5);
    expect(skipped).toEqual([1]);
    expect(world.lanes.opened[0]?.frames).toEqual([Uint8Array.of(4, 5)]);
    expect(Buffer.concat(app.audio)).toEqual(Buffer.of(1, 2, 3, 4));
  });

  test("that comes far faster than anybody speaks is let go, counted, and the rest keeps its samples whole", async () => {
    const { world, app, say, fate } = await hearing("audio_chunk");
    const most = world.limits.passedOnFrames;
    for (let i = 0; i < most + 10; i++) say(1, 2, 3);
    expect(await fate("passed_on")).toBe(most);
    expect(await fate("too_fast")).toBe(10);
    expect(await world.count("browline_audio_lost_total", { cause: "too_fast" })).toBe(10);
    await world.clock.advanceAsync(1_000);
    const before = app.audio.length;
    say(1, 2);
    expect(app.audio.slice(before)).toEqual([Uint8Array.of(1, 2)]);
  });

  test("does not shift the samples of a worker that hears only some of it", async () => {
    const { world, session, app, say } = await hearing("audio_chunk", "transcription:en-US");
    const lane = world.lanes.opened[0];
    const skipped: number[] = [];
    if (lane !== undefined) lane.skip = (bytes) => void skipped.push(bytes);
    world.subscribe(session, app, captions, "audio_chunk");
    await world.clock.advanceAsync(1_000);
    say(1, 2, 3);
    expect(lane?.frames).toEqual([]);
    expect(skipped).toEqual([3]);
  });
});

test("whole samples are what came, in order, but for a last half", () => {
  const { seed } = seededRandom("whole samples");
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9 })), (frames) => {
      const samples = new WholeSamples();
      const taken = frames.map((frame) => samples.take(frame).slice());
      const came = Buffer.concat(frames);
      expect(Buffer.concat(taken)).toEqual(came.subarray(0, came.length & ~1));
      expect(taken.every(({ length }) => length % 2 === 0)).toBe(true);
    }),
    { seed },
  );
});
