import { describe, expect, test } from "bun:test";
import { FluxListener } from "../../../workers/stt/cloud/deepgram-flux.ts";
import type { Fields } from "../../../workers/stt/cloud/deepgram-message.ts";
import { NovaListener } from "../../../workers/stt/cloud/deepgram-nova.ts";
import { ProviderTime } from "../../../workers/stt/cloud/provider-time.ts";
import type { ConnectionEvent } from "../../../workers/stt/cloud/vendor.ts";

const second = 16_000;

interface Result {
  readonly text: string;
  readonly start?: number;
  readonly end?: number;
  readonly flags?: Fields;
  readonly more?: Fields;
  readonly words?: readonly Fields[];
}

function results({ text, start = 0, end = 1, flags = {}, more = {}, words = [] }: Result): Fields {
  const alternative = { transcript: text, confidence: 0.8, words, ...more };
  return {
    type: "Results",
    channel_index: [0, 1],
    start,
    duration: end - start,
    is_final: false,
    speech_final: false,
    ...flags,
    channel: { alternatives: [alternative] },
  };
}

/** A connection on which a minute has been sent, without a hole. */
function minute(): ProviderTime {
  const time = new ProviderTime();
  time.sent(0, 60 * second);
  return time;
}

function nova(...messages: readonly Fields[]): ConnectionEvent[] {
  const listener = new NovaListener(minute());
  return messages.flatMap((message) => listener.hear(message).events);
}

function texts(events: readonly ConnectionEvent[]): string[] {
  return events.flatMap((event) => ("text" in event ? [`${event.kind}: ${event.text}`] : []));
}

function settled(events: readonly ConnectionEvent[]): number[] {
  return events.flatMap((event) => (event.kind === "settled" ? [event.sample] : []));
}

const final = { is_final: true };

describe("Nova's results", () => {
  test("become the whole utterance so far, whatever segments they come in", () => {
    const events = nova(
      results({ text: "one" }),
      results({ text: "one two", flags: final }),
      results({ text: "three", start: 1, end: 2 }),
      results({ text: "three four", start: 1, end: 2, flags: { ...final, speech_final: true } }),
      results({ text: "five", start: 2, end: 3 }),
    );
    expect(texts(events)).toEqual([
      "interim: one",
      "interim: one two",
      "interim: one two three",
      "final: one two three four",
      "interim: five",
    ]);
    expect(settled(events)).toEqual([2 * second]);
  });

  test("end with UtteranceEnd where no speech_final came", () => {
    const events = nova(results({ text: "one", flags: final }), { type: "UtteranceEnd", last_word_end: 0.9 });
    expect(texts(events).at(-1)).toBe("final: one");
    expect(settled(events)).toEqual([second]);
  });

  test("do not end again with the UtteranceEnd behind a speech_final", () => {
    const events = nova(results({ text: "one", flags: { ...final, speech_final: true } }), {
      type: "UtteranceEnd",
      last_word_end: 0.9,
    });
    expect(texts(events)).toEqual(["final: one"]);
  });

  test("do not end with an UtteranceEnd that has seen no word", () => {
    const events = nova(results({ text: "one", flags: final }), { type: "UtteranceEnd", last_word_end: -1 });
    expect(texts(events)).toEqual(["interim: one"]);
  });

  test("end with the answer to Finalize, even when that is empty", () => {
    const events = nova(
      results({ text: "one", flags: final }),
      results({ text: "", start: 1, end: 2, flags: { ...final, from_finalize: true } }),
    );
    expect(texts(events)).toEqual(["interim: one", "final: one"]);
    expect(settled(events)).toEqual([2 * second]);
  });

  test("end with the answer to CloseStream", () => {
    const events = nova(results({ text: "one", flags: final }), { type: "Metadata", duration: 1 });
    expect(texts(events).at(-1)).toBe("final: one");
  });

  test("of silence settle what has passed, and only where nothing is pending", () => {
    const events = nova(
      results({ text: "", end: 3, flags: final }),
      results({ text: "", start: 3, end: 4 }),
      results({ text: "one", start: 3, end: 5, flags: final }),
      results({ text: "", start: 5, end: 8, flags: final }),
    );
    expect(settled(events)).toEqual([3 * second]);
    expect(texts(events)).toEqual(["interim: one"]);
  });

  test("of somebody who never pauses become final after twenty seconds", () => {
    const segments = Array.from({ length: 8 }, (_, index) =>
      results({ text: `part${index}`, start: index * 3, end: index * 3 + 3, flags: final }),
    );
    const events = nova(...segments);
    expect(settled(events)).toEqual([21 * second]);
    expect(texts(events).filter((text) => text.startsWith("final"))).toHaveLength(1);
  });

  test("carry word times, speaker, language and the mean confidence of the words", () => {
    const words = [
      {
        word: "hallo",
        punctuated_word: "Hallo,",
        start: 0.5,
        end: 0.9,
        confidence: 0.7,
        speaker: 0,
        language: "de",
      },
      { word: "du", punctuated_word: "du.", start: 1, end: 1.2, confidence: 0.9, speaker: 1, language: "de" },
    ];
    const flags = { ...final, speech_final: true };
    const [event] = nova(results({ text: "Hallo, du.", flags, words, end: 2, more: { languages: ["en"] } }));
    expect(event).toEqual({
      kind: "final",
      text: "Hallo, du.",
      startSample: 8_000,
      endSample: 19_200,
      confidence: 0.8,
      speaker: "1",
      language: "de",
      words: [
        { text: "Hallo,", startMs: 500, endMs: 900, confidence: 0.7 },
        { text: "du.", startMs: 1_000, endMs: 1_200, confidence: 0.9 },
      ],
    });
  });

  test("on both sides of a hole keep their places", () => {
    const time = new ProviderTime();
    time.sent(0, 2 * second);
    time.sent(100 * second, 2 * second);
    const listener = new NovaListener(time);
    const words = [
      { word: "a", start: 1.5, end: 2 },
      { word: "b", start: 2, end: 2.5 },
    ];
    const { events } = listener.hear(
      results({ text: "a b", end: 3, flags: { ...final, speech_final: true }, words }),
    );
    expect(events[0]).toMatchObject({
      words: [
        { text: "a", startMs: 1_500, endMs: 2_000 },
        { text: "b", startMs: 100_000, endMs: 100_500 },
      ],
    });
    expect(settled(events)).toEqual([101 * second]);
  });

  test("that are malformed in any way throw nothing and say nothing", () => {
    const odd: Fields[] = [
      {},
      { type: 7 },
      { type: "Results" },
      { type: "Results", channel: null, start: "x", duration: Number.NaN },
      { type: "Results", channel: { alternatives: [null] }, is_final: true },
      { type: "Results", channel: { alternatives: [{ transcript: 5, words: "no" }] }, speech_final: "yes" },
      { type: "Results", channel: { alternatives: [{ transcript: "", words: [null, 3, {}] }] } },
      { type: "UtteranceEnd" },
    ];
    expect(texts(nova(...odd))).toEqual([]);
  });

  test("that are an error end the connection as its text says", () => {
    const listener = new NovaListener(minute());
    const failing = (description: string) => listener.hear({ type: "Error", description }).failure?.kind;
    expect(failing("DATA-0000 cannot decode")).toBe("config");
    expect(failing("NET-0000")).toBe("transient");
    expect(failing("UNPARSABLE_CLIENT_MESSAGE")).toBe("protocol");
  });
});

