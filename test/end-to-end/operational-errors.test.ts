import { afterEach, describe, expect, test } from "bun:test";
import { ExpectedPhotos } from "../../src/gateway/expected-photos.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { PublicAddress } from "../../src/gateway/public-address.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { limits } from "../../src/kernel/limits.ts";
import { createLog } from "../../src/kernel/log.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { ToGlasses } from "../../src/wire/glasses.ts";
import { apiKey, appRecord, captions, FakeGlasses, FakeWorld } from "../support/fake-world.ts";
import { type ReceivedMessage, TestSocket } from "../support/test-socket.ts";

const userId = "user@example.com";
const sessionId = `${userId}-${captions}`;

/** One thing that a request needs and does not find. */
type Condition =
  | "all well"
  | "no permission"
  | "phone away"
  | "glasses lost"
  | "bare glasses"
  | "bad payload"
  | "queue full";

/**
 * A code by which a request is refused, which has a hop; that it reached the phone, or was done here; or that nobody was
 * told anything.
 */
type Outcome = keyof typeof hops | `later ${keyof typeof hops}` | "sent" | "done" | "silence";

/** Where on its way a request got stuck that is refused with this code. */
const hops = {
  BAD_REQUEST: "app",
  BAD_LAYOUT: "app",
  NOT_IN_ROOM: "app",
  PERMISSION_DENIED: "server",
  NOT_SERVED: "server",
  TOO_MANY_REQUESTS: "server",
  RATE_LIMITED: "server",
  USER_NOT_ACTIVE: "server",
  PHONE_DISCONNECTED: "phone",
  PHONE_NOT_CONNECTED: "phone",
  GLASSES_DISCONNECTED: "glasses",
  GLASSES_NOT_CONNECTED: "glasses",
  NO_CAMERA: "glasses",
  HARDWARE_MISSING: "glasses",
  CAMERA_BUSY: "glasses",
} as const;

interface Row {
  /** A good request. `id`: under which the app would wait for the answer. */
  readonly request: (id: string) => Record<string, unknown>;
  /** What makes it a bad one. */
  readonly bad: Record<string, unknown>;
  /** What the phone is sent for it. */
  readonly order?: ToGlasses["type"];
  readonly outcomes: Readonly<Record<Condition, Outcome>>;
  /** What becomes of the request once everything is well again, where that is another thing. */
  readonly again?: Outcome;
}

const text = { layoutType: "text_wall", text: "hello" };

