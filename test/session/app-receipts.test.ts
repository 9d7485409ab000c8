import { expect, test } from "bun:test";
import { captions, FakeWorld } from "../support/fake-world.ts";

/** What an app has not confirmed when it is lost, it gets twice: so late is an event still among that. */
test.each([0, 5, 40, 200])(
  "of 50 events a second none is older than 250 ms and a round trip of %i ms when the app has confirmed it",
  async (roundTripMs) => {
    const world = new FakeWorld();
    const { clock, limits } = world;
    const { session, generation } = await world.connect();
    const app = await world.runApp(session, captions, "button_press");
    const sentAtMs: number[] = [];
    let confirmed = 0;
    let oldestMs = 0;
    const numbersOfEvents = () => app.numbers.filter((_, i) => app.sent[i]?.type === "data_stream");
    app.confirm = (seq) => {
      clock.after(roundTripMs, () => {
        oldestMs = Math.max(oldestMs, clock.now() - (sentAtMs[confirmed] ?? clock.now()));
        session.apps.confirmed(captions, app.generation, seq);
        confirmed = numbersOfEvents().filter((number) => number <= seq).length;
      });
    };
    for (let n = 0; n < 500; n++) {
      sentAtMs.push(clock.now());
      session.receiveGlasses(generation, { type: "button_press", buttonId: `${n}`, pressType: "short" });
      await clock.advanceAsync(20);
    }
    expect(confirmed).toBeGreaterThan(480);
    expect(oldestMs).toBeGreaterThan(limits.receiptMs - 20);
    expect(oldestMs).toBeLessThanOrEqual(limits.receiptMs + roundTripMs);
    // No more often than needed: one in flight, and one each 250 ms.
    expect(app.receipts.length).toBeLessThanOrEqual(Math.ceil(10_000 / limits.receiptMs));
  },
);
