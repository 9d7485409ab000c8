import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readWav } from "../../src/audio/wav.ts";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import type { ToGlasses } from "../../src/wire/glasses.ts";
import { EventLog } from "../support/event-log.ts";
import type { SdkApp } from "../support/sdk-app.ts";
import { packageName, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

type PlayOrder = Extract<ToGlasses, { type: "audio_play_request" }>;

/** What the SDK's promises resolve with. */
interface Played {
  readonly success: boolean;
  readonly error?: string;
  readonly duration?: number;
}

/** An unmodified SDK app asks for sound, light and video; the simulated phone does what real ones do with that. */
describe("an unmodified SDK app", () => {
  let stage: Stage;
  let app: SdkApp;
  let glasses: SimulatedGlasses;
  const told = new EventLog<ToGlasses>();

  beforeAll(async () => {
    stage = await Stage.open();
    app = await stage.sdkApp({
      runtime: "bun",
      packageName,
      listen: [
        ["events.onTranscription"],
        ["events.onPermissionDenied"],
        ["events.ontranslationForLanguage", "fr-FR", "en-US"],
      ],
    });
    await stage.speechReady();
    const onMessage = (message: { type: string }) => told.add(message as ToGlasses);
    glasses = await stage.glasses({ events: { onMessage } });
    glasses.startApp(packageName);
    await app.reports.until(({ kind }) => kind === "ready");
    await glasses.until(() => glasses.microphoneOn, "the microphone to be wanted");
  }, 90_000);

  afterAll(() => stage.close());

  /** The first order to play that is not one of `known`. */
  async function nextOrder(known: readonly PlayOrder[] = []): Promise<PlayOrder> {
    const isNew = (message: ToGlasses) =>
      message.type === "audio_play_request" &&
      !known.some(({ requestId }) => requestId === message.requestId);
    return (await told.until(isNew, 10_000)) as PlayOrder;
  }

  function orders(): PlayOrder[] {
    return told.events.filter((message) => message.type === "audio_play_request");
  }

  function report(requestId: string, outcome: Record<string, unknown>): void {
    glasses.sendText(JSON.stringify({ type: "audio_play_response", requestId, ...outcome }));
  }

  test("session.audio.speak() yields audible speech that is understood, and resolves when it was played", async () => {
    const text = "take a photo please";
    const speaking = app.call<Played>(undefined, "audio.speak", text, {
      voice_id: "slt",
      voice_settings: { speed: 1 },
    });
    const order = await nextOrder();
    expect(order).toMatchObject({
      packageName,
      appId: packageName,
      trackId: 2,
      stopOtherAudio: true,
      volume: 1,
    });
    // The SDK writes https always; this server has no TLS and the phone must be able to fetch it.
    expect(order.audioUrl).toStartWith(`${stage.server.url}/s/`);
    const response = await fetch(order.audioUrl);
    expect(response.headers.get("content-type")).toBe("audio/wav");
    const samples = readWav(await response.bytes());
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    expect(Math.sqrt(power)).toBeGreaterThan(500);

    // The glasses' own microphone hears it.
    await glasses.speak(samples);
    const final = await app.reports.until(
      (event) => event.kind === "event" && (event.data as { isFinal?: boolean }).isFinal === true,
      30_000,
    );
    expect(final).toMatchObject({ data: { text } });

    report(order.requestId, { success: true, duration: 1_450 });
    expect(await speaking).toMatchObject({ success: true, duration: 1_450 });
  }, 60_000);

  test("playAudio() resolves with the phone's failure, and at once where nobody waits for the end", async () => {
    const known = orders();
    const audioUrl = "https://example.com/missing.mp3";
    const playing = app.call<Played>(undefined, "audio.playAudio", { audioUrl, volume: 0.5 });
    const order = await nextOrder(known);
    expect(order).toMatchObject({ audioUrl, volume: 0.5, trackId: 0 });
    report(order.requestId, { success: false, error: "404" });
    expect(await playing).toMatchObject({ success: false, error: "404" });
    const mixed = { audioUrl, stopOtherAudio: false, trackId: 1 };
    expect(await app.call<Played>(undefined, "audio.playAudio", mixed)).toMatchObject({ success: true });
    expect(await nextOrder([...known, order])).toMatchObject({ stopOtherAudio: false, trackId: 1 });
    await app.call(undefined, "audio.stopAudio", 1);
    await told.until(({ type }) => type === "audio_stop_request", 5_000);
  });

  test("lights the glasses and asks for Wi-Fi", async () => {
    await app.call(undefined, "led.turnOn", { color: "green", ontime: 500, count: 3 });
    const light = await told.until(({ type }) => type === "rgb_led_control", 5_000);
    expect(light).toMatchObject({ appId: packageName, action: "on", color: "green", ontime: 500, count: 3 });
    await app.call(undefined, "requestWifiSetup", "to upload");
    const setup = await told.until(({ type }) => type === "show_wifi_setup", 5_000);
    expect(setup).toMatchObject({ reason: "to upload", appPackageName: packageName });
  });

  test("is refused video and translation at once, with the reason, on the channels that the SDK knows", async () => {
    const managed = await app.call(undefined, "camera.startManagedStream", {}).then(
      () => "a stream",
      (error: Error) => error.message,
    );
    expect(managed).toContain("NOT_SERVED");
    expect(await app.call(undefined, "camera.checkExistingStream")).toMatchObject({ hasActiveStream: false });
    await app.call(undefined, "camera.startStream", { rtmpUrl: "rtmp://example.com/live" });
    await until("the stream to have failed", async () => {
      const status = await app.call<{ status?: string } | undefined>(undefined, "camera.getStreamStatus");
      return status?.status === "error";
    });
    const denied = await app.reports.until(
      (event) => event.kind === "event" && event.method === "events.onPermissionDenied",
      5_000,
    );
    expect(denied).toMatchObject({
      data: { stream: "translation:fr-FR-to-en-US", message: expect.stringContaining("NOT_SERVED") },
    });
  });

  test("D-55: is told within a moment that the phone is away, and speaks again when it is back", async () => {
    const known = orders();
    glasses.drop();
    await until(
      "the loss to be seen",
      () => !stage.server.sessions.getSession("user@example.com")?.connected,
    );
    const refused = await app.call<Played>(undefined, "audio.speak", "nobody hears this");
    expect(refused).toMatchObject({ success: false, error: expect.stringContaining("PHONE_NOT_CONNECTED") });
    expect(app.reports.events.filter(({ kind }) => kind === "disconnected")).toEqual([]);
    const onMessage = (message: { type: string }) => told.add(message as ToGlasses);
    glasses = await stage.glasses({ events: { onMessage } });
    const speaking = app.call<Played>(undefined, "audio.speak", "somebody hears this");
    const order = await nextOrder(known);
    report(order.requestId, { success: true });
    expect(await speaking).toMatchObject({ success: true });
    expect(app.reports.events.filter(({ kind }) => kind === "sdkError")).toEqual([]);
  });
});