describe("Flux' turns", () => {
  function turn(event: string, transcript: string, end: number, more: Fields = {}): Fields {
    return {
      type: "TurnInfo",
      event,
      turn_index: 0,
      audio_window_start: 0,
      audio_window_end: end,
      transcript,
      words: [],
      ...more,
    };
  }

  function flux(...messages: readonly Fields[]): ConnectionEvent[] {
    const listener = new FluxListener(minute());
    return messages.flatMap((message) => listener.hear(message).events);
  }

  test("are interims until their end, an eager end that is taken back included", () => {
    const events = flux(
      { type: "Connected" },
      turn("StartOfTurn", "one", 0.5),
      turn("EagerEndOfTurn", "one two", 1),
      turn("TurnResumed", "one two", 1.2),
      turn("Update", "one two three", 1.5),
      turn("EndOfTurn", "one two three", 2, { languages: ["en"] }),
    );
    expect(texts(events)).toEqual([
      "interim: one",
      "interim: one two",
      "interim: one two",
      "interim: one two three",
      "final: one two three",
    ]);
    expect(settled(events)).toEqual([2 * second]);
    expect(events.findLast(({ kind }) => kind === "final")).toMatchObject({ language: "en" });
  });

  test("without a word settle all but the last moment, in which one may have begun", () => {
    expect(settled(flux(turn("Update", "", 3)))).toEqual([2.2 * second]);
    expect(settled(flux(turn("Update", "", 0.5)))).toEqual([]);
  });

  test("are over with an error", () => {
    const failure = new FluxListener(minute()).hear({
      type: "Error",
      code: "UNPARSABLE_CLIENT_MESSAGE",
      description: "what?",
    }).failure;
    expect(failure?.kind).toBe("protocol");
    expect(failure?.detail).toContain("UNPARSABLE_CLIENT_MESSAGE");
  });
});