const rows: Readonly<Record<string, Row>> = {
  photo_request: {
    request: (requestId) => ({ type: "photo_request", requestId }),
    bad: { size: 7 },
    order: "photo_request",
    outcomes: {
      "all well": "sent",
      "no permission": "PERMISSION_DENIED",
      "phone away": "PHONE_DISCONNECTED",
      "glasses lost": "GLASSES_DISCONNECTED",
      "bare glasses": "NO_CAMERA",
      "bad payload": "BAD_REQUEST",
      "queue full": "CAMERA_BUSY",
    },
  },
  location_poll_request: {
    request: (correlationId) => ({ type: "location_poll_request", correlationId, accuracy: "high" }),
    bad: { correlationId: 7 },
    order: "request_single_location",
    outcomes: {
      "all well": "sent",
      "no permission": "PERMISSION_DENIED",
      // The one request that waits for the phone: nothing that the SDK hears would end its own wait of 15 s.
      "phone away": "later PHONE_NOT_CONNECTED",
      "glasses lost": "sent",
      "bare glasses": "sent",
      "bad payload": "BAD_REQUEST",
      "queue full": "TOO_MANY_REQUESTS",
    },
  },
  audio_play_request: {
    request: (requestId) => ({
      type: "audio_play_request",
      requestId,
      audioUrl: "https://example.com/a.mp3",
      stopOtherAudio: true,
    }),
    bad: { audioUrl: "" },
    order: "audio_play_request",
    outcomes: {
      "all well": "sent",
      "no permission": "sent",
      "phone away": "PHONE_NOT_CONNECTED",
      "glasses lost": "sent",
      "bare glasses": "sent",
      "bad payload": "BAD_REQUEST",
      "queue full": "TOO_MANY_REQUESTS",
    },
  },
  rgb_led_control: {
    request: (requestId) => ({ type: "rgb_led_control", requestId, action: "on", color: "red" }),
    bad: { action: "blink" },
    order: "rgb_led_control",
    outcomes: {
      "all well": "sent",
      "no permission": "sent",
      "phone away": "PHONE_NOT_CONNECTED",
      "glasses lost": "GLASSES_NOT_CONNECTED",
      "bare glasses": "HARDWARE_MISSING",
      "bad payload": "BAD_REQUEST",
      "queue full": "sent",
    },
  },
  request_wifi_setup: {
    request: () => ({ type: "request_wifi_setup", reason: "to upload" }),
    bad: { reason: 7 },
    order: "show_wifi_setup",
    outcomes: {
      "all well": "sent",
      "no permission": "sent",
      "phone away": "PHONE_NOT_CONNECTED",
      "glasses lost": "GLASSES_NOT_CONNECTED",
      "bare glasses": "HARDWARE_MISSING",
      "bad payload": "BAD_REQUEST",
      "queue full": "sent",
    },
  },
  rtmp_stream_request: {
    request: () => ({ type: "rtmp_stream_request", rtmpUrl: "rtmp://example.com/live" }),
    bad: { rtmpUrl: 7 },
    outcomes: {
      ...everywhere("NOT_SERVED"),
      "no permission": "PERMISSION_DENIED",
      "bad payload": "BAD_REQUEST",
    },
  },
  managed_stream_request: {
    request: () => ({ type: "managed_stream_request" }),
    bad: {},
    outcomes: { ...everywhere("NOT_SERVED"), "no permission": "PERMISSION_DENIED" },
  },
  "subscription_update with a translation": {
    request: () => ({ type: "subscription_update", subscriptions: ["translation:fr-FR-to-en-US"] }),
    bad: { subscriptions: "all" },
    // Said once a connection: the SDK sends its whole list with every change.
    outcomes: {
      ...everywhere("NOT_SERVED"),
      "no permission": "PERMISSION_DENIED",
      "bad payload": "BAD_REQUEST",
      "queue full": "done",
    },
    again: "done",
  },
  "subscription_update with speech": {
    request: () => ({ type: "subscription_update", subscriptions: ["transcription:en-US", "button_press"] }),
    bad: { subscriptions: [{ rate: "high" }] },
    outcomes: { ...everywhere("done"), "no permission": "PERMISSION_DENIED", "bad payload": "BAD_REQUEST" },
  },
  display_event: {
    request: () => ({ type: "display_event", view: "main", layout: text }),
    bad: { layout: { layoutType: "hologram" } },
    outcomes: { ...everywhere("done"), "bad payload": "BAD_LAYOUT" },
  },
  dashboard_mode_change: {
    request: () => ({ type: "dashboard_mode_change", mode: "expanded" }),
    bad: { mode: "sideways" },
    outcomes: { ...everywhere("PERMISSION_DENIED"), "bad payload": "BAD_REQUEST" },
  },
  dashboard_content_update: {
    request: () => ({ type: "dashboard_content_update", content: "hello", modes: ["main"] }),
    bad: { modes: "main" },
    outcomes: { ...everywhere("done"), "bad payload": "BAD_REQUEST" },
  },
  audio_stop_request: {
    request: () => ({ type: "audio_stop_request" }),
    bad: { trackId: "first" },
    order: "audio_stop_request",
    outcomes: {
      ...everywhere("sent"),
      // Nobody waits for it, and what is not played need not be stopped.
      "phone away": "silence",
      "bad payload": "BAD_REQUEST",
    },
  },
  stream_status_check: {
    request: () => ({ type: "stream_status_check" }),
    bad: {},
    outcomes: everywhere("done"),
  },
  app_broadcast_message: {
    request: (messageId) => ({ type: "app_broadcast_message", messageId, payload: "hello" }),
    bad: { messageId: 7 },
    outcomes: { ...everywhere("done"), "bad payload": "BAD_REQUEST", "queue full": "RATE_LIMITED" },
  },
  app_room_join: {
    request: (roomId) => ({ type: "app_room_join", roomId }),
    bad: { roomConfig: { maxUsers: 0 } },
    outcomes: { ...everywhere("done"), "bad payload": "BAD_REQUEST", "queue full": "RATE_LIMITED" },
  },
  app_room_leave: {
    request: (roomId) => ({ type: "app_room_leave", roomId }),
    bad: { roomId: 7 },
    outcomes: { ...everywhere("NOT_IN_ROOM"), "bad payload": "BAD_REQUEST", "queue full": "RATE_LIMITED" },
  },
  app_direct_message: {
    request: (messageId) => ({
      type: "app_direct_message",
      messageId,
      targetUserId: "nobody@example.com",
      payload: "hello",
    }),
    bad: { targetUserId: 7 },
    outcomes: {
      ...everywhere("USER_NOT_ACTIVE"),
      "bad payload": "BAD_REQUEST",
      "queue full": "RATE_LIMITED",
    },
  },
};

const conditions: readonly Condition[] = [
  "all well",
  "no permission",
  "phone away",
  "glasses lost",
  "bare glasses",
  "bad payload",
  "queue full",
];

