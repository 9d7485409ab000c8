import { describe, expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import { type AppState, nextAppState, stopped, wakeAtMs } from "../../src/session/app-lifecycle.ts";
import { choose, type Wish } from "../../src/session/display-choice.ts";
import { decideMicrophone, type MicrophoneState } from "../../src/session/microphone-manager.ts";
import { nextSessionState, type SessionState } from "../../src/session/session-lifecycle.ts";

/** The pure functions that decide, as tables: what the managers do with their answers is tested beside them. */

describe("a session's state", () => {
  const states: Record<SessionState["name"], SessionState> = {
    CONNECTING: { name: "CONNECTING", untilMs: 100 },
    ACTIVE: { name: "ACTIVE" },
    DISCONNECTED: { name: "DISCONNECTED", untilMs: 100 },
    DISPOSING: { name: "DISPOSING" },
    DISPOSED: { name: "DISPOSED" },
  };

  test.each([
    ["CONNECTING", "connected", 0, "ACTIVE"],
    ["CONNECTING", "tick", 99, "CONNECTING"],
    ["CONNECTING", "tick", 100, "DISPOSING"],
    ["ACTIVE", "lost", 0, "DISCONNECTED"],
    ["ACTIVE", "tick", 1_000, "ACTIVE"],
    ["ACTIVE", "end", 0, "DISPOSING"],
    ["DISCONNECTED", "connected", 99, "ACTIVE"],
    ["DISCONNECTED", "tick", 99, "DISCONNECTED"],
    ["DISCONNECTED", "tick", 100, "DISPOSING"],
    ["DISCONNECTED", "end", 0, "DISPOSING"],
    ["DISPOSING", "connected", 0, "DISPOSING"],
    ["DISPOSING", "lost", 0, "DISPOSING"],
    ["DISPOSING", "disposed", 0, "DISPOSED"],
    ["DISPOSED", "connected", 0, "DISPOSED"],
    ["DISPOSED", "end", 0, "DISPOSED"],
  ] as const)("%s on %s at %p becomes %s", (from, kind, nowMs, to) => {
    expect(nextSessionState(states[from], { kind }, nowMs, 30).name).toBe(to);
  });
});

describe("an app's state", () => {
  const underWay = { attempts: 1, nextMs: undefined };
  const grace: AppState = {
    name: "GRACE_PERIOD",
    sinceMs: 0,
    retry: { attempts: 0, nextMs: limits.appNudgeMs },
  };
  const connecting: AppState = { name: "CONNECTING", deadlineMs: limits.appStartMs, retry: underWay };
  const resurrecting: AppState = { name: "RESURRECTING", sinceMs: 0, retry: underWay };
  const running: AppState = { name: "RUNNING" };
  const dormant: AppState = { name: "DORMANT" };
  const step = (state: AppState, event: Parameters<typeof nextAppState>[1], nowMs = 0, present = true) => {
    const [next, actions] = nextAppState(state, event, nowMs, present, limits);
    return [next.name, ...actions.map(({ kind }) => kind)];
  };

  test.each([
    ["a stopped app that is started", stopped, { kind: "start" }, 0, ["CONNECTING", "sendWebhook"]],
    ["a stopped app that connects unasked", stopped, { kind: "connected" }, 0, ["STOPPED"]],
    ["a starting app that is started again", connecting, { kind: "start" }, 0, ["CONNECTING"]],
    ["a starting app that connects", connecting, { kind: "connected" }, 0, ["RUNNING", "started"]],
    ["a starting app with a wrong key", connecting, { kind: "badKey" }, 0, ["STOPPED", "startFailed"]],
    [
      "a starting app at its deadline",
      connecting,
      { kind: "tick" },
      limits.appStartMs,
      ["STOPPED", "startFailed"],
    ],
    ["a running app that is lost", running, { kind: "lost", released: false }, 0, ["GRACE_PERIOD"]],
    ["a running app that hands over", running, { kind: "lost", released: true }, 0, ["DORMANT", "release"]],
    ["an awaited app before its nudge", grace, { kind: "tick" }, limits.appNudgeMs - 1, ["GRACE_PERIOD"]],
    [
      "an awaited app at its nudge",
      grace,
      { kind: "tick" },
      limits.appNudgeMs,
      ["GRACE_PERIOD", "sendWebhook"],
    ],
    ["an awaited app that returns", grace, { kind: "connected" }, 0, ["RUNNING"]],
    [
      "an awaited app at its end",
      grace,
      { kind: "tick" },
      limits.appGraceMs,
      ["RESURRECTING", "sendWebhook"],
    ],
    ["a resurrected app", resurrecting, { kind: "connected" }, 0, ["RUNNING"]],
    ["a dead app at the end", resurrecting, { kind: "tick" }, limits.resurrectionMs, ["STOPPED", "givenUp"]],
    [
      "a sleeping app whose user returns",
      dormant,
      { kind: "userReturned" },
      0,
      ["RESURRECTING", "sendWebhook"],
    ],
    ["a sleeping app that comes by itself", dormant, { kind: "connected" }, 0, ["RUNNING"]],
  ] as const)("%s", (_name, state, event, nowMs, outcome) => {
    expect(step(state, event, nowMs)).toEqual([...outcome]);
  });

  test("an awaited app whose user is away is left in peace, and then to sleep", () => {
    expect(step(grace, { kind: "tick" }, limits.appNudgeMs, false)).toEqual(["GRACE_PERIOD"]);
    expect(step(grace, { kind: "tick" }, limits.appGraceMs, false)).toEqual(["DORMANT"]);
    const due: AppState = { name: "RESURRECTING", sinceMs: 0, retry: { attempts: 3, nextMs: 5_000 } };
    expect(step(due, { kind: "tick" }, 5_000, false)).toEqual(["DORMANT"]);
    expect(step(due, { kind: "tick" }, 5_000, true)).toEqual(["RESURRECTING", "sendWebhook"]);
  });

  test("a given-up app whose user is away is not tried, which does not count as a try either", () => {
    const parked: AppState = {
      name: "STOPPED",
      lateUntilMs: Number.POSITIVE_INFINITY,
      parked: { attempts: 2, nextMs: 0 },
    };
    const [next, actions] = nextAppState(parked, { kind: "tick" }, 0, false, limits);
    expect(actions).toEqual([]);
    expect(next).toEqual({ ...parked, parked: { attempts: 2, nextMs: limits.parkedMs } });
    expect(step(parked, { kind: "tick" }, 0, true)).toEqual(["STOPPED", "sendWebhook"]);
  });

  test("a dead app is asked for after 1, 2, 4, 8 and 16 s, and then every 30 s", () => {
    const refused = { kind: "answered", outcome: { kind: "refused", status: 500, sdkError: true } } as const;
    let state: AppState = resurrecting;
    let now = 0;
    const pauses: number[] = [];
    for (let i = 0; i < 7; i++) {
      [state] = nextAppState(state, refused, now, true, limits);
      const next = wakeAtMs(state, limits) ?? 0;
      pauses.push((next - now) / 1000);
      now = next;
      [state] = nextAppState(state, { kind: "tick" }, now, true, limits);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30]);
  });

  test("any app that is stopped is stopped", () => {
    for (const state of [stopped, connecting, running, grace, resurrecting, dormant]) {
      expect(step(state, { kind: "stop" })).toEqual(["STOPPING"]);
    }
    expect(step({ name: "STOPPING" }, { kind: "connected" })).toEqual(["STOPPING"]);
    expect(step({ name: "STOPPING" }, { kind: "erased" })).toEqual(["STOPPED"]);
  });

  test.each([
    ["an automatic start", { automatic: true }, ["CONNECTING", "sendWebhook"]],
    [
      "an automatic start while its server is down",
      { automatic: true, serverDown: true },
      ["STOPPED", "sendWebhook", "givenUp"],
    ],
    ["a user's start while its server is down", { serverDown: true }, ["CONNECTING", "sendWebhook"]],
  ] as const)("%s", (_name, how, outcome) => {
    expect(step(stopped, { kind: "start", ...how })).toEqual([...outcome]);
  });

  test("a start whose server is down fails with its first try, and an ordinary one goes on trying", () => {
    const unreachable = { kind: "answered", outcome: { kind: "unreachable", detail: "" } } as const;
    const [once] = nextAppState(stopped, { kind: "start", serverDown: true }, 0, true, limits);
    const [patient] = nextAppState(stopped, { kind: "start" }, 0, true, limits);
    expect(step(once, unreachable)).toEqual(["STOPPED", "startFailed"]);
    expect(step(patient, unreachable)).toEqual(["CONNECTING"]);
  });

  test("a given-up app is let in whenever it comes, and tried once a minute for ten minutes, then once an hour", () => {
    let [state] = nextAppState(resurrecting, { kind: "tick" }, limits.resurrectionMs, true, limits);
    const refused = { kind: "answered", outcome: { kind: "refused", status: 500, sdkError: true } } as const;
    let now = limits.resurrectionMs;
    const pauses: number[] = [];
    // The webhook that was under way when it was given up is answered first.
    for (let i = 0; i < 13; i++) {
      [state] = nextAppState(state, refused, now, true, limits);
      const next = wakeAtMs(state, limits) ?? 0;
      pauses.push((next - now) / 60_000);
      now = next;
      [state] = nextAppState(state, { kind: "tick" }, now, true, limits);
    }
    expect(pauses).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 60, 60, 60, 60]);
    expect(step(state, { kind: "connected" }, now)).toEqual(["RUNNING"]);
  });

  test("what changes by itself says when, what does not says so", () => {
    expect(wakeAtMs(connecting, limits)).toBe(limits.appStartMs);
    expect(wakeAtMs(grace, limits)).toBe(limits.appNudgeMs);
    expect(wakeAtMs(resurrecting, limits)).toBe(limits.resurrectionMs);
    for (const state of [stopped, running, dormant]) expect(wakeAtMs(state, limits)).toBeUndefined();
  });
});

