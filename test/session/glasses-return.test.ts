import { expect, test } from "bun:test";
import type { UserSession } from "../../src/session/user-session.ts";
import type { AppMessage } from "../../src/wire/apps.ts";
import { captions, type FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";
import { restarted } from "../support/restarted.ts";

const userId = "user@example.com";

/** Everything that glasses can owe and be owed, when they are lost. */
async function busy() {
  const world = new FakeWorld();
  const { session, glasses, generation } = await world.connect(userId);
  const app = await world.runApp(session, captions, "button_press", "transcription:en-US", "location_update");
  const ask = asker(session, app);
  ask({ type: "location_poll_request", correlationId: "l1", accuracy: "high" });
  ask({ type: "photo_request", requestId: "p1" });
  ask({ type: "audio_play_request", requestId: "a1", audioUrl: "https://example.com/a.mp3" });
  show(ask, "main", "main 0");
  await world.clock.advanceAsync(1_000);
  show(ask, "dashboard", "dashboard 0");
  await world.clock.advanceAsync(1_000);
  return { world, session, glasses, generation, app, ask };
}

function asker(session: UserSession, app: FakeApp) {
  return (message: AppMessage) => session.apps.receive(captions, app.generation, message);
}

function show(ask: (message: AppMessage) => void, view: "main" | "dashboard", text: string): void {
  ask({ type: "display_event", view, layout: { layoutType: "text_wall", text } });
}

/** What glasses were sent, in order, as short as it can be told apart. */
function told({ sent }: FakeGlasses): string[] {
  return sent.flatMap(({ message }) => {
    switch (message.type) {
      case "display_event":
        return [message.layout.layoutType === "text_wall" ? message.layout.text : message.layout.layoutType];
      case "photo_request":
      case "audio_play_request":
        return [`${message.type} ${message.requestId}`];
      case "request_single_location":
        return [`${message.type} ${message.correlationId}`];
      case "microphone_state_change":
        return [`microphone ${message.isMicrophoneEnabled}`];
      case "app_state_change":
        return [];
      default:
        return [message.type];
    }
  });
}

const inOrder = [
  "connection_ack",
  "microphone true",
  "set_location_tier",
  "main 40",
  "request_single_location l1",
  "audio_play_request a1",
  "photo_request p1",
  // As soon as the pace of displays allows.
  "dashboard 40",
];

/** Each view is drawn on so often that only the newest counts. */
async function drawMuch(world: FakeWorld, ask: (message: AppMessage) => void): Promise<void> {
  for (let n = 1; n <= 40; n++) {
    show(ask, "main", `main ${n}`);
    show(ask, "dashboard", `dashboard ${n}`);
    await world.clock.advanceAsync(50);
  }
}

test("glasses that return are told all in a fixed order: of each view the newest, of what they were asked each once more", async () => {
  const { world, session, generation, ask } = await busy();
  session.glassesClosed(generation);
  await drawMuch(world, ask);
  const back = new FakeGlasses(world.clock);
  const returned = session.attachGlasses(back);
  await world.clock.advanceAsync(1_000);
  expect(told(back)).toEqual(inOrder);

  session.glassesClosed(returned);
  const again = new FakeGlasses(world.clock);
  session.attachGlasses(again);
  await world.clock.advanceAsync(1_000);
  expect(told(again).filter((what) => /_request/.test(what))).toEqual([]);
});

test("so are glasses that return to another process, with what was shown when the former one was killed", async () => {
  const { world, ask } = await busy();
  await drawMuch(world, ask);
  const next = await restarted(world, userId, 500);
  const { glasses, session } = await next.connect(userId);
  await next.clock.advanceAsync(1_000);
  expect(told(glasses)).toEqual(inOrder);
  // What was asked in the former process is still answered to the app.
  const app = next.connectApp(session, captions, "of-the-former-process");
  next.subscribe(session, app, captions, "button_press", "transcription:en-US", "location_update");
  const generation = session.attachGlasses(new FakeGlasses(next.clock));
  session.receiveGlasses(generation, { type: "audio_play_response", requestId: "a1", success: true });
  expect(app.sent.at(-1)).toMatchObject({ type: "audio_play_response", requestId: "a1", success: true });
});

test("what apps ask while the glasses are away is refused at once, with a code, and not passed on later", async () => {
  const { world, session, generation, app, ask } = await busy();
  session.glassesClosed(generation);
  const before = app.sent.length;
  ask({ type: "photo_request", requestId: "p2" });
  ask({ type: "audio_play_request", requestId: "a2", audioUrl: "https://example.com/a.mp3" });
  ask({ type: "rgb_led_control", requestId: "l2", action: "on" });
  ask({ type: "request_wifi_setup" });
  expect(app.sent.slice(before)).toMatchObject([
    { type: "audio_play_response", requestId: "a2", success: false, code: "PHONE_NOT_CONNECTED" },
    { type: "rgb_led_control_response", requestId: "l2", success: false, code: "PHONE_NOT_CONNECTED" },
    { type: "tpa_connection_error", code: "PHONE_NOT_CONNECTED" },
  ]);
  expect(world.photos.codes).toEqual([["p2", "PHONE_DISCONNECTED"]]);
  const back = new FakeGlasses(world.clock);
  session.attachGlasses(back);
  await world.clock.advanceAsync(1_000);
  expect(told(back).filter((what) => / [apl]2$/.test(what))).toEqual([]);
});
