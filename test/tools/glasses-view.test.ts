import { describe, expect, test } from "bun:test";
import type { SessionSnapshot } from "../../src/wire/glasses.ts";
import type { Layout, View } from "../../src/wire/layouts.ts";
import { GlassesState } from "../../tools/glasses-state.ts";
import { drawGlasses } from "../../tools/glasses-view.ts";

const size = { columns: 80, rows: 24 };

function snapshot(active: readonly string[], loading: readonly string[] = []): SessionSnapshot {
  return {
    userId: "u",
    startTime: "",
    activeAppSessions: active,
    loadingApps: loading,
    appSubscriptions: {},
    requiresAudio: false,
    minimumTranscriptionLanguages: [],
    isTranscribing: false,
  };
}

function show(state: GlassesState, layout: Layout, view: View = "main"): void {
  state.callbacks.onDisplay?.({ type: "display_event", packageName: "a.b", view, layout });
}

const drawn = (state: GlassesState, prompt?: string) =>
  Bun.stripANSI(drawGlasses(state, prompt, size).join("\n"));

describe("the view of the glasses", () => {
  test("shows what the app hears as it grows, and every final among the events", () => {
    const state = new GlassesState();
    const hear = (text: string, isFinal: boolean) =>
      state.callbacks.onTranscript?.({
        type: "transcription",
        text,
        isFinal,
        utteranceId: "u",
        startTime: 0,
        endTime: 1,
        transcribeLanguage: "en-US",
        detectedLanguage: "en-US",
        duration: 1,
        speakerId: "",
        provider: "p",
      });
    expect(drawn(state)).toMatch(/heard {2}-/);
    hear("turn on", false);
    expect(drawn(state)).toMatch(/heard {2}turn on …/);
    expect(state.total).toBe(0);
    hear("turn on the lights", true);
    hear("and the", false);
    expect(drawn(state)).toMatch(/heard {2}turn on the lights *\n {8}and the …/);
    expect(drawn(state)).toContain('the app hears "turn on the lights"');
  });

  test("puts a stroke between two sides, and none beside a side that is empty", () => {
    const state = new GlassesState();
    const card = (topText: string, bottomText: string) =>
      show(state, { layoutType: "double_text_wall", topText, bottomText }, "dashboard");
    card("Nov 22, 9:28 AM", "");
    card("", "3 messages");
    card("Nov 22, 9:28 AM", "3 messages");
    card("", " ");
    expect(state.events.map(({ line }) => line)).toEqual([
      'a.b shows "Nov 22, 9:28 AM" on the dashboard',
      'a.b shows "3 messages" on the dashboard',
      'a.b shows "Nov 22, 9:28 AM / 3 messages" on the dashboard',
      "a.b shows double_text_wall on the dashboard",
    ]);
  });

  test("fills the terminal exactly, whatever there is to show", () => {
    const state = new GlassesState();
    for (let i = 0; i < 200; i++) {
      show(state, { layoutType: "text_wall", text: `${i} ${"long words ".repeat(30)}` });
      for (const rows of [1, 5, 10, 24, 50]) {
        const lines = drawGlasses(state, undefined, { columns: 60, rows });
        expect(lines).toHaveLength(rows);
        for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(60);
      }
    }
  });

  test("tells of connection, microphone, apps and what is being said", () => {
    const state = new GlassesState();
    expect(drawn(state)).toContain("○ connecting");
    state.callbacks.onAck?.({ type: "connection_ack", sessionId: "u", userSession: snapshot([]) });
    state.callbacks.onMicrophone?.(true, {
      type: "microphone_state_change",
      sessionId: "u",
      isMicrophoneEnabled: true,
      requiredData: ["pcm"],
      bypassVad: false,
    });
    state.callbacks.onAppState?.({
      type: "app_state_change",
      sessionId: "u",
      userSession: snapshot(["a.b"], ["c.d"]),
    });
    state.saying = "hello";
    for (const part of ["● connected", "● microphone on", "a.b", "c.d (starting)", '"hello"', "a.b runs"]) {
      expect(drawn(state)).toContain(part);
    }
    state.callbacks.onClose?.(1012, "Service restart");
    for (const part of ["○ not connected", "○ microphone off", "connection lost (1012 Service restart)"]) {
      expect(drawn(state)).toContain(part);
    }
  });

  test("draws the main view, and the dashboard while the head is up", () => {
    const state = new GlassesState();
    show(state, { layoutType: "text_wall", text: "in front" });
    show(state, { layoutType: "text_wall", text: "up there" }, "dashboard");
    expect(drawn(state)).toContain("│ in front");
    state.headUp = true;
    expect(drawn(state)).toContain("│ up there");
  });

  test("keeps a caption that grows as one event, and does not let a text move the cursor", () => {
    const state = new GlassesState();
    for (const text of ["ta", "take a", "take a photo please", "turn", "turn on\x1b[2J\x07 the lights"]) {
      show(state, { layoutType: "text_wall", text });
    }
    expect(state.events.map(({ line }) => line)).toEqual([
      'a.b shows "take a photo please"',
      expect.stringContaining('a.b shows "turn on'),
    ]);
    // A log without a terminal has them all.
    expect([0, 1, 2].map((number) => state.eventNumber(number)?.line)).toEqual([
      'a.b shows "ta"',
      'a.b shows "take a"',
      'a.b shows "take a photo please"',
    ]);
    const lines = drawGlasses(state, undefined, size).join("\n");
    expect(lines).not.toContain("\x1b[2J");
    expect(lines).not.toContain("\x07");
  });

  test.each([
    [100, 40],
    [80, 24],
    [60, 16],
    [40, 12],
    [30, 14],
  ])("keeps the keys and the display in a terminal of %p columns and %p rows", (columns, rows) => {
    const state = new GlassesState();
    show(state, { layoutType: "text_wall", text: "in front" });
    for (let i = 0; i < 50; i++) state.note(`event ${i}`);
    const lines = drawGlasses(state, undefined, { columns, rows }).map((line) => Bun.stripANSI(line));
    expect(lines).toHaveLength(rows);
    const text = lines.join("\n");
    for (const part of [
      "│ in front",
      "b press",
      "u/d look up/down",
      "x drop connection",
      "q quit",
      "heard",
      "event 49",
    ]) {
      expect(text).toContain(part);
    }
    expect(lines.at(-1)).toContain("q quit");
  });

  test("shows the line that is being typed", () => {
    expect(drawn(new GlassesState(), "Say: hello")).toContain("Say: hello");
  });
});
