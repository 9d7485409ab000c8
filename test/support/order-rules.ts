import fc from "fast-check";
import type { UserSession } from "../../src/session/user-session.ts";
import type { ToApp } from "../../src/wire/apps.ts";
import { apiKey, appRecord, FakeApp, FakeGlasses, FakeWorld } from "./fake-world.ts";

/**
 * A random life of many users on the fake clock, and the rules that must hold after every single event of it. A script
 * is plain data, so that a failing one can be cut down to the few steps that matter.
 */
export interface Step {
  readonly user: number;
  readonly app: number;
  readonly action:
    | "start"
    | "stop"
    | "dropApp"
    | "returnApp"
    | "subscribe"
    | "subscribeNothing"
    | "show"
    | "showBriefly"
    | "photo"
    | "speak"
    | "audio"
    | "voiceOff"
    | "button"
    | "dropGlasses"
    | "returnGlasses"
    | "secondGlasses"
    | "lateClose";
  /** Time that passes afterwards, in milliseconds. */
  readonly waitMs: number;
}

/** Scripts of up to `steps` steps over `users` users with five apps each. */
export function scripts(users: number, steps: number): fc.Arbitrary<Step[]> {
  const step: fc.Arbitrary<Step> = fc.record({
    user: fc.integer({ min: 0, max: users - 1 }),
    app: fc.integer({ min: 0, max: 4 }),
    action: fc.oneof(
      { arbitrary: fc.constantFrom("start" as const, "subscribe" as const), weight: 4 },
      {
        arbitrary: fc.constantFrom("show" as const, "speak" as const, "audio" as const, "button" as const),
        weight: 8,
      },
      {
        arbitrary: fc.constantFrom(
          "stop" as const,
          "dropApp" as const,
          "returnApp" as const,
          "subscribeNothing" as const,
          "showBriefly" as const,
          "photo" as const,
          "voiceOff" as const,
          "dropGlasses" as const,
          "returnGlasses" as const,
          "secondGlasses" as const,
          "lateClose" as const,
        ),
        weight: 5,
      },
    ),
    waitMs: fc.oneof(
      { arbitrary: fc.integer({ min: 0, max: 50 }), weight: 20 },
      { arbitrary: fc.integer({ min: 0, max: 2_000 }), weight: 1 },
    ),
  });
  return fc.array(step, { minLength: Math.ceil(steps / 2), maxLength: steps, size: "max" });
}

/** One app socket as its app saw it. */
interface AppSocketLog {
  readonly app: FakeApp;
  readonly packageName: string;
  /** Set when the session told or should have told it to go. */
  checked: number;
}

class UserLife {
  readonly email: string;
  readonly world: FakeWorld;
  session: UserSession | undefined;
  glasses: FakeGlasses | undefined;
  generation = 0;
  /** Sockets that have been replaced and whose close has not been heard yet. */
  readonly stale: { session: UserSession; generation: number }[] = [];
  readonly everyGlasses: FakeGlasses[] = [];
  readonly sockets: AppSocketLog[] = [];
  readonly current = new Map<string, FakeApp>();
  readonly stoppedAt = new Map<string, number>();
  /** Since when somebody, or nobody, has wanted the microphone. */
  wantedSince: number | undefined;
  unwantedSince: number | undefined = 0;
  utterance = 0;
  text = 0;
  photo = 0;
  readonly displaysChecked = new Map<FakeGlasses, number>();
  shownAtMs = Number.NEGATIVE_INFINITY;
  readonly newestText = new Map<string, number>();

  constructor(world: FakeWorld, index: number) {
    this.world = world;
    this.email = `user${index}@example.com`;
  }
}

const packages = ["com.front", "com.rival", "com.a", "com.b", "com.c"];

/**
 * Runs a script and checks every rule after every step.
 * @param meddle may forge what the glasses of a user were sent, to show that a broken rule is found.
 * @throws Error that names the rule and the step.
 */
