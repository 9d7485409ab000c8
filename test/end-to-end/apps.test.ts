import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { UserSession } from "../../src/session/user-session.ts";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { type SdkApp, startSdkApp } from "../support/sdk-app.ts";
import { apiKey, packageName, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const email = "jean-luc@x-y.example";
const listen = [["events.onButtonPress"]] as const;

/** The life of an app on the real SDK, over real sockets, with its process coming and going. */
describe("an app on the real SDK", () => {
  let stage: Stage;
  let app: SdkApp;
  let glasses: SimulatedGlasses;
  let session: UserSession;
  const sent: string[] = [];

  const presses = (of: SdkApp) => of.reports.events.filter(({ kind }) => kind === "event").length;
  const runs = () => session.apps.inState("RUNNING").includes(packageName);
  const hears = () => session.apps.subscriptions.match("button_press").length === 1;
  const serversDown = () => stage.count("browline_app_servers_down");
  const press = async (of: SdkApp) => {
    const before = presses(of);
    glasses.pressButton();
    await until("the press to arrive", () => presses(of) === before + 1);
  };

  beforeAll(async () => {
    stage = await Stage.open({ recogniser: "off" });
    app = await stage.sdkApp({ runtime: "bun", packageName, listen }, { name: "Captions" });
    const events = { onMessage: ({ type }: { type: string }) => sent.push(type) };
    glasses = await stage.glasses({ events }, email);
    const found = stage.server.sessions.getSession(email);
    if (found === undefined) throw new Error("there is no session");
    session = found;
  }, 60_000);

  afterAll(async () => {
    await app.stop();
    await stage.close();
  });

  test("D-52: is started for a user whose id has hyphens, under a card that names it", async () => {
    glasses.startApp(packageName);
    await glasses.until(
      () =>
        JSON.stringify(glasses.display()) ===
        JSON.stringify({ layoutType: "reference_card", title: "Starting", text: "Captions" }),
      "the card",
    );
    await glasses.until(() => glasses.runningApps.includes(packageName), "the app to run", 20_000);
    await until("its subscriptions", hears);
    await press(app);
    await glasses.until(() => glasses.display()?.layoutType === "clear_view", "the end of the card");
  });

  test("takes a second webhook for its session, and hears every event once", async () => {
    await until("everything to be confirmed", () => !session.apps.askReceipts());
    const before = app.reports.events.filter(({ kind }) => kind === "session").length;
    const url = `${stage.server.url.replace("http", "ws")}/app-ws`;
    const webhook = await fetch(`${app.url}/webhook`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        type: "session_request",
        sessionId: `${email}-${packageName}`,
        userId: email,
        timestamp: new Date().toISOString(),
        mentraOSWebsocketUrl: url,
        augmentOSWebsocketUrl: url,
      }),
    });
    expect(webhook.status).toBe(200);
    await until(
      "the second session",
      () => app.reports.events.filter(({ kind }) => kind === "session").length === before + 1,
    );
    await until("the app to run and hear", () => runs() && hears());
    await press(app);
    await glasses.roundTrip();
    expect(session.apps.inState("RUNNING")).toEqual([packageName]);
  });

  test("D-12: comes back by itself after its server was taken down and put up again, and hears again", async () => {
    const port = Number(new URL(app.url).port);
    // What it has not confirmed it would be sent once more.
    await until("everything to be confirmed", () => !session.apps.askReceipts());
    await app.kill();
    await until("the loss to be seen", () => session.apps.inState("GRACE_PERIOD").includes(packageName));
    // Pressed while nobody is there.
    glasses.pressButton("long");
    await until("the server to be known to be down", async () => (await serversDown()) === 1, 15_000);
    app = await startSdkApp({ runtime: "bun", packageName, apiKey, port, listen });
    await until("the app to run", runs, 20_000);
    await until("what it missed to be handed over", () => presses(app) === 1);
    await press(app);
    expect(await serversDown()).toBe(0);
    expect(sent).not.toContain("app_stopped");
  }, 60_000);

  test("D-16: runs its onStop once when the user stops it, and is told that it was the user", async () => {
    glasses.stopApp(packageName);
    await glasses.until(() => !glasses.runningApps.includes(packageName), "the app to be gone");
    await app.reports.until(({ kind }) => kind === "stopped");
    await glasses.roundTrip();
    const stops = app.reports.events.filter(({ kind }) => kind === "stopped");
    expect(stops).toMatchObject([{ reason: "user_disabled" }]);
    expect(hears()).toBe(false);
  });

  test("is refused with a wrong key, of which the user is told", async () => {
    const record = stage.server.store.apps.get(packageName);
    if (record === undefined) throw new Error("the app is not registered");
    await stage.server.store.saveApp({ ...record, apiKeyHash: "0".repeat(64) });
    const result = await session.apps.start(packageName);
    expect(result).toMatchObject({ success: false, error: { stage: "AUTHENTICATION" } });
    await stage.server.store.saveApp(record);
    expect(await session.apps.start(packageName)).toEqual({ success: true });
  }, 30_000);
});
