import { describe, expect, test } from "bun:test";
import { OpenGate } from "../../../workers/stt/cloud/open-gate.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function gate({ connections = 2, openBurst = 100, opensPerSecond = 100 } = {}) {
  const clock = new FakeClock();
  const entered: string[] = [];
  const opened = new OpenGate({ clock, connections, openBurst, opensPerSecond });
  const request = (name: string) => opened.request(() => void entered.push(name));
  return { clock, entered, request, gate: opened };
}

describe("the gate to an account", () => {
  test("lets in as many as the account allows, and the others in the order of their arrival", () => {
    const { entered, request, gate: opened } = gate();
    const [a, , c, d] = ["a", "b", "c", "d"].map(request);
    expect(entered).toEqual(["a", "b"]);
    expect(opened.waiting).toBe(2);
    c?.release();
    a?.release();
    expect(entered).toEqual(["a", "b", "d"]);
    a?.release();
    d?.release();
    expect(opened.inside).toBe(1);
    expect(opened.hasRoom).toBeTrue();
  });

  test("spreads opens that come all at once over time", () => {
    const { clock, entered, request } = gate({ connections: 100, openBurst: 3, opensPerSecond: 2 });
    for (let i = 0; i < 8; i++) request(String(i));
    expect(entered).toHaveLength(3);
    clock.advance(1_000);
    expect(entered).toHaveLength(5);
    clock.advance(1_500);
    expect(entered).toHaveLength(8);
    expect(entered).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
  });
});
