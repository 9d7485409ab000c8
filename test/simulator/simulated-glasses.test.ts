import { afterEach, describe, expect, test } from "bun:test";
import type { ServerWebSocket } from "bun";
import { GlassesRefused } from "../../src/simulator/glasses-refused.ts";
import { type GlassesOptions, SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { until } from "../support/until.ts";

/** As much of a server as glasses notice, which notes down everything that it gets. */
class FakeServer {
  readonly texts: { type: string; [field: string]: unknown }[] = [];
  readonly frames: { bytes: Uint8Array; atMs: number }[] = [];
  readonly configured: unknown[] = [];
  readonly authorizations: (string | null)[] = [];
  /** Set: every audio format is declined with this status. */
  declines: number | undefined;
  /** What `frames` held when the last format was configured. */
  framesBeforeConfigure = 0;
  #socket: ServerWebSocket<undefined> | undefined;
  readonly #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request, server) => {
      this.authorizations.push(request.headers.get("authorization"));
      const { pathname } = new URL(request.url);
      if (request.headers.get("authorization") !== "Bearer good") {
        return Response.json({ type: "connection_error", message: "Invalid core token" }, { status: 401 });
      }
      if (pathname === "/glasses-ws") {
        return server.upgrade(request) ? undefined : new Response("", { status: 426 });
      }
      this.framesBeforeConfigure = this.frames.length;
      this.configured.push(await request.json());
      return this.declines === undefined
        ? Response.json({ success: true })
        : new Response("no such codec here", { status: this.declines });
    },
    websocket: {
      open: (socket) => {
        this.#socket = socket;
        this.send({ type: "connection_ack", sessionId: "u", userSession: { activeAppSessions: [] } });
      },
      message: (_, message) => {
        if (typeof message !== "string") {
          this.frames.push({ bytes: new Uint8Array(message), atMs: performance.now() });
          return;
        }
        const parsed = JSON.parse(message);
        this.texts.push(parsed);
        if (parsed.type === "ping") this.send({ type: "pong" });
      },
    },
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  send(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }

  microphone(on: boolean): void {
    this.send({ type: "microphone_state_change", isMicrophoneEnabled: on, requiredData: on ? ["pcm"] : [] });
  }

  closeSocket(code: number, reason: string): void {
    this.#socket?.close(code, reason);
  }

  stop(): void {
    this.#server.stop(true);
  }
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

function start(options: Partial<GlassesOptions> = {}): { server: FakeServer; glasses: SimulatedGlasses } {
  const server = new FakeServer();
  closers.push(() => server.stop());
  const glasses = new SimulatedGlasses({ url: server.url, token: "good", ...options });
  closers.push(() => glasses.close());
  return { server, glasses };
}

const ramp = (length: number) => Int16Array.from({ length }, (_, i) => 1_000 + (i % 20_000));

function samplesOf(server: FakeServer): Int16Array {
  const bytes = Buffer.concat(server.frames.map((frame) => frame.bytes));
  return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2).slice();
}

