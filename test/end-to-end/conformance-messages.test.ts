import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { ToGlasses } from "../../src/wire/glasses.ts";
import type { Layout, View } from "../../src/wire/layouts.ts";
import type { SdkApp } from "../support/sdk-app.ts";
import { SdkStage, type SdkUser } from "../support/sdk-stage.ts";
import { apiKey } from "../support/stage.ts";
import { until } from "../support/until.ts";

const packageName = "com.example.every-thing";
const hinted = "transcription:en-US?no-language-identification=true&hints=en%2Ces";
const place = { lat: 48.1, lng: 11.5, accuracy: 5 };
const said = {
  type: "local_transcription",
  text: "hello",
  isFinal: true,
  transcribeLanguage: "en-US",
  speakerId: 1,
};

/** What the glasses or their phone send, and the streams under which the app must hear it. */
const events: readonly (readonly [message: Readonly<Record<string, unknown>>, streams: readonly string[]])[] =
  [
    [{ type: "button_press", buttonId: "main", pressType: "short" }, ["button_press"]],
    [{ type: "head_position", position: "up" }, ["head_position"]],
    [
      { type: "touch_event", device_model: "Mentra Live", gesture_name: "long_press" },
      ["touch_event", "touch_event:long_press"],
    ],
    [{ type: "touch_event", device_model: "Mentra Live", gesture_name: "single_tap" }, ["touch_event"]],
    [{ type: "glasses_battery_update", level: 80, charging: false }, ["glasses_battery_update"]],
    [{ type: "phone_battery_update", level: 70, charging: true }, ["phone_battery_update"]],
    [{ type: "VAD", status: true }, ["VAD"]],
    [{ type: "vad", status: "false" }, ["VAD"]],
    [{ type: "location_update", ...place }, ["location_update", "location_stream"]],
    [{ type: "phone_notification", notificationId: "1", app: "a", title: "t" }, ["phone_notification"]],
    [{ type: "phone_notification_dismissed", notificationId: "1" }, ["phone_notification_dismissed"]],
    [
      {
        type: "calendar_event",
        eventId: "e",
        title: "t",
        dtStart: "2030-01-01T10:00:00.000Z",
        dtEnd: "2030-01-01T11:00:00.000Z",
      },
      ["calendar_event"],
    ],
    [{ type: "vps_coordinates", deviceModel: "m", requestId: "r", x: 1, y: 2, z: 3 }, ["vps_coordinates"]],
    [{ type: "photo_taken", photoData: "", mimeType: "image/jpeg" }, ["photo_taken"]],
    [
      { type: "glasses_connection_state", modelName: "Mentra Live", status: "CONNECTED" },
      ["glasses_connection_state"],
    ],
    [said, ["transcription", "transcription:en-US", hinted, "transcription:auto"]],
  ];
const streams = [...new Set(events.flatMap(([, names]) => names)), "*"];
const picture = new Uint8Array([
  0xff,
  0xd8,
  0xff,
  0xe0,
  ...Array.from({ length: 2_000 }, (_, i) => i % 251),
  0xff,
  0xd9,
]);

