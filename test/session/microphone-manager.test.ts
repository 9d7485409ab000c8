import { describe, expect, test } from "bun:test";
import { wantedMicrophone } from "../../src/session/microphone-manager.ts";
import { captions, FakeGlasses, FakeWorld } from "../support/fake-world.ts";

describe("the microphone's wanted state", () => {
  const names = [
    "speechWanted",
    "pcmWanted",
    "speechOff",
    "glassesGone",
    "worksWithoutGlasses",
    "muted",
    "bypassVad",
  ] as const;
  const cases = Array.from({ length: 2 ** names.length }, (_, bits) =>
    names.filter((_name, i) => (bits & (1 << i)) !== 0),
  ).map((facts) => [facts.join(", ") || "nothing", facts] as const);

  test.each(cases)("fits the facts: %s", (_name, facts) => {
    const has = (name: (typeof names)[number]) => facts.includes(name);
    const given = {
      speechWanted: has("speechWanted"),
      pcmWanted: has("pcmWanted"),
      speechOff: has("speechOff"),
      glassesGone: has("glassesGone"),
      worksWithoutGlasses: has("worksWithoutGlasses"),
      muted: has("muted"),
      bypassVad: has("bypassVad"),
    };
    const { speechWanted, pcmWanted, speechOff, glassesGone, worksWithoutGlasses, muted, bypassVad } = given;
    const state = wantedMicrophone(given);
    const on = !muted && (speechWanted || pcmWanted) && (!glassesGone || worksWithoutGlasses);
    expect(state.enabled).toBe(on);
    expect(state.bypassVad).toBe(on && (pcmWanted || bypassVad));
    expect(state.requiredData.includes("pcm")).toBe(on);
    expect(state.requiredData.includes("transcription")).toBe(on && speechWanted && speechOff);
  });
});

