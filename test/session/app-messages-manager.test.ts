import { describe, expect, test } from "bun:test";
import type { UserSession } from "../../src/session/user-session.ts";
import { type AppMessage, parseAppMessage, type ToApp } from "../../src/wire/apps.ts";
import { appRecord, captions, type FakeApp, FakeWorld } from "../support/fake-world.ts";

interface Member {
  readonly session: UserSession;
  readonly app: FakeApp;
  /** Sends as the app does. */
  readonly say: (message: AppMessage) => void;
  /** What has come of one type since it was asked last. */
  readonly got: <T extends ToApp["type"]>(type: T) => Extract<ToApp, { type: T }>[];
}

async function member(world: FakeWorld, userId: string, packageName = captions): Promise<Member> {
  const { session } = await world.connect(userId);
  const app = await world.runApp(session, packageName);
  let seen = 0;
  return {
    session,
    app,
    say: (message) => session.apps.receive(packageName, app.generation, message),
    got: <T extends ToApp["type"]>(type: T) => {
      const fresh = app.sent.slice(seen);
      seen = app.sent.length;
      return fresh.filter((message): message is Extract<ToApp, { type: T }> => message.type === type);
    },
  };
}

const broadcast = (payload: unknown, messageId = "m1"): AppMessage => ({
  type: "app_broadcast_message",
  payload,
  messageId,
});

const direct = (targetUserId: string, payload: unknown = {}, messageId = "m1"): AppMessage => ({
  type: "app_direct_message",
  targetUserId,
  payload,
  messageId,
});

