import { expect, test } from "bun:test";
import type { UserSession } from "../../src/session/user-session.ts";
import type { AppMessage } from "../../src/wire/apps.ts";
import type { GlassesMessage } from "../../src/wire/glasses.ts";
import { appRecord, type FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";
import { randomScript } from "../support/life-script.ts";
import { RandomWorld } from "../support/random-world.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";

/**
 * What of a kept session the next process must find as it was. Numbers of messages begin anew above all that can have been
 * given; the pace of displays and who may cover whom is settled by time, and so is a display whose time is over.
 */
function essence(body: string, nowMs: number): unknown {
  if (body === "") return undefined;
  const { apps, display, speech, ...rest } = JSON.parse(body);
  const views = ["main", "dashboard"].map((view) => {
    const { wishes, empty } = display.views[view];
    const lasting = wishes.filter(({ untilMs = Number.POSITIVE_INFINITY }) => untilMs > nowMs);
    return { wishes: lasting, ...(!empty && { shows: true }) };
  });
  // What is being said is lost with the process, and how far it has got with it.
  const { heardMs, ...voice } = speech;
  const said = voice.openSinceMs === undefined ? { heardMs } : {};
  return {
    ...rest,
    speech: { ...voice, ...said },
    apps: apps.map(({ seq: _, ...app }: { seq: number }) => app),
    views,
  };
}

/** Looks, at the end of a turn, whether the journal has what the session is. */
async function compare(world: FakeWorld, session: UserSession, after: unknown): Promise<void> {
  for (let i = 0; i < 3; i++) await null;
  if (session.disposed || session.state === "CONNECTING") return;
  const nowMs = world.clock.now();
  const kept = essence(world.journal.sessionOf(session.userId) ?? "", nowMs);
  const stale = differences("", kept, essence(session.keep(), nowMs));
  expect({ after, stale }).toEqual({ after, stale: [] });
}

/** Where `kept` is not what it is to be, with both values. */
function differences(path: string, kept: unknown, now: unknown): string[] {
  const [before, after] = [JSON.stringify(kept), JSON.stringify(now)];
  // To clear a screen that is clear already does no harm.
  if (before === after || (path.endsWith(".shows") && now === undefined)) return [];
  if (!isObject(kept) || !isObject(now)) return [`${path}: ${before} instead of ${after}`];
  const keys = [...new Set([...Object.keys(kept), ...Object.keys(now)])];
  return keys.flatMap((key) => differences(`${path}.${key}`, kept[key], now[key]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

test("whatever becomes of its apps, what is kept of a session is what it is", async () => {
  const random = seededRandom("kept apps");
  for (let run = 0; run < 5; run++) {
    const world = new RandomWorld(3);
    const compareAll = async (what: unknown) => {
      for (const session of world.storage.all()) await compare(world, session, what);
    };
    for (const step of randomScript(random, 3, 400)) {
      await world.lives[step.user]?.perform(step);
      await compareAll(step);
      for (let left = step.waitMs; left > 0; left -= 100) {
        await world.clock.advanceAsync(Math.min(left, 100));
        await compareAll(step);
      }
    }
  }
}, 60_000);

const packages = ["com.a", "com.b"] as const;

test("whatever is said to it, what is kept of a session is what it is", async () => {
  const random = seededRandom("kept messages");
  for (let run = 0; run < 5; run++) {
    const world = new FakeWorld();
    for (const name of packages) world.records.set(name, appRecord(name));
    const connected = await world.connect();
    const { session } = connected;
    let { generation } = connected;
    const apps = new Map<string, FakeApp>();
    for (const name of packages) {
      apps.set(name, await world.runApp(session, name, "transcription:en-US", "location_update"));
    }
    for (let step = 0; step < 600; step++) {
      const kind = random.integer(0, 9);
      let what: unknown = kind;
      if (kind < 4) {
        const message = fromGlasses(random);
        what = message;
        session.receiveGlasses(generation, message);
      } else if (kind < 8) {
        const message = fromApp(random);
        what = message;
        const name = random.pick(packages);
        session.apps.receive(name, apps.get(name)?.generation ?? 0, message);
      } else if (kind === 8) {
        const startMs = world.clock.now() - 1_767_225_600_000;
        world.lanes.opened.at(-1)?.listener.onTranscript({
          text: `word ${step}`,
          isFinal: random.chance(0.4),
          utteranceId: "u",
          language: "en-US",
          startMs,
          endMs: startMs + 100,
          provider: "fake",
        });
      } else if (random.chance(0.3)) {
        const name = random.pick(packages);
        session.apps.stop(name);
        apps.set(name, await world.runApp(session, name, "transcription:en-US", "location_update"));
      } else if (random.chance(0.5)) {
        session.glassesClosed(generation);
      } else {
        generation = session.attachGlasses(new FakeGlasses(world.clock));
      }
      await compare(world, session, what);
      await world.clock.advanceAsync(random.chance(0.05) ? random.integer(0, 5_000) : random.integer(0, 50));
      await compare(world, session, { after: what });
      if (session.disposed) break;
    }
  }
}, 60_000);

function fromGlasses(random: SeededRandom): GlassesMessage {
  const id = String(random.integer(0, 3));
  const flag = random.chance(0.5);
  return random.pick<GlassesMessage>([
    { type: "VAD", status: flag },
    {
      type: "glasses_connection_state",
      status: flag ? "CONNECTED" : "DISCONNECTED",
      modelName: flag ? "Mentra Live" : null,
    },
    { type: "button_press", buttonId: id, pressType: "short" },
    { type: "head_position", position: flag ? "up" : "down" },
    { type: "glasses_battery_update", level: random.integer(0, 100), charging: flag },
    { type: "phone_battery_update", level: random.integer(0, 100), charging: flag },
    { type: "location_update", lat: random.integer(-80, 80), lng: random.integer(-170, 170) },
    { type: "phone_notification", notificationId: id },
    { type: "phone_notification_dismissed", notificationId: id },
    { type: "calendar_event", eventId: id, title: `event ${random.integer(0, 100)}` },
    { type: "local_transcription", text: "hello there", isFinal: flag },
    { type: "photo_response", requestId: id, success: flag },
    { type: "audio_play_response", requestId: id, success: flag },
    { type: "rgb_led_control_response", requestId: id, success: flag },
    { type: "dashboard_state", isOpen: flag },
  ]);
}

function fromApp(random: SeededRandom): AppMessage {
  const id = String(random.integer(0, 3));
  const text = `text ${random.integer(0, 100)}`;
  const view = random.pick(["main", "dashboard"] as const);
  return random.pick<AppMessage>([
    { type: "display_event", view, layout: { layoutType: "text_wall", text } },
    {
      type: "display_event",
      view,
      layout: { layoutType: "text_wall", text },
      durationMs: random.integer(0, 3_000),
    },
    { type: "display_event", view, layout: { layoutType: "clear_view" } },
    { type: "dashboard_content_update", content: text, modes: ["main", "expanded"] },
    { type: "dashboard_system_update", section: "topLeft", content: text },
    { type: "dashboard_mode_change", mode: random.pick(["none", "main", "expanded"] as const) },
    { type: "photo_request", requestId: id },
    {
      type: "audio_play_request",
      requestId: id,
      audioUrl: "https://example.com/a.mp3",
      trackId: random.integer(0, 2),
    },
    { type: "audio_stop_request" },
    { type: "rgb_led_control", requestId: id, action: random.pick(["on", "off"] as const) },
    { type: "location_poll_request", correlationId: id, accuracy: "high" },
    { type: "app_room_join", roomId: id },
    { type: "app_room_leave", roomId: id },
    {
      type: "subscription_update",
      subscriptions: random.pick([
        ["button_press"],
        ["transcription:en-US", "transcription:fr-FR"],
        [{ stream: "location_stream", rate: "high" }, "location_update"],
        ["transcription:auto", "head_position", "calendar_event"],
      ]),
    },
  ]);
}
