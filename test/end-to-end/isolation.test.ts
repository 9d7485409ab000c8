import { afterEach, describe, expect, test } from "bun:test";
import { packageName, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

/** What the main loop owes to everybody, whatever its workers do. */
describe("while every worker spins", () => {
  let stage: Stage;

  afterEach(() => stage.close());

  test("the server answers, routes messages and paces the display; the workers are replaced and the audio goes on", async () => {
    // More patience than usual, so that all of it can be seen before the first worker is replaced.
    stage = await Stage.open({ audioWorkers: 2 }, { workerSilenceMs: 6_000 });
    await stage.speechReady();
    const app = await stage.wireApp("audio_chunk", "transcription:en-US", "button_press");
    const shownAt: number[] = [];
    const glasses = await stage.glasses({ events: { onDisplay: () => shownAt.push(performance.now()) } });
    glasses.startApp(packageName);
    const session = await app.sessions.until(() => true);
    await glasses.until(() => glasses.microphoneOn, "the microphone");
    await until("audio at the app", () => session.audioBytes > 0);

    for (const worker of [0, 1]) stage.server.pool.injectFault(worker, { fault: "spin", ms: 60_000 });
    stage.server.pool.injectRecogniserFault(0, { fault: "spin", ms: 60_000 });
    const threads = () => {
      const { workers, recognisers } = stage.server.pool.stats();
      return [...workers, ...recognisers];
    };
    const stuck = () => threads().every(({ heartbeatAgeMs }) => heartbeatAgeMs > 500);
    await until("all three workers to be stuck", stuck, 20_000);
    expect(threads().length).toBe(3);

    const { url, livezPort } = stage.server;
    expect(await (await fetch(`${url}/livez`)).text()).toBe("ok");
    expect(await (await fetch(`http://127.0.0.1:${livezPort}/livez`)).text()).toBe("ok");
    await glasses.roundTrip();
    glasses.pressButton();
    await session.messages.until(
      (message) => message.type === "data_stream" && message.streamType === "button_press",
    );
    shownAt.length = 0;
    for (let i = 0; i < 5; i++) app.show(session, `text ${i}`);
    await glasses.until(() => glasses.displayText() === "text 4", "the last text", 10_000);
    expect(shownAt.length).toBe(2);
    // PCM needs no worker on its way to an app that hears the sound.
    const heard = session.audioBytes;
    await until("audio at the app while every worker spins", () => session.audioBytes > heard + 6_400);
    expect(stuck()).toBe(true);

    await until(
      "all three workers to be replaced",
      () => threads().every(({ restarts, heartbeatAgeMs }) => restarts > 0 && heartbeatAgeMs < 1_000),
      30_000,
    );
    const decoded = () => stage.server.pool.stats().workers.map((worker) => worker.decoded);
    const before = decoded();
    const goesOn = () => decoded().some((count, i) => count > (before[i] ?? 0));
    await until("audio in the new worker", goesOn, 10_000);
    expect(await stage.count("browline_worker_restarts_total", { kind: "audio" })).toBe(2);
    expect(await stage.count("browline_worker_restarts_total", { kind: "recogniser" })).toBe(1);
    expect(glasses.connected).toBe(true);
  }, 90_000);
});
