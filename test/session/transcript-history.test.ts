import { describe, expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import { TranscriptHistory } from "../../src/session/transcript-history.ts";
import type { TranscriptionData } from "../../src/wire/apps.ts";
import { FakeClock } from "../support/fake-clock.ts";

function said(text: string, over: Partial<TranscriptionData> = {}): TranscriptionData {
  return {
    type: "transcription",
    text,
    isFinal: true,
    utteranceId: text,
    transcribeLanguage: "en-US",
    detectedLanguage: "en-US",
    startTime: 0,
    endTime: 500,
    duration: 500,
    speakerId: "0",
    provider: "test",
    ...over,
  };
}

function history() {
  const clock = new FakeClock();
  const kept = new TranscriptHistory(clock, limits);
  const texts = (query = {}) => kept.query(query).map(({ text }) => text);
  return { clock, kept, texts };
}

describe("the history of what was said", () => {
  test("holds each utterance once: an interim replaces the one before it, the final the interims", () => {
    const { kept, texts } = history();
    kept.add(said("turn", { utteranceId: "u1", isFinal: false }));
    kept.add(said("hola", { utteranceId: "u2", transcribeLanguage: "es-ES" }));
    kept.add(said("turn on", { utteranceId: "u1", isFinal: false }));
    expect(texts({ language: "en-US" })).toEqual(["turn on"]);
    kept.add(said("turn on the lights", { utteranceId: "u1", confidence: 0.9 }));
    expect(kept.query({ language: "en-US" })).toMatchObject([
      { resultId: "u1", text: "turn on the lights", isFinal: true, speakerId: "0", confidence: 0.9 },
    ]);
  });

  test("is asked by language, by age and by time", () => {
    const { clock, kept, texts } = history();
    const startMs = clock.now();
    for (const [text, language] of [
      ["one", "en-US"],
      ["zwei", "de-DE"],
      ["three", "en-US"],
    ] as const) {
      kept.add(said(text, { transcribeLanguage: language }));
      clock.advance(60_000);
    }
    expect(texts()).toEqual(["one", "zwei", "three"]);
    expect(texts({ language: "en-US" })).toEqual(["one", "three"]);
    expect(texts({ language: "fr-FR" })).toEqual([]);
    expect(texts({ durationMs: 60_000 })).toEqual(["three"]);
    expect(texts({ fromMs: startMs + 60_000 })).toEqual(["zwei", "three"]);
    expect(texts({ untilMs: startMs + 60_000 })).toEqual(["one", "zwei"]);
    expect(texts({ fromMs: startMs + 1, untilMs: startMs + 60_000, language: "de-DE" })).toEqual(["zwei"]);
  });

  test("reaches 30 minutes back, and forgets the rest though nobody speaks any more", () => {
    const { clock, kept, texts } = history();
    kept.add(said("old"));
    clock.advance(20 * 60_000);
    kept.add(said("newer"));
    clock.advance(10 * 60_000 + 1);
    expect(texts()).toEqual(["newer"]);
    clock.advance(5 * 60_000);
    expect(kept.size).toBe(1);
    clock.advance(20 * 60_000);
    expect(kept.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("holds at most 2000 segments of a language and 16 languages", () => {
    const { kept, texts } = history();
    for (let i = 0; i < 2_010; i++) kept.add(said(`segment ${i}`));
    expect(texts()).toHaveLength(2_000);
    expect(texts()[0]).toBe("segment 10");
    for (let i = 0; i < 16; i++) kept.add(said(`foreign ${i}`, { transcribeLanguage: `x${i}-XX` }));
    expect(texts({ language: "en-US" })).toEqual([]);
    expect(texts()).toHaveLength(16);
  });

  test("can be cleared, and leaves no timer", () => {
    const { clock, kept, texts } = history();
    kept.add(said("something"));
    kept.clear();
    kept.clear();
    expect(texts()).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
