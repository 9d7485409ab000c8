import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SdkApp } from "../support/sdk-app.ts";
import { SdkStage, type SdkUser } from "../support/sdk-stage.ts";
import { until } from "../support/until.ts";

/** What of the conformance to the SDK shows only after longer than a test may take. */
describe.each(["bun", "node"] as const)("an unmodified SDK app on %s, in the long run", (runtime) => {
  const polite = "com.example.polite-app";
  const rude = "com.example.rude-app";
  const mortal = "com.example.mortal-app";
  const listen = [["events.onButtonPress"]] as const;
  const apps = new Map<string, SdkApp>();
  let stage: SdkStage;

  beforeAll(async () => {
    stage = await SdkStage.open();
    const start = async (packageName: string, onStop: "super" | "own") => {
      apps.set(packageName, await stage.app({ runtime, packageName, onStop, listen }));
    };
    await Promise.all([start(polite, "super"), start(rude, "own"), start(mortal, "super")]);
  });

  afterAll(() => stage.close());

  function appOf(packageName: string): SdkApp {
    const app = apps.get(packageName);
    if (app === undefined) throw new Error(`${packageName} was not started`);
    return app;
  }

  async function join(packageName: string, email?: string): Promise<SdkUser & { readonly app: SdkApp }> {
    const app = appOf(packageName);
    return { ...(await stage.join(app, packageName, email)), app };
  }

  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  async function works(user: SdkUser & { readonly app: SdkApp }, packageName: string): Promise<void> {
    await until("the app to run", () => user.session.apps.inState("RUNNING").includes(packageName), 60_000);
    await stage.inSync(user.app, user);
    const before = user.heard("events.onButtonPress").length;
    user.glasses.pressButton("long");
    await until("the button press", () => user.heard("events.onButtonPress").length > before);
    expect(user.heard("events.onButtonPress")).toHaveLength(before + 1);
  }

  for (const packageName of [polite, rude]) {
    test.concurrent(`has one connection and one session 10 s after a loss that its dials could not mend (${packageName})`, async () => {
      const user = await join(packageName);
      stage.relay.refuse(user.sessionId);
      // The last dial of a session that has given up would come 7 s after the loss.
      await wait(10_000);
      await works(user, packageName);
      expect(user.reports("session")).toHaveLength(2);
      const sockets = stage.relay.frames.events.filter(
        ({ sessionId, message }) =>
          sessionId === user.sessionId && "type" in message && message.type === "tpa_connection_init",
      );
      expect(sockets).toHaveLength(2);
    });

    for (const outageMs of [800, 2_500, 4_000, 6_500]) {
      test.concurrent(`lives through an outage of ${outageMs} ms (${packageName})`, async () => {
        const user = await join(packageName);
        stage.relay.refuse(user.sessionId, true);
        await wait(outageMs);
        stage.relay.admit(user.sessionId);
        await works(user, packageName);
        await wait(8_000);
        await works(user, packageName);
        expect(stage.relay.open(user.sessionId)).toBe(1);
      });
    }
  }

  test.concurrent("is there though its acknowledgement takes 4 s", async () => {
    const email = "late-ack@ex-ample.com";
    const sessionId = `${email}-${polite}`;
    stage.relay.delay(sessionId, 4_000);
    const user = await join(polite, email);
    // What followed the acknowledgement is still under way.
    await wait(4_500);
    stage.relay.delay(sessionId, 0);
    await works(user, polite);
    expect(user.reports("session")).toHaveLength(1);
  });

  test.concurrent("gives up before an acknowledgement that takes 6.5 s, and is there when its user starts it again", async () => {
    const app = appOf(polite);
    const user = await stage.glasses("too-late-ack@ex-ample.com");
    const sessionId = `${user.email}-${polite}`;
    stage.relay.delay(sessionId, 6_500);
    user.glasses.startApp(polite);
    await wait(8_000);
    stage.relay.delay(sessionId, 0);
    const ready = () =>
      app.reports.events.filter((each) => each.kind === "ready" && each.sessionId === sessionId);
    expect(ready()).toEqual([]);
    user.glasses.stopApp(polite);
    user.glasses.startApp(polite);
    await until("its handlers", () => ready().length === 1, 20_000);
    expect(stage.relay.open(sessionId)).toBe(1);
    const before = app.reports.events.length;
    await stage.inSync(app, { ...user, sessionId });
    user.glasses.pressButton("long");
    await until("the button press", () =>
      app.reports.events.slice(before).some((each) => each.kind === "event" && each.sessionId === sessionId),
    );
  });

  test.concurrent("is brought back after it was killed", async () => {
    const user = await join(mortal);
    await user.app.kill();
    const port = Number(new URL(user.app.url).port);
    const reborn = await stage.app({ runtime, packageName: mortal, port, listen });
    await reborn.reports.until(({ kind }) => kind === "ready");
    await until("the app to run", () => user.session.apps.inState("RUNNING").includes(mortal), 60_000);
  });

  test.concurrent("learns within 30 s that a picture will not come, and within 15 s that no place will", async () => {
    const { app, sessionId } = await join(polite);
    const outcome = async (method: string, options: object) => {
      const startedMs = performance.now();
      const message = await app.call(sessionId, method, options).then(
        () => "resolved",
        (error: Error) => error.message,
      );
      return { message, tookMs: performance.now() - startedMs };
    };
    const [photo, place] = await Promise.all([
      outcome("camera.requestPhoto", {}),
      outcome("location.getLatestLocation", { accuracy: "high" }),
    ]);
    expect(photo.message).toContain("code:");
    expect(photo.tookMs).toBeLessThan(30_000);
    expect(place.message).not.toBe("resolved");
    expect(place.tookMs).toBeLessThan(16_000);
  });
});