describe("messages between the users of an app", () => {
  test("a broadcast reaches every other user of the app, and nobody else", async () => {
    const world = new FakeWorld();
    world.records.set("com.other", appRecord("com.other"));
    const [a, b, c] = [
      await member(world, "a@x.y"),
      await member(world, "b@x.y"),
      await member(world, "c@x.y"),
    ];
    const stranger = await member(world, "d@x.y", "com.other");
    a.say(broadcast({ x: 1 }));
    for (const other of [b, c]) {
      expect(other.got("app_message_received")).toEqual([
        {
          type: "app_message_received",
          payload: { x: 1 },
          messageId: "m1",
          senderUserId: "a@x.y",
          senderSessionId: `a@x.y-${captions}`,
        },
      ]);
    }
    expect(a.got("app_message_received")).toEqual([]);
    expect(stranger.got("app_message_received")).toEqual([]);
  });

  test("the sender is who the socket belongs to, whatever the message claims", async () => {
    const world = new FakeWorld();
    const [a, b] = [await member(world, "a@x.y"), await member(world, "b@x.y")];
    const claims = { senderUserId: "victim@x.y", sessionId: "victim@x.y-p", timestamp: "now" };
    for (const message of [broadcast(1), direct("b@x.y")]) {
      const parsed = parseAppMessage(JSON.stringify({ ...message, ...claims }));
      if (parsed.kind === "message") a.say(parsed.message);
    }
    const senders = b.got("app_message_received").map(({ senderUserId }) => senderUserId);
    expect(senders).toEqual(["a@x.y", "a@x.y"]);
  });

  test("a direct message is answered: with success where the user runs the app, else with the reason", async () => {
    const world = new FakeWorld();
    const [a, b] = [await member(world, "a@x.y"), await member(world, "b@x.y")];
    a.say(direct("B@X.y", { y: 2 }, "m1"));
    a.say(direct("nobody@x.y", {}, "m2"));
    expect(a.got("app_direct_message_response")).toEqual([
      { type: "app_direct_message_response", messageId: "m1", success: true, targetUserId: "B@X.y" },
      {
        type: "app_direct_message_response",
        messageId: "m2",
        success: false,
        error: "The user does not run this app",
        code: "USER_NOT_ACTIVE",
        hop: "server",
        targetUserId: "nobody@x.y",
      },
    ]);
    expect(b.got("app_message_received")).toMatchObject([{ payload: { y: 2 }, senderUserId: "a@x.y" }]);
    b.session.apps.stop(captions);
    a.say(direct("b@x.y"));
    expect(a.got("app_direct_message_response")).toMatchObject([{ success: false }]);
  });

  test("what is sent to an app that is away for a moment reaches it on its return", async () => {
    const world = new FakeWorld();
    const [a, b] = [await member(world, "a@x.y"), await member(world, "b@x.y")];
    world.subscribe(b.session, b.app, captions, "button_press");
    b.session.apps.closed(captions, b.app.generation);
    a.say(direct("b@x.y", "while away"));
    expect(a.got("app_direct_message_response")).toMatchObject([{ success: true }]);
    const back = world.connectApp(b.session);
    world.subscribe(b.session, back, captions, "button_press");
    expect(back.sent.at(-1)).toMatchObject({ type: "app_message_received", payload: "while away" });
  });

  test("a message to many is handed out in pieces, in order, and no piece holds up the loop for long", async () => {
    const world = new FakeWorld({}, { appMessageBatch: 2 });
    const members: Member[] = [];
    for (let i = 0; i < 6; i++) members.push(await member(world, `u${i}@x.y`));
    const [sender, ...others] = members;
    sender?.say(broadcast("first", "m1"));
    sender?.say(direct("u1@x.y", "second", "m2"));
    const received = () =>
      others.map(({ app }) => app.sent.filter(({ type }) => type === "app_message_received"));
    expect(received().flat().length).toBe(2);
    await world.clock.advanceAsync(10);
    const [first, ...rest] = received();
    expect(first?.map((message) => "payload" in message && message.payload)).toEqual(["first", "second"]);
    expect(rest.map((messages) => messages.length)).toEqual([1, 1, 1, 1]);
  });

  test("apps take turns: what one has waiting neither holds up nor fills the queue of another", async () => {
    const world = new FakeWorld({}, { appMessageBatch: 1, appMessageQueue: 1 });
    world.records.set("com.other", appRecord("com.other"));
    const crowd: Member[] = [];
    for (let i = 0; i < 6; i++) crowd.push(await member(world, `u${i}@x.y`));
    const pair = [
      await member(world, "a@x.y", "com.other"),
      await member(world, "b@x.y", "com.other"),
      await member(world, "c@x.y", "com.other"),
    ] as const;
    crowd[0]?.say(broadcast("to many"));
    crowd[1]?.say(broadcast("one too many"));
    expect(crowd[1]?.got("tpa_connection_error")).toMatchObject([{ code: "BUSY" }]);
    pair[0].say(broadcast("to few"));
    expect(pair[0].got("tpa_connection_error")).toEqual([]);
    const left = () =>
      crowd.slice(1).filter(({ app }) => !app.sent.some(({ type }) => type === "app_message_received"));
    // Its two pieces are out long before the other's five.
    world.clock.advance(0);
    const got = pair.flatMap((each) => each.got("app_message_received"));
    expect(got.length).toBe(2);
    await world.clock.advanceAsync(10);
    expect(left()).toEqual([]);
  });

  test("a full queue costs nobody the news of who comes and goes", async () => {
    const world = new FakeWorld({}, { appMessageBatch: 1, appMessageQueue: 1 });
    const members: Member[] = [];
    for (let i = 0; i < 4; i++) members.push(await member(world, `u${i}@x.y`));
    const [first, second] = members;
    first?.say({ type: "app_room_join", roomId: "r1" });
    first?.say(broadcast("to all"));
    second?.say({ type: "app_room_join", roomId: "r1" });
    second?.session.apps.stop(captions);
    await world.clock.advanceAsync(10);
    const news = first?.app.sent.map(({ type }) => type).filter((type) => /^app_(user|room)_/.test(type));
    expect(news).toEqual([
      "app_room_updated",
      "app_user_joined",
      "app_room_updated",
      "app_user_left",
      "app_room_updated",
    ]);
  });

  test("too many and too large ones are refused with a code, counted, and cost no socket", async () => {
    const world = new FakeWorld();
    const [a, b] = [await member(world, "a@x.y"), await member(world, "b@x.y")];
    a.say(broadcast("x".repeat(world.limits.appMessageBytes)));
    expect(a.got("tpa_connection_error")).toMatchObject([{ code: "PAYLOAD_TOO_LARGE" }]);
    for (let i = 0; i < 100; i++) a.say(broadcast(i));
    expect(a.got("tpa_connection_error").every(({ code }) => code === "RATE_LIMITED")).toBe(true);
    a.say(direct("b@x.y"));
    expect(a.got("app_direct_message_response")).toMatchObject([
      { success: false, error: "Too many messages" },
    ]);
    expect(b.got("app_message_received").length).toBe(world.limits.appMessageBurst - 1);
    expect(a.app.closed).toBeUndefined();
    const refused = await world.count("browline_app_messages_total", { outcome: "rate_limited" });
    expect(refused).toBe(102 - world.limits.appMessageBurst);
    await world.clock.advanceAsync(1_000);
    a.say(broadcast("later"));
    expect(b.got("app_message_received")).toMatchObject([{ payload: "later" }]);
  });
});