/** What the app asks for and hears, over its whole protocol; how its connection fares is in the file beside this one. */
describe.each(["bun", "node"] as const)("an unmodified SDK app on %s", (runtime) => {
  let stage: SdkStage;
  let app: SdkApp;
  let user: SdkUser;
  let barriers = 0;

  beforeAll(async () => {
    stage = await SdkStage.open({ builtInDashboard: false });
    const listen = streams.map((stream) => ["events.on", stream] as const);
    const settings = [{ key: "size", type: "text", label: "Size", defaultValue: "small" }];
    app = await stage.app({ runtime, packageName, listen }, { settings });
    user = await stage.join(app, packageName);
    // Nothing here can hear, so that what the phone has heard counts.
    await until("speech to be off", () => user.session.transcription.state.state === "off");
  }, 90_000);

  afterAll(() => stage.close());

  const call = <Value = unknown>(method: string, ...args: unknown[]) =>
    app.call<Value>(user.sessionId, method, ...args);
  const send = (message: object, to = user) => to.glasses.sendText(JSON.stringify(message));
  const rejection = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      (value) => `resolved with ${JSON.stringify(value)}`,
      (error: Error) => error.message,
    );

  /** Other permissions make the app begin anew at everybody's: it is to be back at the one user's. */
  async function permitAll(): Promise<void> {
    await stage.register(packageName, { permissions: ["ALL"] });
    await until("the app to be back at the other user's", () => {
      const { apps } = user.session;
      const heard = apps.subscriptions.literalsOf(packageName);
      return (
        apps.inState("RUNNING").includes(packageName) && streams.every((stream) => heard.includes(stream))
      );
    });
  }

  /** The first message of this type that the glasses are sent while `act` is under way. */
  async function ordered<Type extends ToGlasses["type"]>(type: Type, act: () => Promise<unknown>, of = user) {
    const before = of.messages.events.length;
    const acted = act();
    acted.catch(() => {});
    const message = await until(`${type} to reach the glasses`, () =>
      of.messages.events.slice(before).find((each) => each.type === type),
    );
    return { message: message as Extract<ToGlasses, { type: Type }>, acted };
  }

  /** What the app's handlers were called with between `send` of a message and that of a later one. */
  async function heardOf(message: object): Promise<[stream: unknown, data: unknown][]> {
    const before = app.reports.events.length;
    const buttonId = `barrier-${++barriers}`;
    send(message);
    send({ type: "button_press", buttonId, pressType: "short" });
    const isBarrier = (data: unknown) => (data as { buttonId?: unknown }).buttonId === buttonId;
    const since = () =>
      app.reports.events
        .slice(before)
        .flatMap((report) =>
          report.kind === "event" && report.sessionId === user.sessionId ? [report] : [],
        );
    // Both of the barrier's own: under its name and for who hears everything.
    await until(
      `what follows ${JSON.stringify(message)}`,
      () => since().filter((each) => isBarrier(each.data)).length === 2,
    );
    return since().flatMap(({ argument, data }) =>
      isBarrier(data) ? [] : [[argument, data] as [unknown, unknown]],
    );
  }

  const sdkErrors = () =>
    app.reports.events.filter(({ kind }) => kind === "sdkError" || kind === "unhandled");

  test.each(events)("hears %j", async (message, wanted) => {
    const heard = await heardOf(message);
    expect(heard.map(([stream]) => stream).toSorted()).toEqual([...wanted, "*"].toSorted());
    const { type, ...fields } = message;
    if (type !== "local_transcription")
      expect(heard[0]?.[1]).toMatchObject({
        ...fields,
        type: heard[0]?.[0] === "*" ? expect.anything() : expect.any(String),
      });
  });

  test("hears raw audio as it was sent, whatever its size", async () => {
    await app.listen(user.sessionId, "events.onAudioChunk");
    await stage.inSync(app, user);
    await until("the microphone to bypass the phone's voice detector", () =>
      user.messages.events.some((each) => each.type === "microphone_state_change" && each.bypassVad),
    );
    for (const bytes of [640, 3_200]) user.glasses.sendBinary(new Uint8Array(bytes));
    const received = () =>
      user.heard("events.onAudioChunk").reduce<number>((sum, chunk) => {
        const { arrayBuffer } = chunk as { arrayBuffer: { bytes: number } };
        return sum + arrayBuffer.bytes;
      }, 0);
    await until("all of the audio", () => received() === 3_840);
  });

  test("is told which streams it lacks the permission for, and hears the rest", async () => {
    await stage.register(packageName, { permissions: ["LOCATION"] });
    const { glasses, session, email } = await stage.glasses();
    const sessionId = `${email}-${packageName}`;
    glasses.startApp(packageName);
    await app.reports.until((report) => report.kind === "ready" && report.sessionId === sessionId);
    await until("the list", () =>
      session.apps.subscriptions.literalsOf(packageName).includes("location_stream"),
    );
    // Each stream is refused once, in the answer to the list that has brought it.
    const denied = () =>
      stage.relay
        .messages(sessionId, "server")
        .filter(({ type }) => type === "permission_error")
        .flatMap((error) => error["details"] as { stream: string; requiredPermission: string }[]);
    await until("the last word on permissions", () => denied().length >= 8);
    expect(new Set(denied().map(({ stream }) => stream)).size).toBe(denied().length);
    expect(denied()).toContainEqual(
      expect.objectContaining({ stream: hinted, requiredPermission: "MICROPHONE" }),
    );
    expect(session.apps.subscriptions.literalsOf(packageName)).not.toContain(hinted);
    await permitAll();
  });

  test("draws every layout, the dashboard too", async () => {
    const shows = async (
      view: View,
      layoutType: Layout["layoutType"],
      act: () => Promise<unknown>,
      of = user,
    ) => {
      const before = of.messages.events.length;
      await act();
      await until(`a ${layoutType} in ${view}`, () =>
        of.messages.events
          .slice(before)
          .some(
            (each) =>
              each.type === "display_event" && each.view === view && each.layout.layoutType === layoutType,
          ),
      );
    };
    await shows("main", "text_wall", () => call("layouts.showTextWall", "hello"));
    await shows("main", "double_text_wall", () => call("layouts.showDoubleTextWall", "top", "bottom"));
    await shows("main", "reference_card", () => call("layouts.showReferenceCard", "title", "text"));
    await shows("main", "clear_view", () => call("layouts.clearView"));
    // Phones do not draw dashboard cards.
    await shows("dashboard", "double_text_wall", () => call("layouts.showDashboardCard", "left", "right"));
    const other = await stage.join(app, packageName);
    const write = () => app.call(other.sessionId, "dashboard.content.write", "a line of the app");
    await shows("dashboard", "double_text_wall", write, other);
  });

  describe("takes pictures", () => {
    const upload = (webhookUrl: string, requestId: string, file: Uint8Array<ArrayBuffer>) => {
      const form = new FormData();
      form.set("requestId", requestId);
      form.set("type", "photo_upload");
      form.set("success", "true");
      form.set("photo", new Blob([file], { type: "image/jpeg" }), "photo.jpg");
      return fetch(webhookUrl, { method: "POST", body: form });
    };

    test("and gets the very bytes that the glasses upload", async () => {
      const { message, acted } = await ordered("photo_request", () =>
        call("camera.requestPhoto", { size: "small", compress: "heavy" }),
      );
      expect(message).toMatchObject({ appId: packageName, size: "small", compress: "heavy" });
      const answer = await upload(message.webhookUrl, message.requestId, picture);
      expect(answer.status).toBe(200);
      expect(await acted).toMatchObject({
        requestId: message.requestId,
        mimeType: "image/jpeg",
        size: picture.length,
        buffer: {
          bytes: picture.length,
          sha256: new Bun.CryptoHasher("sha256").update(picture).digest("hex"),
        },
      });
    });

    test("and is told at once when the glasses could not", async () => {
      const { message, acted } = await ordered("photo_request", () => call("camera.requestPhoto"));
      send({
        type: "photo_response",
        requestId: message.requestId,
        success: false,
        error: { code: "CAMERA_BUSY", message: "busy" },
      });
      expect(await rejection(acted)).toContain("CAMERA_BUSY");
    });

    test("and turns away what is no picture of its own, by the statuses that this server goes by", async () => {
      const { message, acted } = await ordered("photo_request", () => call("camera.requestPhoto"));
      const { webhookUrl, requestId } = message;
      const post = async ({ photo, ...fields }: { photo: Blob; [field: string]: string | Blob }) => {
        const form = new FormData();
        for (const [name, value] of Object.entries(fields)) form.set(name, value);
        form.set("photo", photo, "photo.jpg");
        return (await fetch(`${app.url}/photo-upload`, { method: "POST", body: form })).status;
      };
      const photo = new Blob([picture], { type: "image/jpeg" });
      const fields = { type: "photo_upload", success: "true" };
      expect(await post({ ...fields, photo })).toBe(400);
      expect(await post({ ...fields, requestId: "somebody else's", photo })).toBe(404);
      const page = new Blob(["<p>"], { type: "text/html" });
      expect(await post({ ...fields, requestId, photo: page })).toBe(500);
      // The promise is still there: none of these was its picture.
      expect((await upload(webhookUrl, requestId, picture)).status).toBe(200);
      expect(await acted).toMatchObject({ size: picture.length });
      expect(await post({ ...fields, requestId, photo })).toBe(404);
    });

    test("and gives one up that is uploaded without a file", async () => {
      const { message, acted } = await ordered("photo_request", () => call("camera.requestPhoto"));
      const { requestId } = message;
      const form = new FormData();
      for (const [name, value] of Object.entries({ requestId, success: "true" })) form.set(name, value);
      const answer = await fetch(`${app.url}/photo-upload`, { method: "POST", body: form });
      expect(answer.status).toBe(400);
      expect(await rejection(acted)).not.toContain("resolved");
      // The word of it finds nobody who waits, which harms nobody.
      send({ type: "photo_response", requestId, success: false, errorCode: "UPLOAD_FAILED" });
    });

    test("for an address of its own, which the glasses are given", async () => {
      const { message, acted } = await ordered("photo_request", () =>
        call("camera.requestPhoto", { customWebhookUrl: "http://127.0.0.1:9/photos", authToken: "token" }),
      );
      expect(message).toMatchObject({ webhookUrl: "http://127.0.0.1:9/photos", authToken: "token" });
      expect(await acted).toMatchObject({ buffer: { bytes: 0 } });
      send({ type: "photo_response", requestId: message.requestId, success: true });
    });

    test("unless it may not, which it learns at once", async () => {
      const { session, email, glasses } = await stage.glasses();
      const sessionId = `${email}-${packageName}`;
      await stage.register(packageName, { permissions: ["MICROPHONE"] });
      glasses.startApp(packageName);
      await app.reports.until((report) => report.kind === "ready" && report.sessionId === sessionId);
      expect(await rejection(app.call(sessionId, "camera.requestPhoto"))).toContain("PERMISSION_DENIED");
      expect(session.apps.inState("RUNNING")).toEqual([packageName]);
      await permitAll();
    });
  });

  describe("makes itself heard", () => {
    const url = "https://example.invalid/a.mp3";

    test("and learns how that went", async () => {
      const { message, acted } = await ordered("audio_play_request", () =>
        call("audio.playAudio", { audioUrl: url, volume: 0.5 }),
      );
      expect(message).toMatchObject({ packageName, audioUrl: url, volume: 0.5, stopOtherAudio: true });
      send({ type: "audio_play_response", requestId: message.requestId, success: true, duration: 1_200 });
      expect(await acted).toMatchObject({ success: true, duration: 1_200 });
      const failed = await ordered("audio_play_request", () => call("audio.playAudio", { audioUrl: url }));
      send({ type: "audio_play_response", requestId: failed.message.requestId, success: false, error: "no" });
      expect(await failed.acted).toMatchObject({ success: false, error: "no" });
    });

    test("with two sounds at one time", async () => {
      const { message, acted } = await ordered("audio_play_request", () =>
        call("audio.playAudio", { audioUrl: url, stopOtherAudio: false, trackId: 1 }),
      );
      expect(message).toMatchObject({ stopOtherAudio: false, trackId: 1 });
      expect(await acted).toMatchObject({ success: true });
      const stopped = await ordered("audio_stop_request", () => call("audio.stopAudio", 1));
      expect(stopped.message).toMatchObject({ appId: packageName, trackId: 1 });
    });

    test("in words, at an address of this server that the phone can reach", async () => {
      const { message, acted } = await ordered("audio_play_request", () => call("audio.speak", "hi there"));
      expect(message.audioUrl).toStartWith(`${stage.relay.url}/`);
      expect(new URL(message.audioUrl).searchParams.get("text")).toBe("hi there");
      const sound = await fetch(message.audioUrl);
      expect(sound.status).toBe(200);
      expect(sound.headers.get("content-type")).toStartWith("audio/");
      send({ type: "audio_play_response", requestId: message.requestId, success: true, duration: 900 });
      expect(await acted).toMatchObject({ success: true, duration: 900 });
    });

    test("and is told so while the phone is away", async () => {
      const away = await stage.join(app, packageName);
      away.glasses.drop();
      await until("the loss to be seen", () => !away.session.connected);
      const played = await app.call(away.sessionId, "audio.playAudio", { audioUrl: url });
      expect(played).toMatchObject({ success: false, error: expect.stringContaining("PHONE_NOT_CONNECTED") });
    });
  });

  test("asks once where the user is, and is the only one to hear", async () => {
    const { message, acted } = await ordered("request_single_location", () =>
      call("location.getLatestLocation", { accuracy: "realtime" }),
    );
    expect(message.accuracy).toBe("realtime");
    send({ type: "location_update", ...place, correlationId: message.correlationId });
    expect(await acted).toMatchObject({
      lat: place.lat,
      lng: place.lng,
      correlationId: message.correlationId,
    });
  });

  test("lights the light and asks for Wi-Fi", async () => {
    const led = await ordered("rgb_led_control", () =>
      call("led.turnOn", { color: "green", ontime: 500, count: 2 }),
    );
    expect(led.message).toMatchObject({ action: "on", color: "green", ontime: 500, count: 2, packageName });
    const wifi = await ordered("show_wifi_setup", () => call("requestWifiSetup", "for maps"));
    expect(wifi.message).toMatchObject({ reason: "for maps", appPackageName: packageName });
  });

  test("is told at once that no video is sent anywhere", async () => {
    await app.listen(user.sessionId, "camera.onStreamStatus");
    await call("camera.startStream", { rtmpUrl: "rtmp://example.invalid/x" });
    await until("the status", () => user.heard("camera.onStreamStatus").length > 0);
    expect(user.heard("camera.onStreamStatus")).toMatchObject([{ status: "error" }]);
    expect(await rejection(call("camera.startManagedStream"))).toContain("NOT_SERVED");
    expect(await call("camera.checkExistingStream")).toMatchObject({ hasActiveStream: false });
  });

  describe("is set", () => {
    test("by its user, and the settings of the glasses are whole afterwards", async () => {
      await app.listen(user.sessionId, "settings.onValueChange", "size");
      user.session.settings.changeApp(packageName, { size: "big" });
      await until("the new size", () => user.heard("size").includes("big"));
      await until("the brightness to be back", async () => {
        return (await call("settings.getMentraOS", "brightness")) === 50;
      });
      expect(await call("settings.get", "size")).toBe("big");
      expect(await call("settings.fetch")).toContainEqual(
        expect.objectContaining({ key: "size", value: "big" }),
      );
    });

    test("along with all other apps, by the settings of the glasses", async () => {
      await app.listen(user.sessionId, "settings.onMentraosChange", "brightness");
      user.session.settings.changePhone({ brightness: 80 });
      await until("the brightness", () => user.heard("brightness").length > 0);
      expect(await call("settings.getMentraOS", "brightness")).toBe(80);
      expect(await call("settings.getMentraOS", "headUpAngle")).toBe(20);
    });
  });

  test("knows the glasses: their model, what they have, their state", async () => {
    await app.listen(user.sessionId, "events.onCapabilitiesUpdate");
    user.glasses.reportGlasses("Even Realities G1", "CONNECTED");
    await until("the new model", () => user.heard("events.onCapabilitiesUpdate").length > 0);
    expect(await call("capabilities")).toMatchObject({ modelName: "Even Realities G1", hasCamera: false });
    expect(await call("device.state.getSnapshot")).toMatchObject({
      connected: true,
      modelName: "Even Realities G1",
    });
    expect(await rejection(call("camera.requestPhoto"))).toContain("NO_CAMERA");
  });

  test("keeps values for its user, under the path of its own connection", async () => {
    await call("simpleStorage.set", "first", "1");
    await call("simpleStorage.setMultiple", { "a key.with/everything": "2", third: "3" });
    await call("simpleStorage.flush");
    expect(await call("simpleStorage.delete", "third")).toBe(true);
    const [stops, starts] = [user.reports("stopped").length, user.reports("ready").length];
    user.glasses.stopApp(packageName);
    await until("its end", () => user.reports("stopped").length > stops);
    user.glasses.startApp(packageName);
    await until("its return", () => user.reports("ready").length > starts);
    expect(await call("simpleStorage.getAllData")).toEqual({ first: "1", "a key.with/everything": "2" });
    expect(await call("simpleStorage.clear")).toBe(true);
    expect(await call("simpleStorage.keys")).toEqual([]);
  });

  test("talks to itself at another user's", async () => {
    const other = await stage.join(app, packageName);
    await app.listen(other.sessionId, "onAppMessage");
    await app.listen(other.sessionId, "onAppRoomUpdated");
    expect(await call("sendDirectMessage", other.email, { hello: 1 })).toBe(true);
    expect(await call("sendDirectMessage", "nobody@ex-ample.com", { hello: 2 })).toBe(false);
    await call("broadcastToAppUsers", { hello: 3 });
    await until("both messages", () => other.heard("onAppMessage").length === 2);
    expect(other.heard("onAppMessage")).toMatchObject([
      { payload: { hello: 1 }, senderUserId: user.email },
      { payload: { hello: 3 }, senderUserId: user.email },
    ]);
    await app.call(other.sessionId, "joinAppRoom", "room", { maxUsers: 2 });
    await call("joinAppRoom", "room");
    await until("the room to have two members", () =>
      other
        .heard("onAppRoomUpdated")
        .some((update) => (update as { roomData: { memberCount: number } }).roomData.memberCount === 2),
    );
    const found = await call<{ users: { userId: string }[] }>("discoverAppUsers", stage.relay.url, true);
    expect(found.users.map(({ userId }) => userId)).toContain(other.email);
  });

  test("D-63: finds what was said under the id of its session", async () => {
    const url = `${stage.url}/api/transcripts/${encodeURIComponent(user.sessionId)}?language=en-US&duration=600`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${packageName}:${apiKey}` } });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      success: true,
      segments: [{ text: "hello", isFinal: true, language: "en-US", speakerId: "1" }],
    });
  });

  test("knows the user of its web page by a token that works once, and by the app's own hash", async () => {
    const authorization = `Bearer ${await stage.stage.token(user.email)}`;
    const ask = async (path: string, body: object): Promise<Record<string, string>> => {
      const headers = { authorization, "content-type": "application/json" };
      const answer = await fetch(`${stage.url}${path}`, {
        method: "POST",
        headers,
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(200);
      return (await answer.json()) as Record<string, string>;
    };
    const hash = async (stringToHash: string) =>
      (await ask("/api/auth/hash-with-api-key", { stringToHash, packageName }))["hash"] ?? "";
    const who = async (query: Record<string, string>) => {
      const answer = await fetch(`${app.url}/who?${new URLSearchParams(query)}`, { redirect: "manual" });
      return answer.status === 200 ? ((await answer.json()) as { userId: unknown }).userId : answer.status;
    };
    const { token = "" } = await ask("/api/auth/generate-webview-token", { packageName });
    const cloudApiUrl = stage.relay.url;
    const query = { aos_temp_token: token, cloudApiUrl, cloudApiUrlChecksum: await hash(cloudApiUrl) };
    expect(await who(query)).toBe(user.email);
    expect(await who(query)).not.toBe(user.email);
    expect(await who({ aos_frontend_token: `${user.email}:${await hash(user.email)}` })).toBe(user.email);
    expect(await who({ aos_frontend_token: `${user.email}:${"0".repeat(64)}` })).not.toBe(user.email);
  });

  test("was never sent anything that the SDK does not know", () => {
    expect(sdkErrors()).toEqual([]);
  });
});
