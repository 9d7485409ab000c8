import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { packageName, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

describe("a session over real sockets", () => {
  let stage: Stage;

  afterEach(() => stage.close());

  describe("with the usual times", () => {
    beforeEach(async () => {
      stage = await Stage.open({ recogniser: "off" });
    });

    test("belongs to the newer of two sockets; the older one's close changes nothing", async () => {
      const closes: number[] = [];
      const first = await stage.glasses({ events: { onClose: (code) => closes.push(code) } });
      const second = await stage.glasses();
      await first.until(() => !first.connected, "the first to be sent away");
      expect(closes).toEqual([4001]);
      await second.roundTrip();
      expect(stage.server.sessions.size).toBe(1);
      expect(stage.server.sessions.getSession("user@example.com")?.state).toBe("ACTIVE");
    });

    test("finds display and microphone as they were after a drop, and the app has noticed nothing", async () => {
      const app = await stage.wireApp("audio_chunk");
      const glasses = await stage.glasses();
      glasses.startApp(packageName);
      const session = await app.sessions.until(() => true);
      await glasses.until(() => glasses.microphoneOn, "the microphone");
      app.show(session, "still here");
      await glasses.until(() => glasses.displayText() === "still here", "the display");
      glasses.drop();
      await until(
        "the loss to be seen",
        () => stage.server.sessions.getSession("user@example.com")?.state === "DISCONNECTED",
      );

      const shown: string[] = [];
      const returned = await stage.glasses({
        events: { onMessage: ({ type }) => shown.push(type) },
      });
      await returned.until(() => returned.displayText() === "still here", "the display to be restored");
      expect(returned.microphoneOn).toBe(true);
      const resumed = ["connection_ack", "microphone_state_change", "display_event"];
      expect(shown.filter((type) => resumed.includes(type)).slice(0, 3)).toEqual(resumed);
      const before = session.audioBytes;
      await until("audio to flow again", () => session.audioBytes > before);
      expect(session.closed).toBeUndefined();
      expect(app.webhooks).toEqual(["session_request"]);
    });
  });

  test("500 lives leave no session, no timer, no lane and no memory of audio behind", async () => {
    stage = await Stage.open(
      { recogniser: "off" },
      { sessionGraceMs: 20, finalWordsMs: 200, recentIdleMs: 50 },
    );
    const app = await stage.wireApp("audio_chunk", "transcription:en-US");
    const { sessions, pool, clock } = stage.server;
    await until("the server to settle", () =>
      pool.stats().workers.every(({ heartbeatAgeMs }) => heartbeatAgeMs < 1_000),
    );
    const timersBefore = clock.pending;
    const references: WeakRef<object>[] = [];
    const live = async (life: number) => {
      const email = `user${life}@example.com`;
      const glasses = await stage.glasses({ background: "noise", ignoreMicrophone: true }, email);
      const session = sessions.getSession(email);
      if (session !== undefined) references.push(new WeakRef(session));
      glasses.startApp(packageName);
      const appSession = await app.sessions.until(({ userId }) => userId === email);
      await appSession.messages.until(({ type }) => type === "tpa_connection_ack");
      app.show(appSession, "hello");
      glasses.sendBinary(new Uint8Array(641));
      await glasses.roundTrip();
      if (life % 3 === 0) glasses.drop();
      else glasses.close();
      return appSession;
    };
    for (let life = 0; life < 500; life += 10) {
      const appSessions = await Promise.all(Array.from({ length: 10 }, (_, i) => live(life + i)));
      for (const appSession of appSessions) {
        await until("the app to be told", () => appSession.closed);
        expect(appSession.closed).toEqual({ code: 4001, reason: "User session ended" });
      }
    }
    await until("all sessions to be gone", () => sessions.size === 0, 30_000);
    const leftovers = () => ({
      lanes: pool.stats().workers.reduce((sum, { lanes }) => sum + lanes, 0),
      recentAudio: pool.stats().recentAudio.inUse,
      relays: pool.stats().relays,
      timers: Math.max(0, clock.pending - timersBefore),
    });
    await until(
      "everything to be given back",
      () => Object.values(leftovers()).every((left) => left === 0),
      30_000,
    ).catch(() => {});
    expect(leftovers()).toEqual({ lanes: 0, recentAudio: 0, relays: 0, timers: 0 });
    expect(references.length).toBe(500);
    const alive = () => {
      Bun.gc(true);
      return references.filter((reference) => reference.deref() !== undefined).length;
    };
    // The collector is conservative about the stack: a handful may be seen there by chance, a leak keeps hundreds.
    await until("the sessions to be collected", () => alive() < 10, 20_000);
  }, 180_000);
});
