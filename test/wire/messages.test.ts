import { describe, expect, test } from "bun:test";
import { parseAppMessage } from "../../src/wire/apps.ts";
import { parseGlassesMessage } from "../../src/wire/glasses.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("messages of the glasses", () => {
  test.each([
    ['{"type":"VAD","status":true}', "VAD"],
    ['{"type":"vad","status":"false","timestamp":17}', "VAD"],
    [
      '{"type":"connection_init","userId":"x","coreToken":"y","timestamp":"2026-11-22T06:02:34.741Z"}',
      "connection_init",
    ],
    ['{"type":"head_position","position":"up","whatever":[1,2]}', "head_position"],
    ['{"type":"location_update","lat":48.2,"lng":16.3}', "location_update"],
  ])("%s is read as %s", (frame, type) => {
    expect(parseGlassesMessage(frame)).toMatchObject({ kind: "message", message: { type } });
  });

  test.each([
    ["", "malformed"],
    ["nonsense", "malformed"],
    ["null", "malformed"],
    ["[]", "malformed"],
    ['{"type":7}', "malformed"],
    ['{"type":"udp_register"}', "unknown"],
    ['{"type":"__proto__"}', "unknown"],
    ['{"type":"toString"}', "unknown"],
    ['{"type":"VAD","status":"yes"}', "invalid"],
    ['{"type":"start_app"}', "invalid"],
    ['{"type":"button_press","buttonId":7,"pressType":"short"}', "invalid"],
  ])("%s is %s and does no harm", (frame, kind) => {
    expect(parseGlassesMessage(frame).kind).toBe(kind as "malformed");
  });

  test("whatever arrives, reading it does not throw", () => {
    const random = seededRandom("message reader");
    const alphabet = '{}[]":,typeVADstatus01ntrufalse\\\u0000é ';
    for (let i = 0; i < 3_000; i++) {
      const frame = Array.from({ length: random.integer(0, 60) }, () => random.pick([...alphabet])).join("");
      expect(["message", "unknown", "invalid", "malformed"]).toContain(parseGlassesMessage(frame).kind);
      expect(["message", "unknown", "invalid", "malformed"]).toContain(parseAppMessage(frame).kind);
    }
  });
});

describe("messages of apps, as the SDK 2.1.29 sends them", () => {
  test.each([
    '{"type":"tpa_connection_init","sessionId":"u@x.y-com.example.cap","packageName":"com.example.cap","apiKey":"key-123","timestamp":"2026-11-22T06:02:52.620Z"}',
    '{"timestamp":"2026-11-22T06:02:55.016Z","sessionId":"","type":"display_event","packageName":"com.example.cap","view":"main","layout":{"layoutType":"text_wall","text":"timed"},"durationMs":2500}',
    '{"type":"ownership_release","packageName":"com.example.cap","sessionId":"s","reason":"switching_clouds"}',
    '{"type":"subscription_update","packageName":"com.example.cap","subscriptions":["transcription:en-US",{"stream":"location_stream","rate":"realtime"}],"sessionId":"s"}',
  ])("%s is read", (frame) => {
    expect(parseAppMessage(frame)).toMatchObject({
      kind: "message",
      message: { type: JSON.parse(frame).type },
    });
  });
});