describe("simulated glasses", () => {
  test("sign in with their token and are connected by the server's ack", async () => {
    const { server, glasses } = start();
    await glasses.connect();
    expect(glasses.connected).toBe(true);
    expect(server.authorizations).toEqual(["Bearer good"]);
    await until("the init", () => server.texts.some(({ type }) => type === "connection_init"));
  });

  test("say in the server's words why they were refused", async () => {
    const { glasses } = start({ token: "bad" });
    const refused = await glasses.connect().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(GlassesRefused);
    expect(refused).toMatchObject({ message: "Invalid core token", status: 401 });
  });

  test("say that nobody is there when nobody is", async () => {
    const { server, glasses } = start();
    const { url } = server;
    server.stop();
    const refused = await glasses.connect().catch((error: unknown) => error);
    expect(refused).toMatchObject({ message: `no server answers at ${url}` });
  });

  test("send no sound before the server wants it, and stop when it no longer does", async () => {
    const { server, glasses } = start({ background: "none" });
    await glasses.connect();
    const spoken = glasses.speak(ramp(1_600));
    await glasses.roundTrip();
    expect(server.frames).toHaveLength(0);
    server.microphone(true);
    await spoken;
    await glasses.roundTrip();
    expect(samplesOf(server)).toEqual(ramp(1_600));
    server.microphone(false);
    await glasses.until(() => !glasses.microphoneOn, "the microphone to be off");
    void glasses.speak(ramp(1_600)).catch(() => {});
    await glasses.roundTrip();
    expect(server.frames).toHaveLength(2);
  });

  test("send every sample once, in messages of 1600 bytes, with quiet noise around", async () => {
    const { server, glasses } = start();
    await glasses.connect();
    server.microphone(true);
    await until("some noise", () => server.frames.length >= 2);
    const speech = ramp(4_321);
    await glasses.speak(speech);
    const before = server.frames.length;
    await until("more noise", () => server.frames.length >= before + 3);
    expect(new Set(server.frames.map(({ bytes }) => bytes.length))).toEqual(new Set([1600]));
    const samples = samplesOf(server);
    const from = samples.findIndex((sample) => sample >= 1_000);
    expect(samples.slice(from, from + speech.length)).toEqual(speech);
    const noise = [...samples.slice(0, from), ...samples.slice(from + speech.length)];
    expect(Math.max(...noise.map(Math.abs))).toBeLessThanOrEqual(12);
    expect(new Set(noise).size).toBeGreaterThan(5);
  });

  test("never speak faster than real time", async () => {
    const { glasses, server } = start({ background: "none" });
    await glasses.connect();
    server.microphone(true);
    const begun = performance.now();
    await glasses.speak(ramp(16_000));
    // A message leaves when its sound is over. A timer may be a fraction of a millisecond early.
    expect(performance.now() - begun).toBeGreaterThan(995);
    expect(server.frames.length).toBeLessThanOrEqual(20);
  });

  test("change the codec when all that was sent before has arrived", async () => {
    const { server, glasses } = start();
    await glasses.connect();
    server.microphone(true);
    await until("noise as PCM", () => server.frames.length >= 2);
    await glasses.configureAudio({ codec: "lc3", frameBytes: 40 });
    expect(server.configured).toEqual([
      { format: "lc3", lc3Config: { sampleRate: 16_000, frameDurationMs: 10, frameSizeBytes: 40 } },
    ]);
    const pcmFrames = server.framesBeforeConfigure;
    await until("noise as LC3", () => server.frames.length >= pcmFrames + 3);
    const sizes = server.frames.map(({ bytes }) => bytes.length);
    expect(new Set(sizes.slice(0, pcmFrames))).toEqual(new Set([1600]));
    expect(new Set(sizes.slice(pcmFrames))).toEqual(new Set([80]));
  });

  test("keep the codec that the server did not want changed", async () => {
    const { server, glasses } = start();
    await glasses.connect();
    server.microphone(true);
    server.declines = 501;
    const declined = await glasses.configureAudio({ codec: "opus" }).catch((error: unknown) => error);
    expect(declined).toMatchObject({ status: 501, message: "the server declined opus: no such codec here" });
    const before = server.frames.length;
    await until("more noise", () => server.frames.length >= before + 2);
    expect(server.frames.at(-1)?.bytes).toHaveLength(1600);
  });

  test("stop a speech that is aborted, and go on with the next", async () => {
    const { server, glasses } = start({ background: "none" });
    await glasses.connect();
    server.microphone(true);
    const abort = new AbortController();
    const long = glasses.speak(ramp(160_000), abort.signal);
    const next = glasses.speak(ramp(800));
    await until("the first frames", () => server.frames.length >= 2);
    abort.abort(new Error("enough"));
    expect(await long.catch((error: unknown) => error)).toEqual(new Error("enough"));
    await next;
    expect(server.frames.length).toBeLessThan(100);
  });

  test("show what they are told to, by view", async () => {
    const shown: string[] = [];
    const { server, glasses } = start({ events: { onDisplay: ({ view }) => shown.push(view) } });
    await glasses.connect();
    server.send({ type: "display_event", view: "main", layout: { layoutType: "text_wall", text: "hello" } });
    server.send({
      type: "display_event",
      view: "dashboard",
      layout: { layoutType: "double_text_wall", topText: "12:00", bottomText: "85%" },
    });
    await glasses.until(() => glasses.display("dashboard") !== undefined, "the dashboard");
    expect(glasses.displayText()).toBe("hello");
    expect(glasses.displayText("dashboard")).toBe("12:00\n85%");
    expect(shown).toEqual(["main", "dashboard"]);
  });

  test("tell of buttons, head, battery and apps as phones do", async () => {
    const { server, glasses } = start();
    await glasses.connect();
    glasses.pressButton("long");
    glasses.moveHead("up");
    glasses.reportBattery(42, true);
    glasses.reportVoice(true);
    glasses.reportGlasses("Even Realities G1", "CONNECTED");
    glasses.startApp("com.example.one");
    glasses.stopApp("com.example.one");
    await glasses.roundTrip();
    expect(server.texts.map(({ timestamp, ...rest }) => rest)).toEqual([
      { type: "connection_init" },
      { type: "button_press", buttonId: "main", pressType: "long" },
      { type: "head_position", position: "up" },
      { type: "glasses_battery_update", level: 42, charging: true },
      { type: "VAD", status: true },
      { type: "glasses_connection_state", modelName: "Even Realities G1", status: "CONNECTED" },
      { type: "start_app", packageName: "com.example.one" },
      { type: "stop_app", packageName: "com.example.one" },
      { type: "ping" },
    ]);
  });

  test("know which apps run", async () => {
    const { server, glasses } = start();
    await glasses.connect();
    server.send({ type: "app_state_change", userSession: { activeAppSessions: ["a.b"], loadingApps: [] } });
    await glasses.until(() => glasses.runningApps.includes("a.b"), "the app");
  });

  test("answer the server's pings", async () => {
    const { server, glasses } = start();
    await glasses.connect();
    server.send({ type: "ping" });
    await until("the pong", () => server.texts.some(({ type }) => type === "pong"));
  });

  test("drop the connection and come back, silent until sound is wanted again", async () => {
    const closes: number[] = [];
    const { server, glasses } = start({ events: { onClose: (code) => closes.push(code) } });
    await glasses.connect();
    server.microphone(true);
    await until("sound", () => server.frames.length > 0);
    glasses.drop();
    expect([glasses.connected, glasses.microphoneOn]).toEqual([false, false]);
    await glasses.connect();
    expect(closes).toEqual([1006]);
    const before = server.frames.length;
    await glasses.roundTrip();
    expect(server.frames.length).toBe(before);
    server.microphone(true);
    await until("sound again", () => server.frames.length > before);
  });

  test("report how the server closed the socket", async () => {
    const closed = Promise.withResolvers<[number, string]>();
    const { server, glasses } = start({ events: { onClose: (...how) => closed.resolve(how) } });
    await glasses.connect();
    server.closeSocket(1012, "Service restart");
    expect(await closed.promise).toEqual([1012, "Service restart"]);
    expect(glasses.connected).toBe(false);
  });

  test("give up a speech when they are closed, and can be closed twice", async () => {
    const { server, glasses } = start();
    await glasses.connect();
    server.microphone(true);
    const spoken = glasses.speak(ramp(160_000));
    glasses.close();
    glasses.close();
    const problem = await spoken.catch((error: unknown) => error);
    expect(problem).toMatchObject({ message: "the glasses were closed while they spoke" });
  });
});