describe("the microphone", () => {
  test("is on within 100 ms of a subscription and is told again every 10 s", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(100);
    expect(glasses.microphone).toBe(true);
    const before = glasses.of("microphone_state_change").length;
    await world.clock.advanceAsync(30_000);
    expect(glasses.of("microphone_state_change").length - before).toBe(3);
  });

  test("is told of 100 changes within a second at most twice", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(9_000);
    const before = glasses.of("microphone_state_change").length;
    for (let i = 0; i < 100; i++) {
      world.subscribe(session, app, captions, ...(i % 2 === 0 ? ["audio_chunk"] : ["transcription:en-US"]));
      await world.clock.advanceAsync(10);
    }
    expect(glasses.of("microphone_state_change").length - before).toBeLessThanOrEqual(2);
    await world.clock.advanceAsync(1_100);
    expect(glasses.of("microphone_state_change").at(-1)?.bypassVad).toBe(false);
  });

  test("stays on while an app is away, however often it drops and whatever empty list it sends first", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    let app = await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(1_000);
    for (let drop = 0; drop < 4; drop++) {
      session.apps.closed(captions, app.generation);
      await world.clock.advanceAsync(1_000);
      app = world.connectApp(session);
      world.subscribe(session, app, captions);
      await world.clock.advanceAsync(500);
      session.audio.receive(generation, new Uint8Array(640));
      world.subscribe(session, app, captions, "transcription:en-US");
      await world.clock.advanceAsync(58_500);
    }
    const states = glasses
      .of("microphone_state_change")
      .map(({ isMicrophoneEnabled }) => isMicrophoneEnabled);
    expect(states.slice(states.indexOf(true))).not.toContain(false);
  });

  test("is told again to be silent when audio goes on for 3 s that nobody wants, and then left in peace for 5 s", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    await world.clock.advanceAsync(1_000);
    const before = glasses.of("microphone_state_change").length;
    for (let ms = 0; ms < 8_000; ms += 100) {
      session.audio.receive(generation, new Uint8Array(640));
      await world.clock.advanceAsync(100);
    }
    expect(glasses.of("microphone_state_change").length - before).toBe(1);
    expect(glasses.microphone).toBe(false);
  });

  test("goes off 3 to 4 s after the phone has lost its glasses, and on at once when they are back", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(5_000);
    session.receiveGlasses(generation, { type: "glasses_connection_state", status: "DISCONNECTED" });
    await world.clock.advanceAsync(2_900);
    expect(glasses.microphone).toBe(true);
    await world.clock.advanceAsync(1_100);
    expect(glasses.microphone).toBe(false);
    await world.clock.advanceAsync(5_000);
    session.receiveGlasses(generation, { type: "glasses_connection_state", status: "RECONNECTED" });
    expect(glasses.microphone).toBe(true);
  });

  test("is off at once when the user mutes it, whatever apps want, and on when he lets it hear again", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(5_000);
    session.settings.changePhone({ sensing_enabled: false });
    await world.clock.advanceAsync(100);
    expect(glasses.microphone).toBe(false);
    await world.clock.advanceAsync(60_000);
    expect(glasses.microphone).toBe(false);
    session.settings.changePhone({ sensing_enabled: true });
    await world.clock.advanceAsync(100);
    expect(glasses.microphone).toBe(true);
  });

  test("leaves nothing out while the user wants that, as the phone's status says", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(5_000);
    expect(glasses.of("microphone_state_change").at(-1)?.bypassVad).toBe(false);
    const status = {
      core_info: { bypass_vad_for_debugging: true },
      connected_glasses: {},
      glasses_settings: {},
    };
    session.receiveGlasses(generation, { type: "core_status_update", status: { status } });
    await world.clock.advanceAsync(100);
    expect(glasses.of("microphone_state_change").at(-1)).toMatchObject({
      isMicrophoneEnabled: true,
      bypassVad: true,
    });
  });

  test("is not told to be silent because of audio that nobody wants while an app has just connected", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    await world.clock.advanceAsync(1_000);
    await world.runApp(session, captions, "button_press");
    const before = glasses.of("microphone_state_change").length;
    const hear = async (forMs: number) => {
      for (let ms = 0; ms < forMs; ms += 100) {
        session.audio.receive(generation, new Uint8Array(640));
        await world.clock.advanceAsync(100);
      }
      return glasses.of("microphone_state_change").length - before;
    };
    expect(await hear(7_900)).toBe(0);
    expect(await hear(1_000)).toBe(1);
  });

  test("that was wanted while the glasses were away is on at once when they return", async () => {
    const world = new FakeWorld();
    const { session, generation } = await world.connect();
    const app = await world.runApp(session);
    session.glassesClosed(generation);
    world.subscribe(session, app, captions, "transcription:en-US");
    await world.clock.advanceAsync(5_000);
    const returned = new FakeGlasses(world.clock);
    session.attachGlasses(returned);
    expect(returned.microphone).toBe(true);
  });

  test("counts as told only what a socket has taken, and is told again soon", async () => {
    const world = new FakeWorld();
    const { session, glasses } = await world.connect();
    glasses.blocked = true;
    await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(500);
    expect(glasses.microphone).toBe(false);
    glasses.blocked = false;
    await world.clock.advanceAsync(1_000);
    expect(glasses.microphone).toBe(true);
  });

  test("asks the phone to transcribe while nothing here can hear, and takes its words", async () => {
    const world = new FakeWorld();
    const { session, glasses, generation } = await world.connect();
    const app = await world.runApp(session, captions, "transcription:en-US");
    await world.clock.advanceAsync(2_000);
    const local = {
      type: "local_transcription",
      text: "by the phone",
      isFinal: true,
      startTime: 1,
      endTime: 2,
    } as const;
    session.receiveGlasses(generation, local);
    expect(app.events).toEqual([]);
    world.lanes.opened[0]?.listener.onSpeechState({ state: "off", detail: "no recogniser" });
    await world.clock.advanceAsync(1_100);
    expect(glasses.of("microphone_state_change").at(-1)?.requiredData).toEqual(["pcm", "transcription"]);
    session.receiveGlasses(generation, local);
    expect(app.events).toMatchObject([
      { streamType: "transcription:en-US", data: { text: "by the phone", isFinal: true } },
    ]);
  });
});
