import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { RawWebSocket } from "../support/raw-websocket.ts";
import type { SdkApp } from "../support/sdk-app.ts";
import { SdkStage, type SdkUser } from "../support/sdk-stage.ts";
import { until } from "../support/until.ts";

/**
 * What an unmodified SDK app does on its connection, and what this server makes of it. The SDK redials 1 s and 3 s after a
 * loss and cannot be asked to be quicker, so the tests of losses run side by side.
 */
describe.each(["bun", "node"] as const)("the connection of an unmodified SDK app on %s", (runtime) => {
  const polite = "com.example.polite-app";
  const rude = "com.example.rude-app";
  const mortal = "com.example.mortal-app";
  const hinted = "transcription:en-US?no-language-identification=true&hints=en%2Ces";
  const listen = [
    ["events.onButtonPress"],
    [
      "events.onTranscriptionForLanguage",
      "en-US",
      { disableLanguageIdentification: true, hints: ["en", "es"] },
    ],
  ] as const;
  const slow = "slow-user@ex-ample.com";
  const apps = new Map<string, SdkApp>();
  let stage: SdkStage;

  beforeAll(async () => {
    stage = await SdkStage.open();
    const start = async (packageName: string, onStop: "super" | "own") => {
      const options = { runtime, packageName, onStop, listen, slowUsers: { [slow]: 1_000 } };
      apps.set(packageName, await stage.app(options));
    };
    await Promise.all([start(polite, "super"), start(rude, "own"), start(mortal, "super")]);
  }, 90_000);

  afterAll(() => stage.close());

  function appOf(packageName: string): SdkApp {
    const app = apps.get(packageName);
    if (app === undefined) throw new Error(`${packageName} was not started`);
    return app;
  }

  const join = (packageName: string, email?: string): Promise<SdkUser> =>
    stage.join(appOf(packageName), packageName, email);
  const dialsOf = (user: SdkUser) =>
    stage.relay.dials.events.filter(({ sessionId }) => sessionId === user.sessionId).length;
  const webhooksFor = ({ sessionId }: { sessionId: string }) =>
    stage.relay.requests.events.filter(
      ({ path, body }) => path === "/webhook" && body["sessionId"] === sessionId,
    );
  const inits = (user: SdkUser) =>
    stage.relay.messages(user.sessionId, "app").filter(({ type }) => type === "tpa_connection_init");
  const runs = (user: SdkUser, packageName: string) =>
    until("the app to run", () => user.session.apps.inState("RUNNING").includes(packageName), 20_000);
  /** Whatever a button press finds of the app has arrived when this resolves. */
  const press = async (user: SdkUser, times: number) => {
    user.glasses.pressButton();
    await until("the button press to arrive", () => user.heard("events.onButtonPress").length >= times);
  };

  test("opens with its init, is acknowledged, and then lists what it listens to, at first nothing", async () => {
    const user = await join(polite);
    const opening = ["tpa_connection_init", "tpa_connection_ack", "subscription_update"];
    const order = stage.relay.frames.events.flatMap(({ sessionId, from, message }) =>
      sessionId === user.sessionId && "type" in message && opening.includes(message.type)
        ? [`${from} ${message.type}`]
        : [],
    );
    expect(order.slice(0, 3)).toEqual([
      "app tpa_connection_init",
      "server tpa_connection_ack",
      "app subscription_update",
    ]);
    const lists = stage.relay
      .messages(user.sessionId, "app")
      .flatMap((message) => (message.type === "subscription_update" ? [message["subscriptions"]] : []));
    expect(lists[0]).toEqual([]);
    expect(lists.at(-1)).toEqual(["button_press", hinted]);
    expect(user.session.apps.subscriptions.literalsOf(polite)).toEqual(["button_press", hinted]);
    await press(user, 1);
  });

  test("D-52, D-63: serves users and apps whose names are full of hyphens, under one id of the session", async () => {
    const user = await join(polite, "mary-jane.o-hara@ex-ample.com");
    expect(user.sessionId).toBe(`mary-jane.o-hara@ex-ample.com-${polite}`);
    expect(user.reports("session")).toMatchObject([{ sessionId: user.sessionId, userId: user.email }]);
    expect(await appOf(polite).call(user.sessionId, "settings.getMentraOS", "brightness")).toBe(50);
  });

  test("is not offered compression, though it asks for it, and lives without", async () => {
    const asked = { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" };
    const socket = await RawWebSocket.connect(stage.stage.server.port, "/app-ws", asked);
    expect(socket.head).toStartWith("HTTP/1.1 101");
    expect(socket.head.toLowerCase()).not.toContain("permessage-deflate");
    socket.destroy();
    // Straight to the server, past the relay.
    stage.relay.rewrite = (body) => {
      const url = String(body["mentraOSWebsocketUrl"]).replace(stage.relay.url.slice(4), stage.url.slice(4));
      return body["userId"] === "direct@ex-ample.com" ? { ...body, mentraOSWebsocketUrl: url } : body;
    };
    const user = await join(polite, "direct@ex-ample.com");
    stage.relay.rewrite = (body) => body;
    expect(stage.relay.messages(user.sessionId, "app")).toEqual([]);
    expect(await appOf(polite).call(user.sessionId, "ws.extensions")).toBe("");
    await press(user, 1);
  });

  test("is found under either spelling of the address, with the same nonce in its path", async () => {
    const email = "old-spelling@ex-ample.com";
    stage.relay.rewrite = (body) => {
      if (body["userId"] !== email) return body;
      const { mentraOSWebsocketUrl, ...rest } = body;
      expect(rest["augmentOSWebsocketUrl"]).toBe(mentraOSWebsocketUrl);
      return rest;
    };
    const user = await join(polite, email);
    const [webhook] = webhooksFor(user);
    expect(webhook?.body["augmentOSWebsocketUrl"]).toMatch(/^ws:\/\/[^/]+\/s\/[\w-]{12}\/app-ws$/);
    expect(webhook?.body["mentraOSWebsocketUrl"]).toBeUndefined();
    stage.relay.rewrite = (body) => body;
  });

  test("runs before its slow onSession is through, whose webhook is answered later", async () => {
    const { glasses, session } = await stage.glasses(slow);
    const sessionId = `${slow}-${polite}`;
    const isReady = () =>
      appOf(polite).reports.events.some(
        (report) => report.kind === "ready" && report.sessionId === sessionId,
      );
    const started = await session.apps.start(polite);
    expect(started).toEqual({ success: true });
    await glasses.until(() => glasses.runningApps.includes(polite), "the app to be reported as running");
    expect(isReady()).toBe(false);
    await until("onSession to be through", isReady);
    expect(webhooksFor({ sessionId })).toHaveLength(1);
  });

  test("is refused with a wrong key at once, and told why", async () => {
    const { session, email } = await stage.glasses();
    const right = stage.stage.server.store.apps.get(rude)?.apiKeyHash ?? "";
    await stage.register(rude, { apiKeyHash: "0".repeat(64) });
    const result = await session.apps.start(rude);
    await stage.register(rude, { apiKeyHash: right });
    expect(result.success).toBe(false);
    const sessionId = `${email}-${rude}`;
    await stage.relay.frames.until(
      ({ sessionId: of, message }) =>
        of === sessionId && "code" in message && message["code"] === "INVALID_API_KEY",
    );
    expect(
      appOf(rude).reports.events.some((each) => "sessionId" in each && each.sessionId === sessionId),
    ).toBe(false);
  });

  describe("when it is sent away or lost", () => {
    const sentAway: { readonly user: SdkUser; readonly dials: number; readonly stops: number }[] = [];

    test.concurrent("comes back by itself after 1012 and has missed nothing", async () => {
      const user = await join(polite);
      stage.relay.close(user.sessionId, 1012, "restart");
      await until("the loss to be seen", () => user.session.apps.inState("GRACE_PERIOD").includes(polite));
      user.glasses.pressButton("long");
      await runs(user, polite);
      await until("what was missed", () => user.heard("events.onButtonPress").length === 1);
      expect(user.heard("events.onButtonPress")).toMatchObject([{ pressType: "long" }]);
      const lists = stage.relay
        .messages(user.sessionId, "app")
        .flatMap(({ type, subscriptions }) => (type === "subscription_update" ? [subscriptions] : []));
      expect(inits(user)).toHaveLength(2);
      expect(lists.at(-1)).toEqual(["button_press", hinted]);
      expect(user.reports("session")).toHaveLength(1);
      expect(user.reports("stopped")).toEqual([]);
      expect(webhooksFor(user)).toHaveLength(1);
    }, 60_000);

    for (const code of [1000, 1001]) {
      test.concurrent(`takes ${code} for the end, runs its onStop, and is asked anew since its user still wants it`, async () => {
        const user = await join(polite);
        stage.relay.close(user.sessionId, code, "bye");
        await until("its onStop", () => user.reports("stopped").length > 0);
        expect(user.reports("stopped")).toMatchObject([{ reason: "Clean disconnect: bye" }]);
        // What happens meanwhile is kept for it.
        await until("the loss to be seen", () => user.session.apps.inState("GRACE_PERIOD").includes(polite));
        expect(user.session.apps.subscriptions.literalsOf(polite)).toEqual(["button_press", hinted]);
        await until("the new session", () => user.reports("ready").length === 2);
        await runs(user, polite);
        await stage.inSync(appOf(polite), user);
        await press(user, 1);
        expect(dialsOf(user)).toBe(0);
        expect(webhooksFor(user)).toHaveLength(2);
        expect(user.reports("stopped")).toHaveLength(1);
      }, 60_000);
    }

    const losses: readonly (readonly [name: string, lose: (sessionId: string) => void])[] = [
      ["1011", (sessionId) => stage.relay.close(sessionId, 1011, "trouble")],
      ["4001 without its phrase", (sessionId) => stage.relay.close(sessionId, 4001, "superseded")],
      ["a cut, which it sees as 1006", (sessionId) => stage.relay.cut(sessionId)],
    ];
    for (const [name, lose] of losses) {
      test.concurrent(`comes back by itself after ${name}, and nobody asks it to`, async () => {
        const user = await join(rude);
        lose(user.sessionId);
        await until("its return", () => inits(user).length === 2);
        await runs(user, rude);
        await stage.inSync(appOf(rude), user);
        await press(user, 1);
        expect(webhooksFor(user)).toHaveLength(1);
        expect(user.reports("session")).toHaveLength(1);
        expect(user.reports("stopped")).toEqual([]);
      }, 60_000);
    }

    for (const code of [1000, 1001]) {
      test.concurrent(`runs its onStop twice when its user's session ends with ${code}, which is why here it ends with 4001`, async () => {
        const user = await join(polite);
        const dials = dialsOf(user);
        stage.relay.close(user.sessionId, code, "User session ended");
        await until("both calls", () => user.reports("stopped").length === 2);
        const reasons = user.reports("stopped").map(({ reason }) => reason);
        expect(reasons.toSorted()).toEqual(["Clean disconnect: User session ended", "User session ended"]);
        sentAway.push({ user, dials, stops: 2 });
      }, 60_000);
    }

    test.concurrent("keeps the newer of two live connections; the older is closed with 1008 and does not fight back", async () => {
      const user = await join(polite);
      const [webhook] = webhooksFor(user);
      const ask = () =>
        fetch(`${appOf(polite).url}/webhook`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(webhook?.body),
        });
      const answers = await Promise.all([ask(), ask()]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      await until("all handlers", () => user.reports("ready").length === 3);
      await until("one connection to be left", () => stage.relay.open(user.sessionId) === 1);
      await runs(user, polite);
      const before = user.heard("events.onButtonPress").length;
      await press(user, before + 1);
      expect(user.heard("events.onButtonPress")).toHaveLength(before + 1);
      expect(stage.relay.closes.events.filter((each) => each.sessionId === user.sessionId)).toContainEqual(
        expect.objectContaining({ code: 1008 }),
      );
      sentAway.push({ user, dials: dialsOf(user), stops: 0 });
      expect(webhooksFor(user)).toHaveLength(1);
    }, 60_000);

    test.concurrent("comes back over an outage of under 3 s as if nothing had been", async () => {
      const user = await join(rude);
      stage.relay.refuse(user.sessionId);
      await stage.relay.dials.until(({ sessionId, refused }) => sessionId === user.sessionId && refused);
      stage.relay.admit(user.sessionId);
      await until("the second dial", () => inits(user).length === 2);
      await runs(user, rude);
      await press(user, 1);
      expect(webhooksFor(user)).toHaveLength(1);
      expect(user.reports("session")).toHaveLength(1);
      expect(user.reports("stopped")).toEqual([]);
    }, 60_000);

    test.concurrent("is asked anew 3.5 s after a loss that its dials could not mend, and takes over at once", async () => {
      const lose = async (packageName: string) => {
        const user = await join(packageName);
        stage.relay.refuse(user.sessionId);
        await until("the app to be asked", () => webhooksFor(user).length === 2);
        await until("the new session", () => user.reports("ready").length === 2);
        await runs(user, packageName);
        await stage.inSync(appOf(packageName), user);
        await press(user, 1);
        expect(user.reports("session")).toHaveLength(2);
        expect(user.reports("stopped")).toEqual([]);
      };
      await Promise.all([lose(polite), lose(rude)]);
    }, 60_000);

    test.concurrent("does not fight back after 1008, and is asked anew when it was needed after all", async () => {
      const user = await join(polite);
      stage.relay.close(user.sessionId, 1008, "another connection took its place");
      await until("the app to be asked", () => webhooksFor(user).length === 2);
      expect(dialsOf(user)).toBe(0);
      await until("the new session", () => user.reports("ready").length === 2);
      await runs(user, polite);
      expect(user.reports("stopped")).toEqual([]);
    }, 60_000);

    test.concurrent("ends for good, and its onStop runs once, when it is stopped: with and without super", async () => {
      for (const packageName of [polite, rude]) {
        const user = await join(packageName);
        const dials = dialsOf(user);
        user.glasses.stopApp(packageName);
        await until("its onStop", () => user.reports("stopped").length > 0);
        expect(user.reports("stopped")).toMatchObject([{ reason: "user_disabled" }]);
        sentAway.push({ user, dials, stops: 1 });
        expect(user.session.apps.app(packageName)).toBeUndefined();
      }
    }, 60_000);

    test.concurrent("ends for good, and its onStop runs once, when the user's session ends", async () => {
      for (const packageName of [polite, rude]) {
        const user = await join(packageName);
        const dials = dialsOf(user);
        await user.session.end();
        await until("its onStop", () => user.reports("stopped").length > 0);
        expect(user.reports("stopped")).toMatchObject([{ reason: "User session ended" }]);
        expect(user.reports("disconnected")[0]).toMatchObject({ code: 4001, reason: "User session ended" });
        sentAway.push({ user, dials, stops: 1 });
      }
    }, 60_000);

    test.concurrent("hands over to itself when it is asked twice, and the newer connection stays", async () => {
      const user = await join(polite);
      const [webhook] = webhooksFor(user);
      const answer = await fetch(`${appOf(polite).url}/webhook`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(webhook?.body),
      });
      expect(answer.status).toBe(200);
      await until("its new handlers", () => user.reports("ready").length === 2);
      const released = stage.relay
        .messages(user.sessionId, "app")
        .filter(({ type }) => type === "ownership_release");
      expect(released).toMatchObject([{ reason: "switching_clouds" }]);
      await runs(user, polite);
      await stage.inSync(appOf(polite), user);
      await press(user, 1);
      expect(webhooksFor(user)).toHaveLength(1);
    }, 60_000);

    test.concurrent("is brought back after its process was ended by SIGTERM, as soon as a new one is there", async () => {
      const user = await join(mortal);
      const { url, stop } = appOf(mortal);
      await stop();
      await until("the loss to be seen", () => user.session.apps.inState("GRACE_PERIOD").includes(mortal));
      expect(stage.relay.messages(user.sessionId, "app").map(({ type }) => type)).not.toContain(
        "ownership_release",
      );
      user.glasses.pressButton("long");
      const port = Number(new URL(url).port);
      const reborn = await stage.app({ runtime, packageName: mortal, port, listen });
      apps.set(mortal, reborn);
      const report = await reborn.reports.until((each) => each.kind === "ready");
      expect(report).toMatchObject({ sessionId: user.sessionId });
      await runs(user, mortal);
      const event = await reborn.reports.until((each) => each.kind === "event");
      expect(event).toMatchObject({ sessionId: user.sessionId, data: { pressType: "long" } });
    }, 60_000);

    // Runs after those above: by then the SDK's own dials would have come.
    test("has not dialled again where it was sent away for good", async () => {
      expect(sentAway).toHaveLength(7);
      for (const { user, dials, stops } of sentAway) {
        expect(dialsOf(user)).toBe(dials);
        expect(user.reports("stopped")).toHaveLength(stops);
      }
    });

    test("can be started again where it was stopped, though the SDK still holds its dead session", async () => {
      const user = await join(rude);
      user.glasses.stopApp(rude);
      await until("its onStop", () => user.reports("stopped").length === 1);
      user.glasses.startApp(rude);
      await until("the new session", () => user.reports("ready").length === 2);
      await runs(user, rude);
      await stage.inSync(appOf(rude), user);
      await press(user, 1);
    }, 60_000);
  });
});