export async function runScript(
  users: number,
  steps: readonly Step[],
  meddle?: (glasses: FakeGlasses, step: number) => void,
): Promise<void> {
  const world = new FakeWorld({}, { bootCardMs: 1_500 });
  for (const [i, name] of packages.entries()) {
    world.records.set(name, appRecord(name, { type: i < 2 ? "standard" : "background" }));
  }
  const lives = Array.from({ length: users }, (_, i) => new UserLife(world, i));
  for (const [i, step] of steps.entries()) {
    const life = lives[step.user];
    if (life === undefined) continue;
    try {
      await perform(life, step);
      if (life.glasses !== undefined) meddle?.(life.glasses, i);
      check(life);
      // In small pieces: a rule that is broken for a moment is broken.
      for (let left = step.waitMs; left > 0; left -= 100) {
        await world.clock.advanceAsync(Math.min(left, 100));
        for (const each of lives) check(each);
      }
    } catch (error) {
      throw new Error(
        `step ${i} ${JSON.stringify(step)}: ${error instanceof Error ? error.message : error}`,
        {
          cause: error,
        },
      );
    }
  }
  for (const life of lives) await world.storage.getSession(life.email)?.end();
  await world.clock.advanceAsync(world.limits.sessionGraceMs + 5_000);
  for (const life of lives) check(life);
  must(world.storage.size === 0, "every session is gone in the end");
  must(world.clock.pending === 0, `no timer is left in the end, but ${world.clock.pending} are`);
}

async function perform(life: UserLife, { action, app }: Step): Promise<void> {
  const { world } = life;
  const packageName = packages[app] ?? "";
  const session = life.session?.disposed ? undefined : life.session;
  const socket = life.current.get(packageName);
  switch (action) {
    case "returnGlasses":
      if (life.glasses === undefined || session === undefined) await attach(life);
      return;
    case "secondGlasses":
      if (session !== undefined) {
        life.stale.push({ session, generation: life.generation });
        await attach(life);
      }
      return;
    case "lateClose": {
      const stale = life.stale.shift();
      stale?.session.glassesClosed(stale.generation);
      return;
    }
  }
  if (session === undefined) {
    await attach(life);
    return;
  }
  switch (action) {
    case "start": {
      life.stoppedAt.delete(packageName);
      void session.apps.start(packageName);
      connectApp(life, session, packageName);
      return;
    }
    case "stop":
      session.apps.stop(packageName);
      life.stoppedAt.set(packageName, world.clock.now());
      life.current.delete(packageName);
      return;
    case "dropApp":
      if (socket !== undefined) {
        life.current.delete(packageName);
        session.apps.closed(packageName, socket.generation);
      }
      return;
    case "returnApp":
      connectApp(life, session, packageName);
      return;
    case "subscribe":
    case "subscribeNothing":
      if (socket !== undefined) {
        const literals = ["button_press", "transcription:en-US", "audio_chunk"].slice(0, 1 + (life.text % 3));
        world.subscribe(session, socket, packageName, ...(action === "subscribe" ? literals : []));
      }
      return;
    case "show":
    case "showBriefly":
      if (socket !== undefined) {
        const duration = action === "show" ? undefined : 300 + (life.text % 5) * 700;
        world.show(session, socket, packageName, `${packageName} ${life.text++}`, duration);
      }
      return;
    case "photo":
      if (socket !== undefined) {
        const requestId = `photo ${packageName} ${life.photo++}`;
        session.apps.receive(packageName, socket.generation, { type: "photo_request", requestId });
      }
      return;
    case "speak": {
      const utteranceId = `u${life.utterance++}`;
      const startMs = life.utterance * 1_000;
      const say = (text: string, isFinal: boolean) =>
        session.transcription.onTranscript({
          utteranceId,
          language: "en-US",
          text,
          isFinal,
          startMs,
          endMs: startMs + 500,
          provider: "test",
        });
      say(`${life.utterance}`, false);
      say(`${life.utterance} said`, true);
      return;
    }
    case "audio":
      if (life.glasses !== undefined) session.receiveAudio(life.generation, new Uint8Array(64));
      return;
    case "voiceOff":
      if (life.glasses !== undefined) session.receiveGlasses(life.generation, { type: "VAD", status: false });
      return;
    case "button":
      if (life.glasses !== undefined) {
        const press = { type: "button_press", buttonId: `${life.text++}`, pressType: "short" } as const;
        session.receiveGlasses(life.generation, press);
      }
      return;
    case "dropGlasses":
      if (life.glasses !== undefined) {
        life.glasses = undefined;
        session.glassesClosed(life.generation);
      }
      return;
    default:
      return;
  }
}

async function attach(life: UserLife): Promise<void> {
  const { world } = life;
  life.session = await world.storage.getOrCreate(life.email);
  const glasses = new FakeGlasses(world.clock);
  life.generation = life.session.attachGlasses(glasses);
  life.glasses = glasses;
  life.everyGlasses.push(glasses);
  must(glasses.sent[0]?.message.type === "connection_ack", "the glasses are acknowledged before all else");
}