describe("what is on the screen", () => {
  const wish = (packageName: string, atMs: number, untilMs = Number.POSITIVE_INFINITY): Wish => ({
    packageName,
    layout: { layoutType: "text_wall", text: packageName },
    atMs,
    untilMs,
    urgent: false,
  });
  const lock = { packageName: "back", untilMs: 10_000 };

  test.each([
    ["nothing without wishes", [], undefined, undefined],
    ["the foreground app's wish before a newer one", [wish("front", 0), wish("back", 5)], undefined, "front"],
    ["the lock holder's before the foreground app's", [wish("front", 5), wish("back", 0)], lock, "back"],
    [
      "the foreground app's once the lock has run out",
      [wish("front", 0), wish("back", 5)],
      { ...lock, untilMs: 50 },
      "front",
    ],
    [
      "the foreground app's once the lock holder's has ended",
      [wish("front", 0), wish("back", 5, 60)],
      lock,
      "front",
    ],
    ["the newest without a foreground app", [wish("back", 0), wish("other", 5)], undefined, "other"],
    ["nothing once every wish has ended", [wish("back", 0, 60), wish("front", 0, 99)], lock, undefined],
  ] as const)("is %s", (_name, wishes, held, expected) => {
    const chosen = choose({ wishes: [...wishes], foreground: "front", lock: held }, 100);
    expect(chosen.wish?.packageName).toBe(expected as string);
  });
});