function everywhere(outcome: Outcome): Readonly<Record<Condition, Outcome>> {
  return {
    "all well": outcome,
    "no permission": outcome,
    "phone away": outcome,
    "glasses lost": outcome,
    "bare glasses": outcome,
    "bad payload": outcome,
    "queue full": outcome,
  };
}

/** A real gateway and a real app socket, before a session whose time and phone are in the test's hands. */
class Scene {
  readonly world = new FakeWorld();
  readonly session: UserSession;
  readonly app: TestSocket;
  glasses: FakeGlasses;
  readonly #gateway: Gateway;
  #generation: number;

  private constructor(
    world: FakeWorld,
    gateway: Gateway,
    app: TestSocket,
    connected: { session: UserSession; glasses: FakeGlasses; generation: number },
  ) {
    this.world = world;
    this.#gateway = gateway;
    this.app = app;
    this.session = connected.session;
    this.glasses = connected.glasses;
    this.#generation = connected.generation;
  }

  static async open(permissions: readonly string[] = ["ALL"]): Promise<Scene> {
    const world = new FakeWorld();
    world.records.set(captions, appRecord(captions, { permissions: [...permissions] }));
    world.webhooks.answer = async () => ({ kind: "accepted" });
    const gateway = openGateway(world);
    const connected = await world.connect(userId);
    const started = connected.session.apps.start(captions);
    const app = await TestSocket.connect(`ws://127.0.0.1:${gateway.port}/s/${world.nonce}/app-ws`);
    app.send({ type: "tpa_connection_init", sessionId, packageName: captions, apiKey });
    await app.message("tpa_connection_ack");
    await started;
    const scene = new Scene(world, gateway, app, connected);
    scene.wear("Mentra Live");
    await scene.answersOf(() => {});
    return scene;
  }

