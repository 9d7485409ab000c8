import { describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArgumentError, matches, parseArguments } from "../../bench/arguments.ts";

const names = ["micro ring: a frame of 42 B", "macro ingest: nobody listens"];

function complaint(...args: string[]): string {
  try {
    parseArguments(args, names);
  } catch (error) {
    if (error instanceof ArgumentError) return error.message;
    throw error;
  }
  return "";
}

describe("command line of the bench", () => {
  test("without arguments the short run is meant", () => {
    expect(parseArguments([], names)).toEqual({
      command: "bench",
      only: undefined,
      full: false,
      compare: undefined,
      json: undefined,
    });
  });

  test("values are taken with a space and with an equals sign", () => {
    const json = join(tmpdir(), "figures.json");
    expect(parseArguments(["--only", "Ring", `--json=${json}`, "--full"], names)).toMatchObject({
      only: "Ring",
      json,
      full: true,
    });
  });

  test("a profile and a soak take arguments of their own", () => {
    expect(parseArguments(["profile", "opus", "--seconds", "9", "--heap"], names)).toEqual({
      command: "profile",
      what: "opus",
      sessions: 200,
      seconds: 9,
      heap: true,
    });
    expect(parseArguments(["soak"], names)).toEqual({ command: "soak", minutes: 30 });
  });

  test("a part of a name, in any case, means every bench that has it", () => {
    expect(names.filter((name) => matches(name, "RING"))).toEqual([names[0] ?? ""]);
    expect(names.filter((name) => matches(name, "m"))).toEqual(names);
    expect(names.filter((name) => matches(name, undefined))).toEqual(names);
  });

  test("asking for help asks for nothing else", () => {
    expect(parseArguments(["--only", "ring", "--help"], names)).toBeUndefined();
  });

  test.each([
    [["--fast"], "unknown argument --fast"],
    [["ring"], "unknown argument ring"],
    [["--only"], "--only needs a value"],
    [["--only", "--json"], "--only needs a value"],
    [["--only="], "--only needs a value"],
    [["--only", "ring", "--only", "ring"], "--only is given twice"],
    [["--only", "rung"], "no bench is called rung; there are:\n  micro ring"],
    [["--json", tmpdir()], "is a folder"],
    [["--json", join(tmpdir(), "no such folder", "figures.json")], "does not exist"],
    [["--compare", join(tmpdir(), "no such file")], "cannot be read"],
    [["--compare", import.meta.path], "holds no results"],
    [["profile", "everything"], "there is no load called everything"],
    [["profile", "--sessions", "0"], "--sessions takes a whole number from 1 to 2000, not 0"],
    [["soak", "--minutes", "many"], "--minutes takes a whole number"],
  ])("%p is refused with a reason", (args, reason) => {
    expect(complaint(...args)).toContain(reason);
  });
});