describe("what the glasses are told of their microphone", () => {
  const on: MicrophoneState = { enabled: true, requiredData: ["pcm"], bypassVad: false };
  const off: MicrophoneState = { enabled: false, requiredData: [], bypassVad: false };
  const told = (confirmed: MicrophoneState | undefined, ageMs: number, unwantedMs?: number) => ({
    confirmed,
    changedAtMs: 100_000 - ageMs,
    sentAtMs: 100_000 - ageMs,
    unwantedSinceMs: unwantedMs === undefined ? undefined : 100_000 - unwantedMs,
  });

  test.each([
    ["everything, when they are new", off, told(undefined, 0, 0), off, undefined],
    ["nothing, when they know", off, told(off, 5_000, 9_000), undefined, undefined],
    ["on, at once", on, told(off, 5_000), on, undefined],
    ["on, a second after the last change", on, told(off, 400), undefined, 100_600],
    ["on again, every 10 s", on, told(on, 10_000), on, undefined],
    ["nothing in between", on, told(on, 4_000), undefined, 106_000],
    ["nothing, while off is not certain", off, told(on, 5_000, 1_000), undefined, 102_000],
    ["off, when nobody has wanted it for 3 s", off, told(on, 5_000, 3_000), off, undefined],
  ] as const)("%s", (_name, wanted, memory, send, wakeMs) => {
    expect(decideMicrophone(wanted, memory, 100_000, limits)).toEqual({ send, wakeMs });
  });
});
