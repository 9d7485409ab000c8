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
    expect(world.lanes.opened[0]?.demand).toMatchObject({ pcm: false, languages: ["en-US"] });
    expect(await fate("passed_on")).toBe(0);
  });

  test("goes to a worker as well where somebody wants to know of voices", async () => {
    const { world, say } = await hearing("audio_chunk", "VAD");
    say(1, 2);
    expect(world.lanes.opened[0]?.frames).toEqual([Uint8Array.of(1, 2)]);
    expect(world.lanes.opened[0]?.demand).toMatchObject({ pcm: false, voice: true, languages: [] });
  });

  test("comes back from a worker where it has to be decoded, from the very next frame on", async () => {
    const { world, session, app, say } = await hearing("audio_chunk");
    session.configureAudio({ codec: "opus" });
    say(9);
    expect(app.audio).toEqual([]);
    expect(world.lanes.opened[0]?.told).toEqual(["format opus"]);
    expect(world.lanes.opened[0]?.frames).toEqual([Uint8Array.of(9)]);
    expect(world.lanes.opened[0]?.demand).toMatchObject({ pcm: true });
    session.configureAudio({ codec: "pcm" });
    say(1, 2);
    expect(app.audio).toEqual([Uint8Array.of(1, 2)]);
    expect(world.lanes.opened[0]?.demand).toMatchObject({ pcm: false });
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
