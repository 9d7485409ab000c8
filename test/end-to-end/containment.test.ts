import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { userHash } from "../../src/kernel/identity.ts";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { ServerProcess } from "../support/server-process.ts";
import { packageName, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";
import type { WireApp, WireAppSession } from "../support/wire-app.ts";

const users = 20;
const emails = Array.from({ length: users }, (_, n) => `user${n}@example.com`);
const isBroken = (email: string) => emails.indexOf(email) % 10 === 0;
const presses = 30;

function broken(): never {
  throw new Error("broken for a test");
}

/** Makes everything of a session throw that others call: what comes from both sides, timers, the journal. */
function breakSession(stage: Stage, email: string): void {
  const session = stage.server.sessions.getSession(email);
  const app = session?.apps.app(packageName);
  if (session === undefined || app === undefined) throw new Error("there is no such session");
  Object.assign(session, { keep: broken });
  Object.assign(session.audio, { receive: broken });
  Object.assign(session.device, { onGlassesMessage: broken });
  Object.assign(session.transcription, { onTranscript: broken, onServerVoice: broken });
  Object.assign(session.apps, { receive: broken, confirmed: broken, publishAudio: broken });
  // Called by whoever sends to all users of the app; and, where events go out, from a timer.
  Object.assign(app, email === emails[0] ? { deliver: broken } : { askReceipt: broken });
}

/** What a client got, but for what the clock has written into it. */
function essence(messages: readonly object[]): string {
  return JSON.stringify(messages, (key, value) =>
    ["timestamp", "seq", "epoch", "startTime", "joinedAt", "sentAt"].includes(key) ? undefined : value,
  );
}

interface User {
  readonly email: string;
  readonly glasses: SimulatedGlasses;
  readonly session: WireAppSession;
  readonly shown: object[];
}

describe("a server some of whose sessions throw in every handler", () => {
  const stages: Stage[] = [];

  afterEach(async () => {
    for (const stage of stages.splice(0)) await stage.close();
  });

  /** Twenty users go through the same, with or without two of them broken. Resolves with what the others got. */
  async function run(breaks: boolean) {
    const lines: { user?: string; where?: string }[] = [];
    const log = pino({ level: "error", base: null }, { write: (line) => void lines.push(JSON.parse(line)) });
    // Without boot cards, which say how many milliseconds they have left.
    const stage = await Stage.open({ recogniser: "off", tokenSecret }, { bootCardMs: 0 }, log);
    stages.push(stage);
    const app = await stage.wireApp("button_press", "transcription:en-US", "audio_chunk");
    const all = await Promise.all(emails.map((email) => connect(stage, app, email)));
    const healthy = all.filter(({ email }) => !isBroken(email));
    if (breaks) for (const email of emails.filter(isBroken)) breakSession(stage, email);
    for (let n = 0; n < presses; n++) {
      for (const { glasses } of all) glasses.pressButton("short", `press-${n}`);
      for (const { glasses } of all) glasses.sendBinary(new Uint8Array(640));
      if (n === 10) for (const { session } of all) app.show(session, "a text");
      // To everybody who runs the app, the broken ones included, in the middle of what they are doing.
      if (n === 20) healthy[0]?.session.socket.send(JSON.stringify(broadcast));
      if (n === 25) for (const { email, glasses } of all) if (isBroken(email)) glasses.drop();
    }
    for (const { session, glasses } of healthy) {
      await session.messages.until((message) => JSON.stringify(message).includes(`press-${presses - 1}"`));
      await glasses.until(() => glasses.displayText() === "a text", "the text");
    }
    for (const { session } of healthy.slice(1)) {
      await session.messages.until(({ type }) => type === "app_message_received");
    }
    return { stage, lines, got: healthy.map(({ session, shown }) => ordered(session, shown)) };
  }

  test("delivers to the others what it would have, byte for byte, and tells whose they are", async () => {
    const clean = await run(false);
    expect(await clean.stage.count("browline_errors_total")).toBe(0);
    const { stage, lines, got } = await run(true);
    expect(got).toEqual(clean.got);
    expect(got[0]?.events).toContain(`press-${presses - 1}`);
    const errors = (where: string) => stage.count("browline_errors_total", { where });
    for (const where of ["glasses_message", "glasses_audio", "app_message"]) {
      expect([where, await errors(where)]).not.toEqual([where, 0]);
    }
    for (const where of ["snapshot", "timer"]) {
      await until(`an error in a ${where}`, async () => (await errors(where)) > 0);
    }
    const hash = userHash(tokenSecret);
    const culprits = new Set<string | undefined>(emails.filter(isBroken).map(hash));
    const contained = lines.filter(({ where }) => where !== undefined);
    expect(new Set(contained.map(({ user }) => user))).toEqual(culprits);
    expect(await (await fetch(`${stage.server.url}/livez`)).text()).toBe("ok");
    await (await stage.glasses({}, "newcomer@example.com")).roundTrip();
  }, 60_000);
});

test("a server goes on after an error that nobody has thought of, and counts and logs it", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "browline-stray-"));
  const preload = new URL("../support/stray-errors.ts", import.meta.url).pathname;
  const server = await ServerProcess.start(dataDir, { BUN_OPTIONS: `--preload ${preload}` });
  try {
    const glasses = await server.glasses("user@example.com");
    server.signal("SIGUSR2");
    for (const where of ["unhandled_rejection", "uncaught_exception"]) {
      await server.log.until((line) => line["where"] === where && line.msg === "an error was contained");
    }
    expect(await server.metric("browline_errors_total")).toBe(2);
    await glasses.roundTrip();
    glasses.close();
  } finally {
    await server.kill();
    rmSync(dataDir, { recursive: true });
  }
}, 60_000);

const tokenSecret = "secret of the tests, long enough";
const broadcast = { type: "app_broadcast_message", payload: { hello: "all" }, messageId: "m1" };

async function connect(stage: Stage, app: WireApp, email: string): Promise<User> {
  const shown: object[] = [];
  const glasses = await stage.glasses(
    {
      background: "none",
      events: { onMessage: (message) => void (message.type === "display_event" && shown.push(message)) },
    },
    email,
  );
  glasses.startApp(packageName);
  const session = await app.sessions.until(({ userId }) => userId === email);
  await glasses.until(() => glasses.microphoneOn, "the app to run and to hear");
  return { email, glasses, session, shown };
}

/** Two orders that do not depend on each other: what was pressed, and what came from somebody else. */
function ordered({ messages }: WireAppSession, shown: readonly object[]) {
  const of = (wanted: boolean) =>
    essence(messages.events.filter(({ type }) => (type === "data_stream") === wanted));
  return { events: of(true), others: of(false), shown: essence(shown) };
}