/** Connects the app's socket as the SDK would, if the session expects the app. */
function connectApp(life: UserLife, session: UserSession, packageName: string): void {
  const app = new FakeApp();
  const accepted = session.apps.accept(packageName, apiKey, undefined, app);
  if (!("generation" in accepted)) return;
  app.generation = accepted.generation;
  life.current.set(packageName, app);
  life.sockets.push({ app, packageName, checked: 0 });
}

function check(life: UserLife): void {
  checkAppSockets(life);
  checkDisplay(life);
  checkMicrophone(life);
}

/** Order of what every app socket was sent: the acknowledgement first, nothing after `app_stopped`, events in order. */
function checkAppSockets(life: UserLife): void {
  for (const log of life.sockets) {
    const { sent, closed } = log.app;
    if (sent.length > log.checked) {
      must(sent[0]?.type === "tpa_connection_ack", "an app is acknowledged before all else");
      const end = sent.findIndex(({ type }) => type === "app_stopped");
      must(end < 0 || end === sent.length - 1, "nothing follows app_stopped");
      checkEvents(sent);
      log.checked = sent.length;
    }
    // 1008 is for the loser of two sockets; the others tell of an end that this life has asked for.
    if (closed !== undefined)
      must([1008, 4000, 4001].includes(closed.code), `no app socket is closed with ${closed.code}`);
  }
}

function checkEvents(sent: readonly ToApp[]): void {
  let button = -1;
  let utterance = -1;
  let final = -1;
  for (const message of sent) {
    if (message.type !== "data_stream") continue;
    const data = message.data as {
      buttonId?: string;
      text?: string;
      isFinal?: boolean;
      utteranceId?: string;
    };
    if (message.streamType === "button_press") {
      const number = Number(data.buttonId);
      must(number > button, `button ${number} does not come after ${button}`);
      button = number;
    }
    if (data.utteranceId !== undefined) {
      const number = Number(data.utteranceId.slice(1));
      must(number >= utterance, `utterance ${number} does not come after ${utterance}`);
      must(data.isFinal === true || number > final, "no interim follows its final");
      if (data.isFinal) {
        must(number > final, "an utterance has one final");
        final = number;
      }
      utterance = number;
    }
  }
}

/** The pace, the order of each app's texts, and that nothing of a stopped app is shown. */
function checkDisplay(life: UserLife): void {
  for (const glasses of life.everyGlasses.slice(-2)) {
    const from = life.displaysChecked.get(glasses) ?? 0;
    life.displaysChecked.set(glasses, glasses.sent.length);
    for (const { message, atMs } of glasses.sent.slice(from)) {
      if (message.type === "photo_request") {
        const end = life.stoppedAt.get(message.appId);
        must(end === undefined || atMs <= end, `${message.appId} takes no photo after it was stopped`);
      }
      if (message.type !== "display_event") continue;
      must(atMs - life.shownAtMs >= 200, "two displays are at least 200 ms apart");
      life.shownAtMs = atMs;
      const { packageName, layout } = message;
      const end = life.stoppedAt.get(packageName);
      must(end === undefined || atMs <= end, `${packageName} is not shown after it was stopped`);
      if (layout.layoutType !== "text_wall") continue;
      const number = Number(layout.text.split(" ")[1]);
      must(
        number >= (life.newestText.get(packageName) ?? 0),
        `${packageName} shows an older text after a newer one`,
      );
      life.newestText.set(packageName, number);
    }
  }
}

/** On soon after it is wanted, off soon after it is not: no deaf session, no ghost microphone. */
function checkMicrophone(life: UserLife): void {
  const { world, session, glasses } = life;
  if (session === undefined || session.disposed || glasses === undefined || glasses.closed !== undefined) {
    life.wantedSince = undefined;
    life.unwantedSince = undefined;
    return;
  }
  const now = world.clock.now();
  const demand = session.apps.subscriptions.mediaDemand();
  if (demand.pcm || demand.languages.length > 0) {
    life.wantedSince ??= now;
    life.unwantedSince = undefined;
  } else {
    life.unwantedSince ??= now;
    life.wantedSince = undefined;
  }
  const { microphoneBatchMs, microphoneDebounceMs, microphoneHoldMs } = world.limits;
  const soonMs = microphoneBatchMs + microphoneDebounceMs;
  if (life.wantedSince !== undefined && now - life.wantedSince > soonMs) {
    must(glasses.microphone === true, "the microphone is on while an app wants it");
  }
  if (life.unwantedSince !== undefined && now - life.unwantedSince > soonMs + microphoneHoldMs) {
    must(glasses.microphone === false, "the microphone is off when no app wants it");
  }
}

function must(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new Error(`broken rule: ${rule}`);
}
