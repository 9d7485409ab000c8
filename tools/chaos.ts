import { parseArgs } from "node:util";
import type { ChaosOptions } from "../test/chaos/chaos-options.ts";
import { runChaos } from "../test/chaos/chaos-run.ts";
import { CommandFailure, runCommand } from "./command.ts";

const mostMinutes = 240;
const mostUsers = 1_000;

const usage = `usage: bun run chaos [--seed N] [--minutes M] [--users U] [--speed S] [--sdk-users K] [--no-kills] [--log]
  Lets users with glasses and apps live through cut, silent, slow and stalled connections, through apps that vanish, and
  through a server that is killed, and sees to it that nothing promised is broken. Everything stays on this machine.
  Exits with 1 if something was, and prints the seed and what had happened to those concerned.
  --seed N       repeats the plan of a run; if not given, a new one is chosen and printed
  --minutes M    how long things go wrong, at most ${mostMinutes}; 3 if not given
  --users U      users, each with two apps, at most ${mostUsers}; 200 if not given
  --speed S      how many times as fast as in life all timers run, 1 to 20; 4 if not given
  --sdk-users K  users who also have an app on the real @mentra/sdk; 3 if not given
  --no-kills     leaves the server's process alive
  --log          shows the server's log`;

await runCommand(usage, async () => {
  const options = readOptions();
  console.log(`seed ${options.seed}`);
  const { judge, figures } = await runChaos(options, (line) => console.log(line));
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(38)} ${value}`);
  const kinds = new Set<string>();
  for (const { what, userId, events } of judge.violations) {
    console.log(`${userId ?? "the server"}: ${what}`);
    // Of each kind one with all that led to it: the others look alike.
    const kind = what.replace(/[\w.]*\d+/g, "");
    if (!kinds.has(kind)) for (const event of events) console.log(`  ${event}`);
    kinds.add(kind);
  }
  console.log(
    judge.count === 0
      ? "every promise was kept"
      : `${judge.count} violations; --seed ${options.seed} repeats the plan`,
  );
  process.exit(judge.count === 0 ? 0 : 1);
});

function readOptions(): ChaosOptions {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: process.argv.slice(2),
      options: {
        seed: { type: "string" },
        minutes: { type: "string" },
        users: { type: "string" },
        speed: { type: "string" },
        "sdk-users": { type: "string" },
        "no-kills": { type: "boolean" },
        log: { type: "boolean" },
      },
    }));
  } catch (error) {
    throw new CommandFailure(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
  const number = (name: string, fallback: number, min: number, max: number): number => {
    const given = values[name];
    const value = given === undefined ? fallback : Number(given);
    if (!(value >= min && value <= max)) {
      throw new CommandFailure(`--${name} takes a number from ${min} to ${max}, not ${given}`);
    }
    return value;
  };
  const users = Math.round(number("users", 200, 1, mostUsers));
  return {
    seed: Math.round(number("seed", Math.floor(Math.random() * 2 ** 31), 0, 2 ** 32 - 1)),
    minutes: number("minutes", 3, 0.1, mostMinutes),
    users,
    speed: number("speed", 4, 1, 20),
    sdkUsers: Math.round(number("sdk-users", Math.min(3, users), 0, users)),
    kills: values["no-kills"] !== true,
    log: values["log"] === true,
  };
}
