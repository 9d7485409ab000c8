import { describe, expect, test } from "bun:test";
import { parseStream, requiredPermission, streamKey } from "../../src/wire/streams.ts";

describe("a subscription string", () => {
  test("of speech is read with its options, and keeps its own spelling", () => {
    const literal = "transcription:fr-FR?no-language-identification=true&hints=en%2Ces";
    expect(parseStream(literal)).toEqual({
      kind: "transcription",
      literal,
      language: "fr-FR",
      hints: ["en", "es"],
      identifyLanguage: false,
    });
  });

  test.each([
    ["transcription", "transcription:en-US"],
    ["transcription:en-US?hints=de", "transcription:en-US"],
    ["transcription:auto", "transcription:auto"],
    ["translation:fr-FR-to-en-US?x=y", "translation:fr-FR-to-en-US"],
    ["translation:all-to-ja-JP", "translation:all-to-ja-JP"],
    ["touch_event", "touch_event"],
    ["touch_event:long_press", "touch_event:long_press"],
    ["augmentos:brightness", "augmentos:brightness"],
    ["VAD", "VAD"],
    ["*", "*"],
    ["all", "*"],
    ["vad", undefined],
    ["transcription:english", undefined],
    ["translation:fr-FR", undefined],
    ["translation", undefined],
    ["LOCATION_UPDATE", undefined],
    ["location_update:", undefined],
    ["local_transcription", "local_transcription"],
    ["constructor", "other:constructor"],
    ["no_such_report", "other:no_such_report"],
    ["other:button_press", "other:other:button_press"],
    ["", undefined],
  ])("%p hears %p", (literal, key) => {
    const stream = parseStream(literal);
    expect(streamKey(stream)).toBe(key);
    expect(stream.literal).toBe(literal);
  });

  test.each([
    ["audio_chunk", "MICROPHONE"],
    ["transcription:en-US", "MICROPHONE"],
    ["location_stream", "LOCATION"],
    ["local_transcription", "MICROPHONE"],
    ["no_such_report", undefined],
    ["button_press", undefined],
    ["phone_notification", "READ_NOTIFICATIONS"],
    ["toString", undefined],
  ] as const)("%p needs %p", (literal, permission) => {
    expect(requiredPermission(parseStream(literal))).toBe(permission);
  });
});
