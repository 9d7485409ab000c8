import { describe, expect, test } from "bun:test";
import { Heartbeat } from "../../src/gateway/heartbeat.ts";
import { FakeClock } from "../support/fake-clock.ts";

describe("the heartbeat", () => {
  test("gives every member one beat a period, a twentieth of them at a time", () => {
    const clock = new FakeClock();
    const heartbeat = new Heartbeat(clock, 10_000, () => {});
    const beats = new Map<number, number>();
    for (let member = 0; member < 100; member++) {
      heartbeat.add(() => beats.set(member, (beats.get(member) ?? 0) + 1));
    }
    clock.advance(500);
    expect(beats.size).toBe(5);
    clock.advance(9_500);
    expect([...beats.values()]).toEqual(Array(100).fill(1));
    clock.advance(20_000);
    expect([...beats.values()]).toEqual(Array(100).fill(3));
  });

  test("goes on for the others when a beat throws or a member leaves in its beat", () => {
    const clock = new FakeClock();
    const errors: unknown[] = [];
    const heartbeat = new Heartbeat(clock, 10_000, (error) => errors.push(error));
    let beats = 0;
    heartbeat.add(() => {
      throw new Error("a beat");
    });
    const leave = heartbeat.add(() => {
      beats++;
      leave();
    });
    heartbeat.add(() => beats++);
    clock.advance(20_000);
    expect(errors).toHaveLength(2);
    expect(beats).toBe(3);
  });

  test("leaves no timer behind", () => {
    const clock = new FakeClock();
    const heartbeat = new Heartbeat(clock, 10_000, () => {});
    heartbeat.stop();
    heartbeat.stop();
    expect(clock.pending).toBe(0);
  });
});
