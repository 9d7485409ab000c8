import { afterEach, beforeEach, expect, test } from "bun:test";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { ExpectedPhotos } from "../../src/gateway/expected-photos.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { PublicAddress } from "../../src/gateway/public-address.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { apiKey, captions, FakeWorld } from "../support/fake-world.ts";
import { opcodes, RawWebSocket } from "../support/raw-websocket.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { TestSocket } from "../support/test-socket.ts";
import { until } from "../support/until.ts";

const tokenSecret = "a secret that only tests know";
const rounds = 150;

let world: FakeWorld;
let gateway: Gateway;
const attackers: RawWebSocket[] = [];

beforeEach(() => {
  const config = { ...loadConfig({}), host: "127.0.0.1", port: 0 };
  const address = new PublicAddress(config);
  world = new FakeWorld();
  world.webhooks.answer = async () => ({ kind: "accepted" });
  gateway = new Gateway({
    config,
    clock: world.clock,
    log: createLog({ level: "silent", format: "json" }),
    metrics: world.metrics,
    sessions: world.storage,
    store: new MemoryStore(),
    tokenSecret,
    adminToken: "admin-token-of-the-tests",
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
});
afterEach(async () => {
  for (const attacker of attackers.splice(0)) attacker.destroy();
  const closing = gateway.close();
  await world.clock.advanceAsync(1_000);
  await closing;
});

async function connectGlasses(email: string): Promise<TestSocket> {
  const token = await mintCoreToken(tokenSecret, email);
  const glasses = await TestSocket.connect(`ws://127.0.0.1:${gateway.port}/glasses-ws?token=${token}`);
  await glasses.message("connection_ack");
  return glasses;
}

/** Starts the captions app of a user and connects it, as the SDK would. */
async function connectApp(email: string): Promise<TestSocket> {
  const session = world.storage.getSession(email);
  const starting = session?.apps.start(captions);
  const app = await TestSocket.connect(`ws://127.0.0.1:${gateway.port}/s/${world.nonce}/app-ws`);
  app.send(init(email));
  await app.message("tpa_connection_ack");
  expect(await starting).toEqual({ success: true });
  return app;
}

function init(email: string) {
  const sessionId = `${email}-${captions}`;
  return { type: "tpa_connection_init", sessionId, packageName: captions, apiKey };
}

/** The healthy pair still works: what the app draws arrives, and a button press reaches the app. */
async function expectServed(glasses: TestSocket, app: TestSocket, round: number): Promise<void> {
  const text = `round ${round}`;
  app.send({
    type: "display_event",
    packageName: captions,
    view: "main",
    layout: { layoutType: "text_wall", text },
  });
  glasses.send({ type: "button_press", buttonId: text, pressType: "short" });
  await until(`the press of ${text} at the app`, () => JSON.stringify(app.messages.at(-1)).includes(text));
  await until(`the display of ${text}`, async () => {
    await world.clock.advanceAsync(100);
    return glasses.messages.some(
      (message) => message.type === "display_event" && JSON.stringify(message["layout"]).includes(text),
    );
  });
}

const messageTypes = [
  ...["connection_init", "ping", "start_app", "stop_app", "VAD", "vad", "button_press", "head_position"],
  ...["touch_event", "glasses_battery_update", "location_update", "local_transcription", "nonsense"],
  ...["glasses_connection_state", "calendar_event", "phone_notification"],
  ...["tpa_connection_init", "subscription_update", "display_event", "ownership_release", "__proto__"],
];
const fieldNames = [
  ...["packageName", "sessionId", "apiKey", "subscriptions", "layout", "view", "status", "position", "text"],
  ...[
    "isFinal",
    "level",
    "charging",
    "lat",
    "lng",
    "buttonId",
    "pressType",
    "durationMs",
    "__proto__",
    "type",
  ],
];

function anyValue(random: SeededRandom, depth = 0): unknown {
  const kind = random.integer(0, depth > 3 ? 6 : 9);
  switch (kind) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick([0, -1, 1e308, -1e308, 0.1, 2 ** 53]);
    case 3:
      return random.pick([
        captions,
        "",
        "*",
        "transcription:en-US",
        "audio_chunk",
        "\u0000",
        "💥",
        "true",
        "up",
      ]);
    case 4:
      return "x".repeat(random.integer(0, 3_000));
    case 5:
      return {
        layoutType: random.pick(["text_wall", "bitmap_view", "clear_view", "?"]),
        text: "t",
        data: "Qk0=",
      };
    case 6:
      return random.next();
    case 7:
      return Array.from({ length: random.integer(0, 5) }, () => anyValue(random, depth + 1));
    default:
      return anyObject(random, depth + 1);
  }
}

function anyObject(random: SeededRandom, depth: number): Record<string, unknown> {
  const entries = Array.from({ length: random.integer(0, 8) }, () => [
    random.pick(fieldNames),
    anyValue(random, depth),
  ]);
  return Object.fromEntries(entries);
}

/** Messages that are right but for what is then put into them. */
function almostRight(random: SeededRandom): Record<string, unknown> {
  const packageName = random.pick([captions, "com.example.other"]);
  return random.pick<Record<string, unknown>>([
    { type: "subscription_update", packageName, subscriptions: [anyValue(random), "transcription:en-US"] },
    { type: "display_event", packageName, view: "main", layout: anyValue(random) },
    { type: "ownership_release", packageName, reason: "clean_shutdown" },
    { type: "start_app", packageName },
    { type: "stop_app", packageName },
    { type: "VAD", status: true },
    { type: "local_transcription", text: anyValue(random), isFinal: true },
    { type: "glasses_battery_update", level: anyValue(random), charging: false },
  ]);
}

function anyMessage(random: SeededRandom): string {
  const message = random.chance(0.5) ? almostRight(random) : { type: random.pick(messageTypes) };
  const text = JSON.stringify(random.chance(0.5) ? { ...anyObject(random, 0), ...message } : message);
  if (random.chance(0.2)) return text.slice(0, random.integer(0, text.length));
  return random.chance(0.05) ? "[".repeat(random.integer(1, 20_000)) : text;
}

/** Sends one thing that no good client would. */
function misbehave(random: SeededRandom, attacker: RawWebSocket): void {
  switch (random.integer(0, 9)) {
    case 0:
      attacker.send(opcodes.binary, random.bytes(random.integer(0, 4_000)));
      return;
    case 1:
      attacker.send(opcodes.binary, new Uint8Array(random.integer(60_000, 200_000)));
      return;
    case 2:
      attacker.send(opcodes.text, random.bytes(random.integer(0, 200)));
      return;
    case 3:
      attacker.send(random.integer(0, 15), random.bytes(random.integer(0, 200)));
      return;
    case 4:
      attacker.send(opcodes.text, JSON.stringify({ type: "ping", filler: "x".repeat(70_000) }));
      return;
    case 5:
      if (random.chance(0.2)) attacker.write(random.bytes(random.integer(1, 500)));
      else attacker.send(opcodes.pong, random.bytes(random.integer(0, 125)));
      return;
    default:
      attacker.send(opcodes.text, anyMessage(random));
  }
}

/** One more bad client: a stranger, bad glasses with a good token, or a bad app with a good key. */
async function attack(random: SeededRandom): Promise<void> {
  const email = random.pick(["mallory@example.com", "eve@example.com"]);
  const token = await mintCoreToken(tokenSecret, email);
  const session = world.storage.getSession(email);
  const asApp = session !== undefined && random.chance(0.4);
  if (asApp) void session.apps.start(captions);
  const path = asApp
    ? `/s/${world.nonce}/app-ws`
    : random.pick([
        ...[`/glasses-ws?token=${token}`, `/ws/client?token=${token}`, `/glasses-ws?token=${token}x`],
        ...["/app-ws", "/glasses-ws", "/app-ws/../x", "/s//app-ws", "/%ff"],
      ]);
  const headers: Record<string, string> = random.chance(0.1) ? { authorization: "Bearer nonsense" } : {};
  const attacker = await RawWebSocket.connect(gateway.port, path, headers);
  attackers.push(attacker);
  if (asApp || random.chance(0.3)) attacker.send(opcodes.text, JSON.stringify(init(email)));
  for (let i = random.integer(0, 12); i > 0; i--) misbehave(random, attacker);
  if (random.chance(0.3)) attacker.destroy();
}

/** Everything that is counted below, from one pair of glasses, their app and a stranger. */
async function doEachCountedThing(): Promise<void> {
  const email = "trent@example.com";
  const glasses = await connectGlasses(email);
  const app = await connectApp(email);
  for (const socket of [glasses, app]) {
    socket.send("{");
    socket.send({ type: "nonsense" });
    socket.send(JSON.stringify({ type: "ping", filler: "x".repeat(70_000) }));
  }
  glasses.send({ type: "start_app", packageName: 1 });
  app.send({ type: "display_event", packageName: captions, view: "main", layout: null });
  app.send(new Uint8Array(10));
  attackers.push(await RawWebSocket.connect(gateway.port, "/glasses-ws?token=x"));
  await glasses.roundTrip();
  const forged = () => world.count("browline_messages_rejected_total", { reason: "forged" });
  const before = await forged();
  app.send({ type: "subscription_update", packageName: "com.example.other", subscriptions: [] });
  await until("the forged message, the app's last", async () => (await forged()) > before);
}

test("whatever comes over either socket, the server stands, serves its good clients and counts", async () => {
  const random = seededRandom("both sockets");
  const glasses = await connectGlasses("good@example.com");
  const app = await connectApp("good@example.com");
  app.send({ type: "subscription_update", packageName: captions, subscriptions: ["button_press"] });
  for (let round = 0; round < rounds; round++) {
    await attack(random);
    if (round % 10 === 0) await expectServed(glasses, app, round);
  }
  // Chance may have left a kind out, so that each is done once more for certain.
  await doEachCountedThing();
  for (const attacker of attackers.slice(-5)) attacker.destroy();
  await expectServed(glasses, app, rounds);
  expect([glasses.isOpen, app.isOpen]).toEqual([true, true]);
  for (const side of ["glasses", "app"]) {
    for (const reason of ["malformed", "unknown", "invalid"]) {
      const labels = { side, reason };
      const count = await world.count("browline_messages_rejected_total", labels);
      expect({ ...labels, counted: count > 0 }).toEqual({ ...labels, counted: true });
    }
  }
  for (const reason of ["oversized", "binary", "forged"]) {
    expect(await world.count("browline_messages_rejected_total", { reason })).toBeGreaterThan(0);
  }
  expect(await world.count("browline_upgrades_refused_total")).toBeGreaterThan(0);
  // Nothing that a client sends may so much as need to be contained.
  expect(await world.count("browline_errors_total")).toBe(0);
});

test("a frame over the maximum ends its own socket and no other", async () => {
  const glasses = await connectGlasses("good@example.com");
  const token = await mintCoreToken(tokenSecret, "mallory@example.com");
  const attacker = await RawWebSocket.connect(gateway.port, `/glasses-ws?token=${token}`);
  attackers.push(attacker);
  const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]);
  attacker.write(header);
  await until("the end", () => attacker.ended);
  await glasses.roundTrip();
  expect(world.storage.getSession("good@example.com")?.state).toBe("ACTIVE");
});
