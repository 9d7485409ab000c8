import { captions, FakeWorld } from "./fake-world.ts";
import { until } from "./until.ts";

/**
 * Lets many sessions live and die on the fake clock, each with an app, sound, a display, a photo and whatever else starts
 * a timer, and ended in every way there is.
 * @throws Error when anything of them is left behind.
 */
export async function liveAndLeaveNothing(lives: number): Promise<void> {
  const world = new FakeWorld();
  const references: WeakRef<object>[] = [];
  for (let life = 0; life < lives; life++) {
    const { session, generation } = await world.connect(`user${life}@example.com`);
    references.push(new WeakRef(session));
    const app = await world.runApp(
      session,
      captions,
      "transcription:en-US",
      "audio_chunk",
      "location_update",
    );
    world.show(session, app, captions, "hello", 5_000);
    session.audio.receive(generation, new Uint8Array(640));
    const ask = (message: Parameters<typeof session.apps.receive>[2]) =>
      session.apps.receive(captions, app.generation, message);
    ask({ type: "photo_request", requestId: `photo ${life}` });
    ask({ type: "audio_play_request", requestId: `sound ${life}`, audioUrl: "http://127.0.0.1:1/a.wav" });
    ask({ type: "location_poll_request", correlationId: `poll ${life}`, accuracy: "high" });
    ask({ type: "dashboard_content_update", content: "hello", modes: ["main"] });
    ask({ type: "app_room_join", roomId: "room" });
    session.receiveGlasses(generation, { type: "head_position", position: "up" });
    if (life % 3 === 0) await world.clock.advanceAsync(500);
    if (life % 2 === 0) session.apps.closed(captions, app.generation);
    if (life % 7 === 0) session.apps.stop(captions);
    if (life % 11 === 0) await session.end();
    session.glassesClosed(generation);
    if (life % 50 === 0) await world.clock.advanceAsync(10_000);
  }
  await world.clock.advanceAsync(world.limits.sessionGraceMs + 60_000);
  const open = world.lanes.opened.filter(({ closed }) => !closed).length;
  world.lanes.opened.length = 0;
  const left = { sessions: world.storage.size, timers: world.clock.pending, lanes: open };
  if (Object.values(left).some((count) => count > 0)) throw new Error(`left behind: ${JSON.stringify(left)}`);
  // The collector is conservative about the stack: a handful may be seen there by chance, a leak keeps all.
  await until("the sessions to be collected", () => {
    Bun.gc(true);
    return references.filter((reference) => reference.deref() !== undefined).length < 10;
  });
}