  /** The phone reports its glasses. */
  wear(modelName: string, status = "CONNECTED"): void {
    this.session.receiveGlasses(this.#generation, { type: "glasses_connection_state", modelName, status });
  }

  async breakIt(condition: Condition, row: Row): Promise<void> {
    if (condition === "phone away") this.session.glassesClosed(this.#generation);
    if (condition === "glasses lost") this.wear("Mentra Live", "DISCONNECTED");
    if (condition === "bare glasses") this.wear("Even Realities G1");
    if (condition === "queue full") {
      for (let i = 0; i < limits.ledOrders + 1; i++) this.app.send({ ...row.request(`filler ${i}`) });
      await this.answersOf(() => {});
    }
  }

  /** Puts right what can be put right while the app runs. */
  repair(condition: Condition): void {
    if (condition === "phone away") {
      this.glasses = new FakeGlasses(this.world.clock);
      this.#generation = this.session.attachGlasses(this.glasses);
    }
    if (condition === "glasses lost" || condition === "bare glasses") this.wear("Mentra Live");
  }

  /** What the app is told in answer to what `run` sends, before the answer to a question asked right after that. */
  async answersOf(run: () => void): Promise<ReceivedMessage[]> {
    const before = this.app.messages.length;
    run();
    this.app.send({ type: "stream_status_check" });
    await this.app.message("stream_status_check_response", before);
    return this.app.messages.slice(before).filter(({ type }) => type !== "stream_status_check_response");
  }

  /** Sends a request and says what becomes of it without any time passing. */
  async outcomeOf(row: Row, request: Record<string, unknown>): Promise<string> {
    const orders = this.#ordersOf(row);
    const photos = this.world.photos.failures.length;
    const atMs = this.world.clock.now();
    const answers = await this.answersOf(() => this.app.send(request));
    expect(this.world.clock.now()).toBe(atMs);
    const [photo] = this.world.photos.failures.slice(photos);
    for (const refusal of photo === undefined ? answers.flatMap(refusalOf) : [photo.failure]) {
      expect(refusal).toMatchObject({ hop: hops[refusal.code as keyof typeof hops] });
      return refusal.code;
    }
    if (this.#ordersOf(row) > orders) return "sent";
    return row.order === undefined ? "done" : "silence";
  }

  async close(): Promise<void> {
    this.app.close();
    const closing = this.#gateway.close();
    await this.world.clock.advanceAsync(1_000);
    await closing;
    await this.world.storage.closeAll();
  }

  #ordersOf({ order }: Row): number {
    return order === undefined ? 0 : this.glasses.of(order).length;
  }
}

/** Why an answer refuses what it answers, if it does. */
function refusalOf({ code, hop }: ReceivedMessage): { readonly code: string; readonly hop: unknown }[] {
  return code === undefined ? [] : [{ code: String(code), hop }];
}

const codeOf = (answer: ReceivedMessage) => refusalOf(answer)[0]?.code;

function openGateway(world: FakeWorld): Gateway {
  const config = { ...loadConfig({}), host: "127.0.0.1", port: 0 };
  const address = new PublicAddress(config);
  const tokenSecret = "a secret that only tests know";
  return new Gateway({
    config,
    clock: world.clock,
    log: createLog({ level: "silent", format: "json" }),
    metrics: world.metrics,
    sessions: world.storage,
    store: new MemoryStore(),
    tokenSecret,
    adminToken: "the admin token of the tests",
    webhooks: world.webhooks,
    voice: { speak: async () => ({ kind: "failed", detail: "no voice" }) },
    address,
    photos: new ExpectedPhotos(world.clock, address, tokenSecret),
    health: () => ({
      speech: { available: true, detail: "", providers: [], unserved: 0 },
      codecs: ["pcm"],
      degraded: [],
    }),
  });
}

describe("D-18: a request that cannot be served is answered at once with a code, and costs no socket", () => {
  let scene: Scene;

  afterEach(() => scene.close());

  const cells = Object.entries(rows).flatMap(([name, row]) =>
    conditions.map((condition): [string, Condition, Outcome, Row] => [
      name,
      condition,
      row.outcomes[condition],
      row,
    ]),
  );

  test.each(cells)("%s, %s: %s", async (_name, condition, expected, row) => {
    scene = await Scene.open(condition === "no permission" ? [] : ["ALL"]);
    await scene.breakIt(condition, row);
    const request = { ...row.request("the one"), ...(condition === "bad payload" ? row.bad : {}) };
    const outcome = await scene.outcomeOf(row, request);
    if (expected.startsWith("later ")) {
      expect(outcome).toBe("silence");
      const later = scene.app.messages.length;
      await scene.world.clock.advanceAsync(15_000);
      await scene.answersOf(() => {});
      expect(scene.app.messages.slice(later).map(codeOf)).toContain(expected.slice("later ".length));
    } else {
      expect(outcome).toBe(expected);
    }
    expect(scene.app.isOpen).toBe(true);

    // What was missing is there again: the same app, on the same socket, asks once more and is served.
    if (condition === "all well" || condition === "no permission" || condition === "queue full") return;
    scene.repair(condition);
    const served =
      condition === "bad payload" ? row.outcomes["all well"] : (row.again ?? row.outcomes["all well"]);
    expect(await scene.outcomeOf(row, row.request("another"))).toBe(served);
    expect(scene.app.isOpen).toBe(true);
  });

  test("a photo request that cannot be read is refused where the SDK waits for it, and nowhere else", async () => {
    scene = await Scene.open();
    const { app, world } = scene;
    const answers = await scene.answersOf(() => {
      app.send({ type: "photo_request", requestId: "p1", size: 7 });
    });
    expect(answers).toEqual([]);
    expect(world.photos.codes).toEqual([["p1", "BAD_REQUEST"]]);
    const unnamed = await scene.answersOf(() => app.send({ type: "photo_request", requestId: 7 }));
    expect(unnamed.map(codeOf)).toEqual(["BAD_REQUEST"]);
  });

  test("what is no message at all is counted, answered by nothing, and does no harm either", async () => {
    scene = await Scene.open();
    const { app } = scene;
    const answers = await scene.answersOf(() => {
      for (const frame of ["", "{", "[]", '"text"', '{"type":7}', '{"type":"no_such_type"}']) app.send(frame);
    });
    expect(answers).toEqual([]);
    expect(app.isOpen).toBe(true);
    expect(await scene.world.count("browline_messages_rejected_total", { side: "app" })).toBe(6);
  });
});

describe("what no other try on a socket can mend", () => {
  const inits = [
    ["a wrong key", { sessionId, packageName: captions, apiKey: "wrong" }],
    ["no such session", { sessionId: `nobody@example.com-${captions}`, packageName: captions, apiKey }],
    ["an app that nobody has started", { sessionId: `${userId}-com.idle`, packageName: "com.idle", apiKey }],
  ] as const;

  test.each(inits)("%s is answered and closes with 1008", async (_what, init) => {
    const world = new FakeWorld();
    world.records.set("com.idle", appRecord("com.idle"));
    const gateway = openGateway(world);
    const { session } = await world.connect(userId);
    void session.apps.start(captions);
    const app = await TestSocket.connect(`ws://127.0.0.1:${gateway.port}/app-ws`);
    app.send({ type: "tpa_connection_init", ...init });
    const { code } = await app.closed;
    expect(code).toBe(1008);
    expect(app.messages.map(({ type }) => type)).toEqual(["tpa_connection_error"]);
    const closing = gateway.close();
    await world.clock.advanceAsync(1_000);
    await closing;
    await world.storage.closeAll();
  });
});
