import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Results, readResults } from "./results.ts";

export type BenchArguments =
  | {
      readonly command: "bench";
      /** Part of the names of the benches to run; undefined: all of the length that was asked for. */
      readonly only: string | undefined;
      /** Whether to measure everything that the targets name. */
      readonly full: boolean;
      /** The run to compare with. */
      readonly compare: Results | undefined;
      /** Absolute path of the file to write the figures to; undefined: one named after the date. */
      readonly json: string | undefined;
    }
  | {
      readonly command: "profile";
      readonly what: ProfiledLoad;
      readonly sessions: number;
      readonly seconds: number;
      readonly heap: boolean;
    }
  | { readonly command: "soak"; readonly minutes: number };

export const profiledLoads = ["ingest", "relay", "speech", "opus"] as const;
export type ProfiledLoad = (typeof profiledLoads)[number];

export const usage = `usage: bun run bench [--only NAME] [--full] [--compare FILE] [--json FILE]
       bun run bench profile [${profiledLoads.join("|")}] [--sessions N] [--seconds N] [--heap]
       bun run bench soak [--minutes N]
  --only NAME     run the benches whose name contains NAME, for instance micro, ring, opus, relay or memory
  --full          measure everything that the targets name, in about 20 minutes; otherwise under 3
  --compare FILE  mark what has become worse than in the results in FILE, beyond the noise of both
  --json FILE     write all figures to FILE instead of bench/results/<date>.json
  profile         drive a load and write a .cpuprofile for the main thread and each worker; --heap: a heap snapshot too
  soak            constant load: how memory grows, and what is left`;

/** What is wrong with the command line, for a person to read. */
export class ArgumentError extends Error {}

/**
 * Reads the command line. Undefined: help was asked for.
 * @param names of all benches, so that a `--only` that fits none is noticed before anything runs.
 * @throws ArgumentError
 */
export function parseArguments(
  args: readonly string[],
  names: readonly string[],
): BenchArguments | undefined {
  if (args.includes("--help") || args.includes("-h")) return undefined;
  const [first] = args;
  if (first === "profile") return parseProfile(args.slice(1));
  if (first === "soak") {
    const given = readOptions(args.slice(1), ["--minutes"], []);
    return { command: "soak", minutes: whole("--minutes", given.get("--minutes"), 30, 1, 24 * 60) };
  }
  const given = readOptions(args, ["--only", "--compare", "--json"], ["--full"]);
  const only = given.get("--only");
  if (only !== undefined && !names.some((name) => matches(name, only))) {
    throw new ArgumentError(
      `no bench is called ${only}; there are:\n${names.map((n) => `  ${n}`).join("\n")}`,
    );
  }
  const [json, compare] = [given.get("--json"), given.get("--compare")];
  return {
    command: "bench",
    only,
    full: given.has("--full"),
    compare: compare === undefined ? undefined : readable(compare),
    json: json === undefined ? undefined : writablePath(json),
  };
}

/** Whether the bench `name` is meant by `--only`. */
export function matches(name: string, only: string | undefined): boolean {
  return only === undefined || name.toLowerCase().includes(only.toLowerCase());
}

function parseProfile(args: readonly string[]): BenchArguments {
  const [first] = args;
  const named = first !== undefined && !first.startsWith("--");
  const what = profiledLoads.find((load) => load === first);
  if (named && what === undefined) {
    throw new ArgumentError(`there is no load called ${first}; there are ${profiledLoads.join(", ")}`);
  }
  const given = readOptions(args.slice(named ? 1 : 0), ["--sessions", "--seconds"], ["--heap"]);
  return {
    command: "profile",
    what: what ?? "speech",
    sessions: whole("--sessions", given.get("--sessions"), 200, 1, 2_000),
    seconds: whole("--seconds", given.get("--seconds"), 5, 1, 60),
    heap: given.has("--heap"),
  };
}

/** Options with a value, as `--name value` or `--name=value`, and flags, each at most once. */
function readOptions(
  args: readonly string[],
  valued: readonly string[],
  flags: readonly string[],
): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const [option = "", inline] = splitOnce(args[i] ?? "");
    const isFlag = flags.includes(option) && inline === undefined;
    if (!isFlag && !valued.includes(option)) throw new ArgumentError(`unknown argument ${args[i]}`);
    if (given.has(option)) throw new ArgumentError(`${option} is given twice`);
    const value = isFlag ? "" : (inline ?? args[++i]);
    if (
      value === undefined ||
      (!isFlag && (value === "" || (inline === undefined && value.startsWith("--"))))
    )
      throw new ArgumentError(`${option} needs a value`);
    given.set(option, value);
  }
  return given;
}

function splitOnce(arg: string): [string, string | undefined] {
  const at = arg.startsWith("--") ? arg.indexOf("=") : -1;
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

function whole(option: string, text: string | undefined, usual: number, least: number, most: number): number {
  if (text === undefined) return usual;
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(count >= least && count <= most))
    throw new ArgumentError(`${option} takes a whole number from ${least} to ${most}, not ${text}`);
  return count;
}

function readable(file: string): Results {
  let text: string;
  try {
    text = readFileSync(resolve(file), "utf8");
  } catch {
    throw new ArgumentError(`--compare ${file} cannot be read`);
  }
  const results = readResults(text);
  if (results === undefined) throw new ArgumentError(`--compare ${file} holds no results of a bench`);
  return results;
}

/** Found out now and not after all the measuring. */
function writablePath(file: string): string {
  const path = resolve(file);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new ArgumentError(`--json ${file} is a folder`);
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory())
    throw new ArgumentError(`--json ${file}: the folder ${dirname(path)} does not exist`);
  return path;
}
