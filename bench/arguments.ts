import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";

export interface BenchArguments {
  /** Part of the names of the benches to run; undefined: all. */
  readonly only: string | undefined;
  /** Absolute path of the file to write the figures to. */
  readonly json: string | undefined;
  /** Simulated glasses of the macro benches. */
  readonly sessions: number;
}

export const usualSessions = 200;
const mostSessions = 2000;
const options = ["--only", "--json", "--sessions"];

export const usage = `usage: bun run bench [--only NAME] [--json FILE] [--sessions N]
  --only NAME    run the benches whose name contains NAME, for instance micro, macro, ring or opus
  --json FILE    write all figures to FILE as well
  --sessions N   simulated glasses of the macro benches, at most ${mostSessions}; ${usualSessions} if not given`;

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
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const [option = "", inline] = splitOnce(args[i] ?? "");
    if (option === "--help" || option === "-h") return undefined;
    if (!options.includes(option)) throw new ArgumentError(`unknown argument ${args[i]}`);
    if (given.has(option)) throw new ArgumentError(`${option} is given twice`);
    const value = inline ?? args[++i];
    if (value === undefined || value === "" || (inline === undefined && value.startsWith("--")))
      throw new ArgumentError(`${option} needs a value`);
    given.set(option, value);
  }
  const only = given.get("--only");
  if (only !== undefined && !names.some((name) => matches(name, only))) {
    throw new ArgumentError(
      `no bench is called ${only}; there are:\n${names.map((n) => `  ${n}`).join("\n")}`,
    );
  }
  const json = given.get("--json");
  return {
    only,
    json: json === undefined ? undefined : writablePath(json),
    sessions: sessionCount(given.get("--sessions")),
  };
}

/** Whether the bench `name` is meant by `--only`. */
export function matches(name: string, only: string | undefined): boolean {
  return only === undefined || name.toLowerCase().includes(only.toLowerCase());
}

function splitOnce(arg: string): [string, string | undefined] {
  const at = arg.startsWith("--") ? arg.indexOf("=") : -1;
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

function sessionCount(text: string | undefined): number {
  if (text === undefined) return usualSessions;
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > mostSessions)
    throw new ArgumentError(`--sessions takes a whole number from 1 to ${mostSessions}, not ${text}`);
  return count;
}

/** Found out now and not after three minutes of measuring. */
function writablePath(file: string): string {
  const path = resolve(file);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new ArgumentError(`--json ${file} is a folder`);
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory())
    throw new ArgumentError(`--json ${file}: the folder ${dirname(path)} does not exist`);
  return path;
}