describe("rooms", () => {
  const join = (
    roomId: string,
    roomConfig?: (AppMessage & { type: "app_room_join" })["roomConfig"],
  ): AppMessage => ({
    type: "app_room_join",
    roomId,
    ...(roomConfig === undefined ? {} : { roomConfig }),
  });
  const leave = (roomId: string): AppMessage => ({ type: "app_room_leave", roomId });

  test("tell their members who comes and goes, and what they are like", async () => {
    const world = new FakeWorld();
    const [a, b] = [await member(world, "a@x.y"), await member(world, "b@x.y")];
    a.say(join("r1", { maxUsers: 3, isPrivate: false, metadata: { topic: "tea" } }));
    const data = { maxUsers: 3, isPrivate: false, metadata: { topic: "tea" } };
    expect(a.got("app_room_updated")).toEqual([
      {
        type: "app_room_updated",
        roomId: "r1",
        updateType: "user_joined",
        roomData: { memberCount: 1, ...data },
      },
    ]);
    b.say(join("r1", { maxUsers: 99, isPrivate: true }));
    const now = new Date(world.clock.now()).toISOString();
    expect(a.app.sent.slice(-2)).toEqual([
      {
        type: "app_user_joined",
        userId: "b@x.y",
        sessionId: `b@x.y-${captions}`,
        joinedAt: now,
        roomId: "r1",
      },
      {
        type: "app_room_updated",
        roomId: "r1",
        updateType: "user_joined",
        roomData: { memberCount: 2, ...data },
      },
    ]);
    expect(b.got("app_user_joined")).toEqual([]);
    expect(b.app.sent.at(-1)).toMatchObject({ updateType: "user_joined", roomData: { memberCount: 2 } });
    b.say(leave("r1"));
    expect(a.app.sent.slice(-2)).toMatchObject([
      { type: "app_user_left", userId: "b@x.y", leftAt: now, roomId: "r1" },
      { type: "app_room_updated", updateType: "user_left", roomData: { memberCount: 1 } },
    ]);
    expect(b.app.sent.at(-1)).toMatchObject({ type: "app_room_updated", updateType: "user_left" });
    a.say(leave("r1"));
    expect(world.rooms.roomsOf(captions).size).toBe(0);
  });

  test("are left when the app stops and when the session ends", async () => {
    const world = new FakeWorld();
    const [a, b, c] = [
      await member(world, "a@x.y"),
      await member(world, "b@x.y"),
      await member(world, "c@x.y"),
    ];
    for (const each of [a, b, c]) each.say(join("r1"));
    b.session.apps.stop(captions);
    await c.session.end();
    expect(a.got("app_user_left").map(({ userId }) => userId)).toEqual(["b@x.y", "c@x.y"]);
    expect(world.rooms.usersOf(captions).map(({ userId }) => userId)).toEqual(["a@x.y"]);
    await a.session.end();
    expect(world.rooms.usersOf(captions)).toEqual([]);
    expect(world.rooms.roomsOf(captions).size).toBe(0);
  });

  test("are kept by an app that reconnects", async () => {
    const world = new FakeWorld();
    const [a, b] = [await member(world, "a@x.y"), await member(world, "b@x.y")];
    for (const each of [a, b]) each.say(join("r1"));
    b.session.apps.closed(captions, b.app.generation);
    await world.clock.advanceAsync(1_000);
    world.connectApp(b.session);
    expect(a.got("app_user_left")).toEqual([]);
    expect(world.rooms.roomsOf(captions).get("r1")).toBe(2);
  });

  test("take no more than they hold, and an app no more rooms than it may", async () => {
    const world = new FakeWorld({}, { roomsPerUser: 2, roomsPerPackage: 3 });
    const [a, b] = [await member(world, "a@x.y"), await member(world, "b@x.y")];
    a.say(join("r1", { maxUsers: 1 }));
    b.say(join("r1"));
    expect(b.got("tpa_connection_error")).toMatchObject([{ code: "ROOM_FULL" }]);
    a.say(join("r2"));
    a.say(join("r3"));
    expect(a.got("tpa_connection_error")).toMatchObject([{ code: "TOO_MANY_ROOMS" }]);
    b.say(join("r4"));
    b.say(join("r5"));
    expect(b.got("tpa_connection_error")).toMatchObject([{ code: "TOO_MANY_ROOMS" }]);
    a.say(leave("r5"));
    expect(a.got("tpa_connection_error")).toMatchObject([{ code: "NOT_IN_ROOM" }]);
    a.say(join("r2", { metadata: "x".repeat(world.limits.roomMetadataBytes) }));
    expect(a.got("tpa_connection_error")).toMatchObject([{ code: "PAYLOAD_TOO_LARGE" }]);
    expect([...world.rooms.roomsOf(captions)]).toEqual([
      ["r1", 1],
      ["r2", 1],
      ["r4", 1],
    ]);
  });

  test("can be changed by who opened them and by nobody else", async () => {
    const world = new FakeWorld();
    const [a, b] = [await member(world, "a@x.y"), await member(world, "b@x.y")];
    a.say(join("r1"));
    b.say(join("r1"));
    b.say(join("r1", { isPrivate: true }));
    expect(b.app.sent.at(-1)).toMatchObject({ updateType: "user_joined", roomData: { isPrivate: false } });
    a.say(join("r1", { isPrivate: true }));
    expect(b.app.sent.at(-1)).toMatchObject({ updateType: "config_changed", roomData: { isPrivate: true } });
  });

  test("that are private let nobody in but who opened them, and tell strangers nothing", async () => {
    const world = new FakeWorld();
    const [a, b, c] = [
      await member(world, "a@x.y"),
      await member(world, "b@x.y"),
      await member(world, "c@x.y"),
    ];
    a.say(join("r1"));
    b.say(join("r1"));
    a.say(join("r1", { isPrivate: true }));
    for (const each of [a, b, c]) each.got("app_room_updated");
    const before = c.app.sent.length;
    c.say(join("r1"));
    c.say(join("r1", { isPrivate: false }));
    a.say({ ...broadcast("hush"), roomId: "r1" } as AppMessage);
    expect(c.app.sent.length).toBe(before);
    expect(b.got("app_message_received")).toMatchObject([{ payload: "hush" }]);
    expect(world.rooms.roomsOf(captions).get("r1")).toBe(2);
    expect(await world.count("browline_app_messages_total", { outcome: "room_private" })).toBe(2);
    a.say(leave("r1"));
    a.say(join("r1"));
    expect(world.rooms.roomsOf(captions).get("r1")).toBe(2);
  });

  test("keep what is said in them to themselves", async () => {
    const world = new FakeWorld();
    const [a, b, c] = [
      await member(world, "a@x.y"),
      await member(world, "b@x.y"),
      await member(world, "c@x.y"),
    ];
    a.say(join("r1"));
    b.say(join("r1"));
    a.say({ type: "app_broadcast_message", payload: "hush", messageId: "m1", roomId: "r1" });
    expect(b.got("app_message_received")).toMatchObject([{ payload: "hush", roomId: "r1" }]);
    expect(c.got("app_message_received")).toEqual([]);
    c.say({ type: "app_broadcast_message", payload: "let me in", messageId: "m2", roomId: "r1" });
    expect(c.got("tpa_connection_error")).toMatchObject([{ code: "NOT_IN_ROOM" }]);
    expect(b.got("app_message_received")).toEqual([]);
  });
});
