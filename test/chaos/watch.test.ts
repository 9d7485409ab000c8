import { beforeEach, describe, expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import { AppSeat } from "./app-seat.ts";
import type { AdminSession } from "./chaos-server.ts";
import { ClientJournal } from "./client-journal.ts";
import { Judge } from "./judge.ts";
import { PressLedger } from "./press-ledger.ts";
import { Watch, type WatchedUser } from "./watch.ts";

const userId = "user@example.com";
const packageName = "com.example.app";
const rules = { duplicateMs: 0, settledMs: 0, appGraceMs: 20_000, sessionGraceMs: 30_000 };

let now = 0;
let judge: Judge;
let watch: Watch;
let seat: AppSeat;
let user: { -readonly [Field in keyof WatchedUser]: WatchedUser[Field] };
let told: { streams: readonly string[]; sinceMs: number } | undefined;
let troubled = false;

/** Someone who has been there for two minutes, with an app that has listened to the buttons all the time. */
beforeEach(() => {
  now = 0;
  troubled = false;
  judge = new Judge();
  const journal = new ClientJournal(0);
  const ledger = new PressLedger(rules, () => {});
  seat = new AppSeat({ userId, packageName, ledger, journal, lane: undefined, streams: ["button_press"] });
  seat.changedMs = 0;
  seat.ackedMs = 0;
  ledger.appBack(0);
  told = { streams: ["button_press"], sinceMs: 0 };
  user = {
    userId,
    journal,
    seats: [seat],
    lane: undefined,
    toldOf: () => told,
    connectedMs: 0,
    lostMs: 0,
    lastAwayMs: 0,
    dials: 1,
    microphoneOn: false,
    microphoneMs: 0,
    speaks: true,
  };
  watch = new Watch({
    server: { isUp: true },
    users: [user],
    judge,
    director: { isTroubled: () => troubled },
    limits,
    appIsUp: () => true,
    now: () => now,
  });
  now = 120_000;
});

function found(): string[] {
  return judge.violations.map(({ what }) => what);
}

/** The app listens to something else since half a minute ago, and the server has told so. */
function listensTo(...streams: string[]): void {
  seat.listenTo(streams);
  seat.changedMs = 90_000;
  told = { streams, sinceMs: 90_000 };
}

const session = (over: Partial<AdminSession> = {}): AdminSession => ({
  userId,
  state: "ACTIVE",
  connected: true,
  apps: { [packageName]: "RUNNING" },
  snapshot: { requiresAudio: false },
  ...over,
});

describe("a microphone", () => {
  test("may be off when nobody listens, and on when somebody does", () => {
    watch.tick();
    listensTo("button_press", "transcription:en-US");
    user.microphoneOn = true;
    watch.tick();
    expect(found()).toEqual([]);
  });

  test("that is on for nobody is a ghost", () => {
    user.microphoneOn = true;
    watch.tick();
    expect(found()).toEqual(["the microphone is on, though nobody listens"]);
  });

  test("is no ghost while the order may still be on its way", () => {
    troubled = true;
    user.lane = Object.create(null);
    user.microphoneOn = true;
    watch.tick();
    expect(found()).toEqual([]);
  });

  test.each<[string, () => object]>([
    ["it may be held on for a moment", () => Object.assign(user, { microphoneMs: now - 1_000 })],
    ["the app has just changed its mind", () => Object.assign(seat, { changedMs: now - 1_000 })],
    ["an app that listened is away", () => Object.assign(seat, { ackedMs: undefined })],
  ])("is no ghost while %s", (_, happen) => {
    user.microphoneOn = true;
    happen();
    watch.tick();
    expect(found()).toEqual([]);
  });

  test("that is on though the server itself says that nobody listens is a ghost, whatever the apps want", () => {
    listensTo("button_press", "transcription:en-US");
    user.microphoneOn = true;
    watch.sessions([session()]);
    now += limits.microphoneHoldMs + 5_000;
    watch.sessions([session()]);
    expect(found()).toEqual(["the microphone is on, though the server itself says that nobody listens"]);
  });

  test("that is off makes an app deaf that listens", () => {
    listensTo("button_press", "transcription:en-US");
    watch.tick();
    expect(found()).toEqual([`the microphone is off, though ${packageName} listens`]);
  });

  test("whose sound does not arrive makes it deaf as well", () => {
    listensTo("button_press", "audio_chunk");
    user.microphoneOn = true;
    watch.tick();
    now += 5_000;
    seat.audioBytes += 640;
    watch.tick();
    now += 5_000;
    watch.tick();
    expect(found()).toEqual([]);
    now += 5_000;
    watch.tick();
    expect(found()).toEqual([`no sound reaches ${packageName}, though the microphone is on`]);
  });

  test("is not turned off within the grace of an app that listens, and is afterwards", () => {
    listensTo("button_press", "transcription:en-US");
    seat.ackedMs = undefined;
    seat.ledger.appAway(now - 25_000);
    watch.microphone(user, false);
    expect(found()).toEqual([]);
    seat.ledger.appBack(now);
    seat.ledger.appAway(now - 10_000);
    watch.microphone(user, false);
    expect(found()).toHaveLength(1);
  });
});

describe("a state", () => {
  test.each([
    ["DISCONNECTED", limits.sessionGraceMs],
    ["CONNECTING", limits.sessionGraceMs],
    ["DISPOSING", limits.finalWordsMs],
  ])("of a session is no older than its timer: %s", (state, mostMs) => {
    watch.sessions([session({ state })]);
    now += mostMs + 3_000;
    watch.sessions([session({ state })]);
    expect(found()).toEqual([]);
    now += 2_000;
    watch.sessions([session({ state })]);
    expect(found()).toEqual([`the session is ${state} for longer than its timer`]);
  });

  test.each([
    ["CONNECTING", limits.appStartMs],
    ["GRACE_PERIOD", limits.appGraceMs],
    ["RESURRECTING", limits.resurrectionMs],
  ])("of an app is no older than its timer: %s", (state, mostMs) => {
    const apps = { [packageName]: state };
    watch.sessions([session({ apps })]);
    now += mostMs + 3_000;
    watch.sessions([session({ apps })]);
    expect(found()).toEqual([]);
    now += 2_000;
    watch.sessions([session({ apps })]);
    expect(found()).toEqual([`${packageName} is ${state} for longer than its timer`]);
  });

  test("begins anew with every return", () => {
    watch.sessions([session({ state: "DISCONNECTED" })]);
    now += limits.sessionGraceMs;
    user.dials++;
    watch.sessions([session({ state: "DISCONNECTED" })]);
    now += limits.sessionGraceMs;
    watch.sessions([session({ state: "DISCONNECTED" })]);
    expect(found()).toEqual([]);
  });

  test("of a session of nobody is not to be", () => {
    watch.sessions([session({ userId: "ghost@example.com" })]);
    expect(found()).toEqual(["there is a session of ghost@example.com, who is nobody"]);
  });
});

test("an app that a return within the graces does not find again was forgotten; one after them was not", () => {
  user.lostMs = now - 10_000;
  user.lastAwayMs = limits.sessionGraceMs + 1;
  watch.forgotten(user, seat, 0);
  expect(found()).toEqual([]);
  user.lastAwayMs = 10_000;
  watch.forgotten(user, seat, 0);
  expect(found()).toEqual([`${packageName} and what it listens to were forgotten within their graces`]);
});

test("a healthy socket that is cut is noticed, one that is closed for a reason is not", () => {
  watch.appClosed(user, seat, 4000);
  expect(found()).toEqual([]);
  watch.appClosed(user, seat, 1006);
  expect(found()).toEqual([`the healthy socket of ${packageName} was closed with 1006`]);
});
