import { describe, expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import {
  AppCircuit,
  type CircuitCall,
  type CircuitState,
  nextCircuit,
} from "../../src/session/app-circuit.ts";
import type { WebhookOutcome } from "../../src/session/ports.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";
import { appRecord, captions, type FakeApp, FakeGlasses, FakeWorld } from "../support/fake-world.ts";

const unreachable: WebhookOutcome = { kind: "unreachable", detail: "refused" };
const accepted: WebhookOutcome = { kind: "accepted" };
const minuteMs = 60_000;

/**
 * The server of the captions app: while it is up it answers webhooks by connecting, as the SDK does, and hears what its
 * app heard before; while it is down nobody answers.
 */
class AppHost {
  up = true;
  readonly world: FakeWorld;
  /** Times of the webhooks that came. */
  readonly webhooksAtMs: number[] = [];
  readonly #sockets = new Map<UserSession, FakeApp>();

  constructor(world: FakeWorld) {
    this.world = world;
    world.webhooks.healthy = () => this.up;
    world.webhooks.answer = async (request) => {
      this.webhooksAtMs.push(world.clock.now());
      if (!this.up) return unreachable;
      const session = world.storage.getSession(request.userId);
      const nonce = request.mentraOSWebsocketUrl.split("/").at(-2);
      if (session !== undefined) this.connect(session, nonce);
      return accepted;
    };
  }

  /** Everything that ran on it is gone at once. */
  crash(...sessions: UserSession[]): void {
    this.up = false;
    for (const session of sessions) this.lose(session);
  }

  lose(session: UserSession): void {
    const socket = this.#sockets.get(session);
    if (socket !== undefined) session.apps.closed(captions, socket.generation);
  }

  connect(session: UserSession, nonce: string | undefined): void {
    const socket = this.world.connectApp(session, captions, nonce);
    this.#sockets.set(session, socket);
    this.world.subscribe(session, socket, captions, "button_press");
  }
}

/** A world with that server and users who run its app. */
async function running(users: number) {
  const world = new FakeWorld({ BROWLINE_SESSION_GRACE_MS: "600000" });
  const host = new AppHost(world);
  const connected = [];
  for (let i = 0; i < users; i++) {
    const user = await world.connect(`user${i}@example.com`);
    await user.session.apps.start(captions);
    connected.push(user);
  }
  return { world, host, users: connected, sessions: connected.map(({ session }) => session) };
}

/** The apps that the phone was told have stopped. */
const stoppedOn = (glasses: FakeGlasses) =>
  glasses.sent.flatMap(({ message }) => (message.type === "app_stopped" ? [message.packageName] : []));

const runs = (session: UserSession) => session.apps.inState("RUNNING").includes(captions);

describe("what is known of a server", () => {
  const trouble = { downSinceMs: 0, trials: 0, nextTrialMs: 0 };
  const open: CircuitState = { name: "open", nextProbeMs: 2_000, ...trouble };
  const trying: CircuitState = { name: "trying", ...trouble };
  const alive = { kind: "alive" } as const;
  const failed = { kind: "failed" } as const;
  const probed = (answers: boolean) => ({ kind: "probed", answers }) as const;

  test.each([
    ["one that fails is down", { name: "closed" }, failed, 0, open],
    ["one that is called out of turn keeps its timetable", open, failed, 1_000, open],
    [
      "one that does not answer its probe is probed again 2 s later",
      open,
      probed(false),
      2_000,
      { nextProbeMs: 4_000 },
    ],
    [
      "a minute later, once a deployment would be over",
      open,
      probed(false),
      240_000,
      { nextProbeMs: 300_000 },
    ],
    ["and an hour later after ten more minutes", open, probed(false), 840_000, { nextProbeMs: 4_440_000 }],
    ["one that answers its probe is tried", open, probed(true), 2_000, trying],
    [
      "one that was tried in vain is tried again 2 s later",
      trying,
      failed,
      2_000,
      { trials: 1, nextTrialMs: 4_000 },
    ],
    ["then less often", { ...trying, trials: 3 }, failed, 20_000, { trials: 4, nextTrialMs: 36_000 }],
    ["then once a minute", { ...trying, trials: 9 }, failed, 100_000, { nextTrialMs: 160_000 }],
    ["then once an hour", { ...trying, trials: 20 }, failed, 700_000, { nextTrialMs: 4_300_000 }],
    [
      "one that answers its probe too soon after that is left in peace",
      { ...open, nextTrialMs: 9_000 },
      probed(true),
      4_000,
      { name: "open" },
    ],
    ["one that was tried with success is up", trying, alive, 2_000, { name: "closed" }],
    ["one that shows itself is up", open, alive, 1_000, { name: "closed" }],
  ] as const)("%s", (_name, state, event, nowMs, next) => {
    expect(nextCircuit(state, event, nowMs, limits)).toMatchObject(next);
  });
});

describe("a server of apps that is down", () => {
  test.each([3, 8, 15, 25, 60, 120, 200])(
    "D-12: an app whose server is away for %i s is back within 3 s of it, without anybody doing anything",
    async (seconds) => {
      const { world, host, sessions } = await running(1);
      const [session] = sessions;
      if (session === undefined) throw new Error("no session");
      host.crash(session);
      await world.clock.advanceAsync(seconds * 1_000);
      expect(runs(session)).toBe(false);
      host.up = true;
      // Up to then the SDK dials by itself, so nothing is sent before.
      const backMs = Math.max(3_000, world.limits.appNudgeMs - seconds * 1_000);
      await world.clock.advanceAsync(backMs);
      expect(runs(session)).toBe(true);
      const heard = session.apps.subscriptions.match("button_press");
      expect(heard.map(({ packageName }) => packageName)).toEqual([captions]);
    },
  );

  test("D-14: costs a bounded number of webhooks, however many users there are and however often they return", async () => {
    const { world, host, users } = await running(10);
    host.crash(...users.map(({ session }) => session));
    const glasses = new Map(users.map((user) => [user.session, user]));
    host.webhooksAtMs.length = 0;
    for (let reconnect = 0; reconnect < 50; reconnect++) {
      for (const { session, generation } of glasses.values()) {
        session.glassesClosed(generation);
        await settle();
        const next = new FakeGlasses(world.clock);
        glasses.set(session, { session, glasses: next, generation: session.attachGlasses(next) });
      }
      await world.clock.advanceAsync(72_000);
    }
    // An hour has passed, in 500 returns.
    expect(host.webhooksAtMs.length).toBeLessThanOrEqual(world.limits.circuitCalls);
    const { probeOftenForMs, probeOftenMs, probeSometimesForMs, probeSometimesMs } = world.limits;
    const most = probeOftenForMs / probeOftenMs + probeSometimesForMs / probeSometimesMs + 2;
    expect(world.webhooks.probes.length).toBeLessThanOrEqual(most);
  });

  test("D-14: new logins of a user who wants its app cost nothing while it is known to be down", async () => {
    const { world, host, sessions } = await running(1);
    const [session] = sessions;
    if (session === undefined) throw new Error("no session");
    host.crash(session);
    await world.clock.advanceAsync(30_000);
    const webhooks = host.webhooksAtMs.length;
    for (let login = 0; login < 20; login++) {
      await world.storage.getSession("user0@example.com")?.end();
      const { glasses } = await world.connect("user0@example.com");
      expect(stoppedOn(glasses)).toEqual([captions]);
      expect(glasses.of("app_state_change").at(-1)?.error).toContain("does not answer");
      await world.clock.advanceAsync(minuteMs);
    }
    expect(host.webhooksAtMs.length).toBe(webhooks);
    host.up = true;
    // By now its health is looked at once an hour.
    await world.clock.advanceAsync(world.limits.probeRarelyMs);
    const last = world.storage.getSession("user0@example.com");
    expect(last !== undefined && runs(last)).toBe(true);
  });

  test("is told to the phone when the app is given up, and the app comes back with the server all the same", async () => {
    const { world, host, users } = await running(1);
    const [user] = users;
    if (user === undefined) throw new Error("no user");
    const { session, glasses } = user;
    host.crash(session);
    await world.clock.advanceAsync(world.limits.appGraceMs + world.limits.resurrectionMs);
    expect(stoppedOn(glasses)).toEqual([captions]);
    expect(glasses.of("app_state_change").some(({ error }) => error?.includes("brought back"))).toBe(true);
    expect(session.snapshot().activeAppSessions).toEqual([]);
    expect(world.users.wanted.get("user0@example.com")?.has(captions)).toBe(true);
    host.up = true;
    await world.clock.advanceAsync(world.limits.probeSometimesMs + 1_000);
    expect(runs(session)).toBe(true);
    expect(session.snapshot().activeAppSessions).toEqual([captions]);
  });

  test("is called by one user first when it is back; then the others follow, spread out and few at a time", async () => {
    const { world, host, sessions } = await running(100);
    host.crash(...sessions);
    await world.clock.advanceAsync(10_000);
    let underWay = 0;
    let most = 0;
    let called = 0;
    const trial = Promise.withResolvers<void>();
    world.webhooks.healthy = () => true;
    world.webhooks.answer = async (request) => {
      called++;
      underWay++;
      most = Math.max(most, underWay);
      if (called === 1) await trial.promise;
      // Starting an app takes its server a while, in which the others wait for their turn.
      else await new Promise<void>((resolve) => world.clock.after(200, resolve));
      const session = world.storage.getSession(request.userId);
      // The SDK dials at once and answers when the app is set up, which may take long.
      if (session !== undefined) host.connect(session, request.mentraOSWebsocketUrl.split("/").at(-2));
      underWay--;
      await new Promise(() => {});
      return accepted;
    };
    await world.clock.advanceAsync(4_000);
    expect(called).toBe(1);
    trial.resolve();
    await world.clock.advanceAsync(world.limits.circuitJitterMs / 4);
    expect(called).toBe(1);
    for (let ms = 0; ms < 3_000; ms += 50) await world.clock.advanceAsync(50);
    expect(sessions.filter(runs).length).toBe(100);
    expect(most).toBe(world.limits.circuitCalls);
  });

  test("gets one try when a user asks for its app, who then learns what is wrong; the app comes later by itself", async () => {
    const { world, host, sessions } = await running(1);
    const [session] = sessions;
    if (session === undefined) throw new Error("no session");
    host.crash(session);
    await world.clock.advanceAsync(40_000);
    const webhooks = host.webhooksAtMs.length;
    const result = await session.apps.start(captions);
    expect(result).toEqual({
      success: false,
      error: { stage: "WEBHOOK", message: "The app's server does not answer" },
    });
    expect(host.webhooksAtMs.length).toBe(webhooks + 1);
    expect(await session.apps.start(captions)).toMatchObject({ success: false });
    expect(host.webhooksAtMs.length).toBe(webhooks + 1);
    host.up = true;
    await world.clock.advanceAsync(3_000);
    expect(runs(session)).toBe(true);
  });

  test("that is down when a user starts its app for the first time fails at once the second time", async () => {
    const world = new FakeWorld();
    const host = new AppHost(world);
    host.up = false;
    const { session } = await world.connect();
    const first = session.apps.start(captions);
    await world.clock.advanceAsync(world.limits.appStartMs);
    expect(await first).toMatchObject({ success: false, error: { stage: "TIMEOUT" } });
    expect(await session.apps.start(captions)).toMatchObject({ success: false, error: { stage: "WEBHOOK" } });
    // Nobody has had it running, so nobody is surprised by it later.
    host.up = true;
    await world.clock.advanceAsync(minuteMs);
    expect(runs(session)).toBe(false);
    expect(await session.apps.start(captions)).toEqual({ success: true });
  });

  test("that comes back to a user's wish is back for everybody who waits", async () => {
    const { world, host, sessions } = await running(5);
    host.crash(...sessions);
    await world.clock.advanceAsync(world.limits.probeOftenForMs + 30_000);
    host.up = true;
    expect(await sessions[2]?.apps.start(captions)).toEqual({ success: true });
    await world.clock.advanceAsync(world.limits.circuitJitterMs);
    expect(sessions.filter(runs).length).toBe(5);
  });

  test("that answers its probe but knows no such app is called ever more rarely", async () => {
    const { world, host, sessions } = await running(20);
    host.crash(...sessions);
    world.webhooks.healthy = () => true;
    world.webhooks.answer = async () => {
      host.webhooksAtMs.push(world.clock.now());
      return { kind: "refused", status: 404, sdkError: false };
    };
    host.webhooksAtMs.length = 0;
    await world.clock.advanceAsync(10 * minuteMs);
    const soon = host.webhooksAtMs.length;
    expect(soon).toBeLessThanOrEqual(world.limits.circuitCalls + 20);
    await world.clock.advanceAsync(10 * 60 * minuteMs);
    expect(host.webhooksAtMs.length - soon).toBeLessThanOrEqual(12);
  });

  test("is not probed for apps that nobody waits for any more, nor for users who are away", async () => {
    const { world, host, users } = await running(1);
    const [user] = users;
    if (user === undefined) throw new Error("no user");
    host.crash(user.session);
    await world.clock.advanceAsync(10_000);
    expect(world.webhooks.probes.length).toBeGreaterThan(0);
    user.session.apps.stop(captions);
    const probes = world.webhooks.probes.length;
    await world.clock.advanceAsync(minuteMs);
    expect(world.webhooks.probes.length).toBe(probes);
  });

  test("leaves the servers of other apps alone", async () => {
    const { world, host, sessions } = await running(1);
    const [session] = sessions;
    if (session === undefined) throw new Error("no session");
    world.records.set("com.other", appRecord("com.other", { publicUrl: "http://127.0.0.1:2" }));
    host.crash(session);
    await world.clock.advanceAsync(10_000);
    expect(world.circuits.down().map(({ url }) => url)).toEqual(["http://127.0.0.1:1"]);
    void session.apps.start("com.other", true);
    expect(world.webhooks.starts.at(-1)?.sessionId).toBe("user0@example.com-com.other");
  });

  test("a session that ends takes its calls back, and says nothing of the server", async () => {
    const world = new FakeWorld();
    const answers: ((outcome: WebhookOutcome) => void)[] = [];
    world.webhooks.answer = () => new Promise((resolve) => answers.push(resolve));
    const { session } = await world.connect();
    void session.apps.start(captions, true);
    const ending = session.end();
    answers[0]?.(unreachable);
    await ending;
    await settle();
    expect(world.circuits.down()).toEqual([]);
    expect(world.clock.pending).toBe(0);
  });
});

describe("the way to an app's server", () => {
  const broken = () => {
    throw new Error("broken for a test");
  };
  const faults: [string, Partial<CircuitCall>][] = [
    ["to say whether it is wanted", { wanted: broken }],
    ["to send", { send: () => Promise.reject(new Error("broken for a test")) }],
    ["to send, at once", { send: broken }],
    ["to hear what came of it", { done: broken }],
  ];

  test.each(faults)("is not blocked for others by callers who fail %s", async (_what, fault) => {
    const clock = new FakeClock();
    const circuit = new AppCircuit({
      clock,
      limits,
      random: () => 0.5,
      probe: async () => true,
      onChange: () => {},
    });
    const done: number[] = [];
    const errors: unknown[] = [];
    const users = limits.circuitCalls * 3;
    for (let user = 0; user < users; user++) {
      circuit.queue({
        wanted: () => true,
        send: async () => accepted,
        done: () => void done.push(user),
        onError: (error) => errors.push(error),
        ...(user % 2 === 0 ? fault : {}),
      });
    }
    await clock.advanceAsync(0);
    const healthy = Array.from({ length: users / 2 }, (_, n) => 2 * n + 1);
    expect(done.filter((user) => user % 2 === 1)).toEqual(healthy);
    expect(errors.length).toBe(users / 2);
    expect([circuit.open, circuit.idle]).toEqual([false, true]);
  });
});
