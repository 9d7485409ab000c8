import { describe, expect, test } from "bun:test";
import {
  holdsCamera,
  nextPhotoState,
  type PhotoEvent,
  type PhotoState,
  photoWakeMs,
} from "../../src/session/photo-request.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import type { AppMessage } from "../../src/wire/apps.ts";
import { jpegPicture } from "../support/fake-photos.ts";
import { appRecord, captions, type FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";

type PhotoMessage = Extract<AppMessage, { type: "photo_request" }>;

const other = "com.example.other";

class PhotoWorld extends FakeWorld {
  constructor() {
    super();
    this.records.set(other, appRecord(other));
  }

  ask(
    session: UserSession,
    app: FakeApp,
    requestId: string,
    over: Partial<PhotoMessage> = {},
    packageName = captions,
  ): void {
    session.apps.receive(packageName, app.generation, { type: "photo_request", requestId, ...over });
  }

  outcomes(outcome: string): Promise<number> {
    return this.count("browline_photos_total", { outcome });
  }
}

async function stage() {
  const world = new PhotoWorld();
  const connected = await world.connect();
  const app = await world.runApp(connected.session);
  const ask = (requestId: string, over?: Partial<PhotoMessage>) =>
    world.ask(connected.session, app, requestId, over);
  return { world, app, ask, ...connected };
}

/** Ids of the requests that glasses were sent, oldest first. */
function asked(glasses: FakeGlasses): string[] {
  return glasses.of("photo_request").map(({ requestId }) => requestId);
}

describe("a photo", () => {
  test("is asked of the glasses at once, for the app's own upload address", async () => {
    const { glasses, ask, world } = await stage();
    ask("p1", { size: "large", compress: "medium", saveToGallery: true, authToken: "t", sound: false });
    expect(glasses.of("photo_request")).toEqual([
      {
        type: "photo_request",
        sessionId: "user@example.com",
        requestId: "p1",
        appId: captions,
        webhookUrl: "http://127.0.0.1:1/photo-upload",
        authToken: "t",
        size: "large",
        compress: "medium",
        flash: true,
        sound: false,
        saveToGallery: true,
      },
    ]);
    expect(world.photos.failures).toEqual([]);
  });

  test("has plain defaults", async () => {
    const { glasses, ask } = await stage();
    ask("p1");
    expect(glasses.of("photo_request")[0]).toMatchObject({
      size: "medium",
      compress: "none",
      sound: true,
      saveToGallery: false,
    });
    expect(glasses.of("photo_request")[0]).not.toHaveProperty("authToken");
  });

  test("goes to where the app's server is now, not where it was when the app started", async () => {
    const { world, glasses, ask } = await stage();
    world.records.set(captions, appRecord(captions, { publicUrl: "http://moved:2" }));
    ask("p1");
    expect(glasses.of("photo_request")[0]?.webhookUrl).toBe("http://moved:2/photo-upload");
  });

  test("for an app that the glasses cannot reach comes here and is handed on", async () => {
    const { world, glasses, ask } = await stage();
    world.photos.way = "relay";
    ask("p1", { authToken: "t" });
    expect(glasses.of("photo_request")[0]?.webhookUrl).toBe("http://server/api/photos/relay/p1");
    world.photos.upload("p1");
    expect(world.photos.delivered).toEqual([
      { packageName: captions, requestId: "p1", picture: jpegPicture, authToken: "t" },
    ]);
    await world.clock.advanceAsync(60_000);
    expect(world.photos.failures).toEqual([]);
    expect(await world.outcomes("delivered")).toBe(1);
  });

  test("with an address of the app's own goes there, and nothing more is expected of it", async () => {
    const { world, glasses, ask } = await stage();
    world.photos.way = "relay";
    ask("p1", { customWebhookUrl: "http://elsewhere.example/in" });
    expect(glasses.of("photo_request")[0]?.webhookUrl).toBe("http://elsewhere.example/in");
    await world.clock.advanceAsync(60_000);
    expect(world.photos.failures).toEqual([]);
    expect(world.photos.expected.size).toBe(0);
    expect(await world.outcomes("uploaded")).toBe(1);
  });

  test("that the glasses report in time is over; one of which nothing is heard fails after 25 s, before the SDK's 30 s", async () => {
    const { world, session, generation, ask } = await stage();
    ask("p1");
    session.receiveGlasses(generation, {
      type: "photo_response",
      requestId: "p1",
      success: true,
      photoUrl: "x",
    });
    ask("p2");
    await world.clock.advanceAsync(24_900);
    expect(world.photos.codes).toEqual([]);
    await world.clock.advanceAsync(200);
    expect(world.photos.codes).toEqual([["p2", "PHONE_TIMEOUT"]]);
    expect(world.photos.expected.size).toBe(0);
  });

  test("that comes after its time is dropped and counted", async () => {
    const { world, session, generation, ask } = await stage();
    world.photos.way = "relay";
    ask("p1");
    const late = world.photos.expected.get("p1");
    await world.clock.advanceAsync(25_100);
    late?.({ kind: "picture", picture: jpegPicture });
    session.receiveGlasses(generation, { type: "photo_response", requestId: "p1", photoUrl: "x" });
    expect(world.photos.delivered).toEqual([]);
    expect(await world.outcomes("late")).toBe(2);
    expect(world.photos.codes).toEqual([["p1", "PHONE_TIMEOUT"]]);
  });

  test("is asked for once, however often the app repeats the request", async () => {
    const { world, glasses, ask } = await stage();
    ask("p1");
    ask("p1");
    expect(asked(glasses)).toEqual(["p1"]);
    expect(world.photos.failures).toEqual([]);
    expect(await world.outcomes("repeated")).toBe(1);
  });

  test("under the id of another app's request is refused, and takes nothing from that", async () => {
    const { world, session, glasses, ask } = await stage();
    const second = await world.runApp(session, other);
    ask("p1");
    world.ask(session, second, "p1", {}, other);
    expect(world.photos.codes).toEqual([["p1", "DUPLICATE_REQUEST_ID"]]);
    expect(asked(glasses)).toEqual(["p1"]);
  });
});

describe("the glasses' report", () => {
  const shapes: [string, object, [string, string] | undefined][] = [
    ["a success", { success: true, photoUrl: "x" }, undefined],
    ["a picture's address without a word of success", { photoUrl: "x" }, undefined],
    [
      "an error as older phones nest it",
      { success: false, error: { code: "CAMERA_BUSY", message: "busy" } },
      ["CAMERA_BUSY", "busy"],
    ],
    [
      "an error as newer phones write it",
      { success: false, errorCode: "STORAGE_FULL", errorMessage: "full" },
      ["STORAGE_FULL", "full"],
    ],
    [
      "an error without a reason",
      { success: false },
      ["UNKNOWN_ERROR", "The glasses could not take the picture"],
    ],
    ["an error that does not say so", { errorCode: "UPLOAD_FAILED" }, ["UPLOAD_FAILED", expect.any(String)]],
    [
      "a success with empty fields",
      { success: true, photoUrl: "x", error: null, errorCode: null, errorMessage: null },
      undefined,
    ],
    ["nothing at all", {}, ["UNKNOWN_ERROR", expect.any(String)]],
  ];
  test.each(shapes)("%s is understood", async (_, shape, told) => {
    const { world, session, generation, ask } = await stage();
    ask("p1");
    session.receiveGlasses(generation, { type: "photo_response", requestId: "p1", ...shape });
    expect(world.photos.failures.map(({ failure }) => [failure.code, failure.message])).toEqual(
      told === undefined ? [] : [told],
    );
    await world.clock.advanceAsync(60_000);
    expect(world.photos.failures.length).toBe(told === undefined ? 0 : 1);
  });

  test("of success for a relayed picture frees the camera, but the picture itself is waited for", async () => {
    const { world, session, generation, glasses, ask } = await stage();
    world.photos.way = "relay";
    ask("p1");
    ask("p2");
    session.receiveGlasses(generation, { type: "photo_response", requestId: "p1", success: true });
    expect(asked(glasses)).toEqual(["p1", "p2"]);
    world.photos.upload("p1");
    expect(world.photos.delivered.length).toBe(1);
  });

  test("on a photo that nobody asked for is counted", async () => {
    const { world, session, generation } = await stage();
    session.receiveGlasses(generation, { type: "photo_response", requestId: "nobody", success: true });
    expect(await world.outcomes("late")).toBe(1);
  });
});

describe("a photo that cannot be", () => {
  const obstacles: [string, string, (stage: Awaited<ReturnType<typeof stageOf>>) => void][] = [
    ["PERMISSION_DENIED", "without the permission CAMERA", () => {}],
    [
      "PHONE_DISCONNECTED",
      "while the phone is away",
      ({ session, generation }) => session.glassesClosed(generation),
    ],
    [
      "PHONE_DISCONNECTED",
      "when the phone cannot be handed the request",
      ({ glasses }) => {
        glasses.blocked = true;
      },
    ],
    [
      "GLASSES_DISCONNECTED",
      "while the phone has lost its glasses",
      ({ session, generation }) =>
        session.receiveGlasses(generation, {
          type: "glasses_connection_state",
          modelName: "Mentra Live",
          status: "DISCONNECTED",
        }),
    ],
    [
      "NO_CAMERA",
      "with glasses that have no camera",
      ({ session, generation }) =>
        session.receiveGlasses(generation, {
          type: "glasses_connection_state",
          modelName: "Even Realities G1",
          status: "CONNECTED",
        }),
    ],
    [
      "NO_UPLOAD_URL",
      "for an app whose address is none",
      ({ world }) => world.records.set(captions, appRecord(captions, { publicUrl: "nowhere" })),
    ],
    ["UNKNOWN_APP", "for an app that is registered no more", ({ world }) => world.records.delete(captions)],
  ];

  async function stageOf(code: string) {
    const world = new PhotoWorld();
    const permissions = code === "PERMISSION_DENIED" ? ["MICROPHONE"] : ["CAMERA"];
    world.records.set(captions, appRecord(captions, { permissions }));
    const connected = await world.connect();
    return { world, app: await world.runApp(connected.session), ...connected };
  }

  test.each(obstacles)(
    "D-18, D-19: %s: %s, is refused at once by a POST, and the app's socket lives on",
    async (code, _, obstruct) => {
      const stage = await stageOf(code);
      const { world, session, app, glasses, generation } = stage;
      obstruct(stage);
      const before = app.sent.length;
      world.ask(session, app, "p1");
      // On the same turn of the loop: no time has passed.
      expect(world.photos.codes).toEqual([["p1", code]]);
      expect(asked(glasses)).toEqual([]);
      expect(app.sent.slice(before)).toEqual([]);
      expect(app.closed).toBeUndefined();
      // The next request works as soon as what was in its way is gone.
      world.records.set(captions, appRecord(captions, { permissions: ["CAMERA"] }));
      if (code === "PERMISSION_DENIED") return;
      let current = glasses;
      glasses.blocked = false;
      let currentGeneration = generation;
      if (code === "PHONE_DISCONNECTED" && !session.connected) {
        current = new FakeGlasses(world.clock);
        currentGeneration = session.attachGlasses(current);
      }
      session.receiveGlasses(currentGeneration, {
        type: "glasses_connection_state",
        modelName: "Mentra Live",
        status: "CONNECTED",
      });
      world.ask(session, app, "p2");
      expect(asked(current)).toEqual(["p2"]);
      expect(app.closed).toBeUndefined();
    },
  );

  test("F12: whatever is in its way, the refusal is counted by its code", async () => {
    const { world, session, app } = await stageOf("PERMISSION_DENIED");
    world.ask(session, app, "p1");
    const labels = { request: "photo", code: "PERMISSION_DENIED" };
    expect(await world.count("browline_app_requests_refused_total", labels)).toBe(1);
  });

  test("does not make the server busy: errors under way are bounded, and what is beyond is counted", async () => {
    const { world, session, app } = await stageOf("PERMISSION_DENIED");
    const { promise, resolve } = Promise.withResolvers<"delivered">();
    world.photos.outcome = () => promise;
    for (let i = 0; i < 20; i++) world.ask(session, app, `p${i}`);
    expect(world.photos.failures.length).toBe(16);
    expect(await world.outcomes("untold")).toBe(4);
    resolve("delivered");
    await world.clock.advanceAsync(0);
    world.ask(session, app, "again");
    expect(world.photos.codes.at(-1)?.[0]).toBe("again");
  });
});

describe("the camera", () => {
  test("takes one picture at a time, in the order of the requests", async () => {
    const { world, session, generation, glasses, ask } = await stage();
    const second = await world.runApp(session, other);
    ask("a1");
    world.ask(session, second, "b1", {}, other);
    ask("a2");
    expect(asked(glasses)).toEqual(["a1"]);
    const done = (requestId: string) =>
      session.receiveGlasses(generation, { type: "photo_response", requestId, success: true });
    done("a1");
    expect(asked(glasses)).toEqual(["a1", "b1"]);
    done("b1");
    expect(asked(glasses)).toEqual(["a1", "b1", "a2"]);
  });

  test("goes to the next when a picture fails", async () => {
    const { session, generation, glasses, ask } = await stage();
    ask("p1");
    ask("p2");
    session.receiveGlasses(generation, { type: "photo_response", requestId: "p1", success: false });
    expect(asked(glasses)).toEqual(["p1", "p2"]);
  });

  test("counts as free again after 8 s without a word: glasses that upload to the app need not report", async () => {
    const { world, glasses, ask } = await stage();
    ask("p1");
    ask("p2");
    await world.clock.advanceAsync(7_900);
    expect(asked(glasses)).toEqual(["p1"]);
    await world.clock.advanceAsync(200);
    expect(asked(glasses)).toEqual(["p1", "p2"]);
  });

  test("is refused to a fifth request of one app and to a ninth of all", async () => {
    const { world, session, ask } = await stage();
    for (let i = 1; i <= 5; i++) ask(`a${i}`);
    expect(world.photos.codes).toEqual([["a5", "CAMERA_BUSY"]]);
    const second = await world.runApp(session, other);
    for (let i = 1; i <= 4; i++) world.ask(session, second, `b${i}`, {}, other);
    world.records.set("com.example.third", appRecord("com.example.third"));
    const third = await world.runApp(session, "com.example.third");
    world.ask(session, third, "c1", {}, "com.example.third");
    expect(world.photos.codes).toEqual([
      ["a5", "CAMERA_BUSY"],
      ["c1", "CAMERA_BUSY"],
    ]);
  });

  test("that never gets to a request fails it 25 s after it was made", async () => {
    const { world, glasses, ask } = await stage();
    for (let i = 1; i <= 4; i++) ask(`p${i}`);
    await world.clock.advanceAsync(20_000);
    expect(asked(glasses)).toEqual(["p1", "p2", "p3"]);
    await world.clock.advanceAsync(5_100);
    expect(new Set(world.photos.codes.map(([id]) => id))).toEqual(new Set(["p1", "p2", "p3", "p4"]));
    expect(await world.outcomes("timed_out")).toBe(4);
    expect(world.photos.expected.size).toBe(0);
  });
});

describe("an app that", () => {
  test("is stopped takes its photos along: a picture that comes later is not handed on, and others move up", async () => {
    const { world, session, glasses, ask } = await stage();
    world.photos.way = "relay";
    const second = await world.runApp(session, other);
    ask("a1");
    world.ask(session, second, "b1", {}, other);
    const late = world.photos.expected.get("a1");
    session.apps.stop(captions);
    late?.({ kind: "picture", picture: jpegPicture });
    expect(world.photos.delivered).toEqual([]);
    expect(asked(glasses)).toEqual(["a1", "b1"]);
    expect(await world.outcomes("cancelled")).toBe(1);
  });

  test("D-20: loses its socket and comes back has its picture all the same", async () => {
    const { world, session, app, ask } = await stage();
    world.photos.way = "relay";
    ask("p1");
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(1_000);
    world.connectApp(session);
    world.photos.upload("p1");
    expect(world.photos.delivered).toMatchObject([{ requestId: "p1" }]);
  });

  test("D-20: is away while the picture comes has it handed to its server", async () => {
    const { world, session, app, ask } = await stage();
    world.photos.way = "relay";
    ask("p1");
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(2_000);
    world.photos.upload("p1");
    expect(world.photos.delivered).toMatchObject([{ requestId: "p1" }]);
  });

  test("is followed by a new process has its requests dropped: that one knows nothing of them", async () => {
    const { world, session, app, glasses, ask } = await stage();
    world.photos.way = "relay";
    ask("p1");
    ask("p2");
    const late = world.photos.expected.get("p1");
    session.apps.closed(captions, app.generation);
    await world.clock.advanceAsync(3_600);
    expect(world.webhooks.starts.length).toBe(2);
    const fresh = world.connectApp(session);
    late?.({ kind: "picture", picture: jpegPicture });
    expect(world.photos.delivered).toEqual([]);
    expect(await world.outcomes("orphaned")).toBe(2);
    world.ask(session, fresh, "p3");
    expect(asked(glasses)).toEqual(["p1", "p3"]);
  });
});

describe("glasses that drop while a picture is under way", () => {
  async function dropped(askedMsBefore: number) {
    const set = await stage();
    set.ask("p1");
    set.ask("p2");
    await set.world.clock.advanceAsync(askedMsBefore);
    set.session.glassesClosed(set.generation);
    const back = () => {
      const glasses = new FakeGlasses(set.world.clock);
      return { glasses, generation: set.session.attachGlasses(glasses) };
    };
    return { ...set, back };
  }

  test("are asked once more on their return, under the same id, if 10 s are left", async () => {
    const { world, session, back } = await dropped(1_000);
    await world.clock.advanceAsync(13_900);
    const first = back();
    expect(asked(first.glasses)).toEqual(["p1"]);
    expect(world.photos.codes).toEqual([]);
    session.receiveGlasses(first.generation, { type: "photo_response", requestId: "p1", success: true });
    expect(asked(first.glasses)).toEqual(["p1", "p2"]);
    expect(await world.outcomes("resent")).toBe(1);
  });

  test("and come back too late for it make it fail at once, and the next has its turn", async () => {
    const { world, back } = await dropped(1_000);
    await world.clock.advanceAsync(14_100);
    const { glasses } = back();
    expect(world.photos.codes).toEqual([["p1", "PHONE_DISCONNECTED"]]);
    expect(asked(glasses)).toEqual(["p2"]);
  });

  test("are not asked a third time", async () => {
    const { world, session, back } = await dropped(1_000);
    const first = back();
    await world.clock.advanceAsync(1_000);
    session.glassesClosed(first.generation);
    back();
    expect(world.photos.codes).toEqual([["p1", "PHONE_DISCONNECTED"]]);
  });

  test("and stay away fail everything by its time, with the reason", async () => {
    const { world } = await dropped(1_000);
    await world.clock.advanceAsync(24_100);
    expect(world.photos.codes).toEqual([
      ["p1", "PHONE_DISCONNECTED"],
      ["p2", "PHONE_DISCONNECTED"],
    ]);
  });

  test("after the camera was done are not made to take it again", async () => {
    const { world, back } = await dropped(8_100);
    const { glasses } = back();
    expect(asked(glasses)).toEqual(["p2"]);
    expect(world.photos.codes).toEqual([]);
  });

  test("and whose upload comes all the same have it handed on", async () => {
    const { world } = await dropped(1_000);
    world.photos.upload("p1");
    expect(world.photos.delivered).toMatchObject([{ requestId: "p1" }]);
  });
});

test("the end of a session leaves no photo, no address and no timer behind", async () => {
  const { world, session, ask } = await stage();
  ask("p1");
  ask("p2");
  await session.end();
  expect(world.photos.expected.size).toBe(0);
  await world.clock.advanceAsync(0);
  expect(world.clock.pending).toBe(0);
});

describe("the state of a photo", () => {
  const limits = { photoCameraMs: 8_000, resendLeastMs: 10_000 };
  const terms = { way: "relay", untilMs: 25_000 } as const;
  const sent: PhotoState = { name: "SENT", sends: 1, cameraUntilMs: 8_000 };
  const over: PhotoState[] = [
    { name: "UPLOADED" },
    { name: "FAILED" },
    { name: "TIMED_OUT" },
    { name: "CANCELLED" },
  ];
  const events: PhotoEvent[] = [
    { kind: "turn" },
    { kind: "undelivered" },
    { kind: "picture" },
    { kind: "uploaded" },
    { kind: "failure", failure: { code: "X", message: "x", hop: "glasses" } },
    { kind: "lost" },
    { kind: "returned" },
    { kind: "tick", glassesAway: false },
    { kind: "cancel" },
  ];

  test("is final once it is over: nothing changes it and nothing follows", () => {
    for (const state of over) {
      expect(photoWakeMs(state, terms, 0)).toBeUndefined();
      expect(holdsCamera(state, 0)).toBe(false);
      for (const event of events)
        expect(nextPhotoState(state, event, terms, 30_000, limits)).toEqual([state, []]);
    }
  });

  test("always ends by its time, whatever happened before", () => {
    for (const state of [
      { name: "REQUESTED" } as const,
      sent,
      { ...sent, cameraUntilMs: Number.POSITIVE_INFINITY },
    ]) {
      expect(photoWakeMs(state, terms, 24_000)).toBeLessThanOrEqual(25_000);
      for (const glassesAway of [false, true]) {
        const [next, actions] = nextPhotoState(state, { kind: "tick", glassesAway }, terms, 25_000, limits);
        expect(next.name).toBe("TIMED_OUT");
        expect(actions.map(({ kind }) => kind)).toEqual(["tell"]);
      }
    }
  });

  test("tells the app of every failure, and of none but once", () => {
    for (const event of events) {
      const [next, actions] = nextPhotoState(sent, event, terms, 1_000, limits);
      const told = actions.filter(({ kind }) => kind === "tell").length;
      expect(told).toBe(next.name === "FAILED" ? 1 : 0);
    }
  });

  test("tells nothing to an app that has named an address of its own", () => {
    const custom = { way: "custom", untilMs: 25_000 } as const;
    for (const event of events) {
      const [, actions] = nextPhotoState(sent, event, custom, 30_000, limits);
      expect(actions.some(({ kind }) => kind === "tell")).toBe(false);
    }
  });
});

test("the glasses are told whose photo it is by the app's key, not by what its request claims", async () => {
  const { world, session, app, glasses } = await stage();
  const message = { type: "photo_request", requestId: "p1", packageName: other } as const;
  session.apps.receive(captions, app.generation, message);
  expect(glasses.of("photo_request")[0]?.appId).toBe(captions);
  session.apps.stop(captions);
  expect(world.photos.expected.size).toBe(0);
});

describe("a phone that gives no sign of life", () => {
  test("fails the photo it was sent, and only then the next in line", async () => {
    const { world, glasses, ask } = await stage();
    ask("p1");
    ask("p2");
    expect(glasses.probes).toHaveLength(1);
    glasses.fallSilent();
    expect(world.photos.codes).toEqual([["p1", "PHONE_NOT_RESPONDING"]]);
    expect(asked(glasses)).toEqual(["p1", "p2"]);
    glasses.fallSilent();
    expect(world.photos.codes.slice(1)).toEqual([["p2", "PHONE_NOT_RESPONDING"]]);
  });

  test("that has answered in time is none", async () => {
    const { world, session, generation, glasses, ask } = await stage();
    ask("p1");
    session.receiveGlasses(generation, { type: "photo_response", requestId: "p1", success: true });
    glasses.fallSilent();
    expect(world.photos.codes).toEqual([]);
  });
});

test("a photo request that cannot be read is refused where the SDK waits, if its id can be read", async () => {
  const { world, session, app } = await stage();
  const bad = (request: object) =>
    session.apps.receiveBad(captions, app.generation, "photo_request", request, "/size: wrong");
  expect(bad({ requestId: "p1" })).toBe(true);
  expect(bad({ requestId: 7 })).toBe(false);
  expect(session.apps.receiveBad(captions, app.generation, "rgb_led_control", { requestId: "l1" }, "")).toBe(
    false,
  );
  expect(world.photos.codes).toEqual([["p1", "BAD_REQUEST"]]);
  expect(
    await world.count("browline_app_requests_refused_total", { request: "photo", code: "BAD_REQUEST" }),
  ).toBe(1);
});
