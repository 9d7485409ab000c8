import { describe, expect, test } from "bun:test";
import { ProviderTime } from "../../../workers/stt/cloud/provider-time.ts";

describe("the time of a connection", () => {
  test("begins at the session's sample that was sent first", () => {
    const time = new ProviderTime();
    time.sent(48_000, 1_600);
    expect(time.toSession(0)).toBe(48_000);
    expect(time.toSession(800)).toBe(48_800);
  });

  test("is mapped over what was not sent, with both answers at the seam", () => {
    const time = new ProviderTime();
    time.sent(0, 1_600);
    time.sent(1_600, 1_600);
    time.sent(80_000, 1_600);
    expect(time.toSession(3_199)).toBe(3_199);
    expect(time.toSession(3_200, "end")).toBe(3_200);
    expect(time.toSession(3_200, "start")).toBe(80_000);
    expect(time.toSession(4_000)).toBe(80_800);
  });

  test("goes back where audio is sent again", () => {
    const time = new ProviderTime();
    time.sent(16_000, 1_600);
    time.sent(16_000, 1_600);
    expect(time.toSession(1_700)).toBe(16_100);
  });

  test("never reaches beyond what was sent, whatever the service says", () => {
    const time = new ProviderTime();
    expect(time.toSession(16_000)).toBe(0);
    time.sent(32_000, 1_600);
    expect(time.toSession(99_999)).toBe(33_600);
    expect(time.toSession(-5)).toBe(32_000);
  });

  test("stands still over padding, and the session goes on behind it", () => {
    const time = new ProviderTime();
    time.sent(0, 1_600);
    time.padded(800);
    expect(time.toSession(2_000, "end")).toBe(1_600);
    time.sent(1_600, 1_600);
    expect(time.toSession(2_400)).toBe(1_600);
    expect(time.toSession(2_500)).toBe(1_700);
  });

  test("remembers a bounded number of holes and answers old positions by the oldest", () => {
    const time = new ProviderTime();
    for (let at = 0; at < 10_000; at++) time.sent(at * 3_200, 1_600);
    expect(time.toSession(9_999 * 1_600)).toBe(9_999 * 3_200);
    expect(time.toSession(0)).toBe((10_000 - 256) * 3_200);
  });
});
