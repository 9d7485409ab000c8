import { describe, expect, test } from "bun:test";
import {
  type CircuitEvent,
  type CircuitState,
  closedCircuit,
  nextCircuit,
} from "../../../workers/stt/cloud/circuit.ts";

function after(...steps: [atMs: number, event: CircuitEvent][]): CircuitState {
  return steps.reduce<CircuitState>((state, [atMs, event]) => nextCircuit(state, event, atMs), closedCircuit);
}
const broken: CircuitEvent = { kind: "failed", failure: "transient" };
const probed: CircuitEvent = { kind: "probed" };

describe("the circuit of a provider", () => {
  test("opens for 5 s at the third failure within 30 s, and not at failures that lie further apart", () => {
    expect(after([0, broken], [10_000, broken], [29_000, broken])).toEqual({
      kind: "open",
      untilMs: 34_000,
      coolDownMs: 5_000,
    });
    expect(after([0, broken], [20_000, broken], [31_000, broken]).kind).toBe("closed");
  });

  test("counts the breaks of older connections while it is open as the same failure", () => {
    const open = after([0, broken], [1, broken], [2, broken]);
    expect(nextCircuit(open, broken, 100)).toEqual(open);
  });

  test("doubles its cool-down with every failed probe, up to 5 minutes, and starts over after an answer", () => {
    let state = after([0, broken], [0, broken], [0, broken]);
    const coolDowns: number[] = [];
    for (let i = 0; i < 8; i++) {
      state = nextCircuit(nextCircuit(state, probed, i), broken, i);
      if (state.kind === "open") coolDowns.push(state.coolDownMs);
    }
    expect(coolDowns).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
    expect(nextCircuit(state, { kind: "answered" }, 9)).toEqual(closedCircuit);
  });

  test("opens at once for 10 minutes when the key is refused", () => {
    expect(after([5, { kind: "failed", failure: "auth" }])).toMatchObject({ kind: "open", untilMs: 600_005 });
  });

  test("may be probed again at once when a probe has shown nothing", () => {
    const state = after(
      [0, broken],
      [0, broken],
      [0, broken],
      [6_000, probed],
      [7_000, { kind: "undecided" }],
    );
    expect(state).toEqual({ kind: "open", untilMs: 7_000, coolDownMs: 5_000 });
  });

  test("takes another worker's word: opens, stays open for as long as either says, and closes", () => {
    const told = (untilMs: number | undefined): CircuitEvent => ({
      kind: "told",
      untilMs,
      coolDownMs: 5_000,
    });
    expect(after([0, told(5_000)])).toEqual({ kind: "open", untilMs: 5_000, coolDownMs: 5_000 });
    const refused: CircuitEvent = { kind: "failed", failure: "auth" };
    expect(after([0, refused], [1_000, told(6_000)])).toMatchObject({ kind: "open", untilMs: 600_000 });
    expect(after([0, refused], [1_000, told(undefined)])).toEqual(closedCircuit);
  });
});
