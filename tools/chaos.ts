import { parseArgs } from "node:util";
import type { ChaosOptions } from "../test/chaos/chaos-options.ts";
import { runChaos } from "../test/chaos/chaos-run.ts";
import { runStorm, type StormOptions } from "../test/chaos/storm.ts";
import { CommandFailure, runCommand } from "./command.ts";

const mostMinutes = 240;
const mostUsers = 1_000;

const usage = `usage: bun run chaos [--seed N] [--minutes M] [--users U] [--speed S] [--sdk-users K] [--no-kills] [--stop]
                     [--forget] [--log]
       bun run chaos storm [--seed N] [--sessions N] [--rounds R] [--log]
  Lets users with glasses and apps live through cut, silent, slow and stalled connections, through apps that vanish, and
  through a server that is killed, and sees to it that nothing promised is broken. Everything stays on this machine.
  Exits with 1 if something was, and prints the seed and what had happened to those concerned.
  --seed N       repeats the plan of a run; if not given, a new one is chosen and printed
  --minutes M    how long things go wrong, at most ${mostMinutes}; 3 if not given
  --users U      users, each with two apps, at most ${mostUsers}; 200 if not given
  --speed S      how many times as fast as in life all timers run, 1 to 20; 4 if not given
  --sdk-users K  users who also have an app on the real @mentra/sdk; 3 if not given
  --no-kills     leaves the server's process and its threads alive
  --stop         ends with the first promise that is broken
  --forget       erases with every kill what the server has kept of sessions: a run that has to fail
  --log          shows the server's log
storm kills a server with many sessions, and measures how everybody returns at once:
  --sessions N   sessions, each with two apps, at most ${mostUsers}; 500 if not given
  --rounds R     times that the server is killed, at most 20; 3 if not given`;

/** Options of both. */
const common = { seed: { type: "string" }, log: { type: "boolean" } } as const;

await runCommand(usage, async () => {
  const isStorm = process.argv[2] === "storm";
  const options = isStorm ? readStormOptions() : readOptions();
  console.log(`seed ${options.seed}`);
  const kept = "rounds" in options ? await storm(options) : await chaos(options);
  process.exit(kept ? 0 : 1);
});

/** @returns whether every promise was kept. */
async function chaos(options: ChaosOptions): Promise<boolean> {
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
  const bad = `${judge.count} violations; --seed ${options.seed} repeats the plan`;
  console.log(judge.count === 0 ? "every promise was kept" : bad);
  return judge.count === 0;
}

/** @returns whether everybody was back in time, with everything. */
async function storm(options: StormOptions): Promise<boolean> {
  const rounds = await runStorm(options, (line) => console.log(line));
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  for (const round of rounds) {
    const { lag } = round;
    console.log(
      [
        `listened again after ${ms(round.startMs)}`,
        `99 % of the glasses after ${ms(round.glassesMs)}`,
        `99 % of the apps with what they listen to after ${ms(round.appsMs)}`,
        `${round.missing} apps missing`,
        `main loop late by ${ms(lag.p50)} (p50), ${ms(lag.p99)} (p99), ${ms(lag.max)} (most)`,
        `worked for ${ms(round.workedMs)} of processor time`,
        `${round.readsPerReconnect.toFixed(2)} database reads for each socket`,
        `${round.webhooks} webhooks`,
        `${round.lost} presses lost`,
        `${round.residentMiB.toFixed(0)} MiB`,
      ].join(", "),
    );
  }
  return rounds.every(({ missing, lost }) => missing === 0 && lost === 0);
}

function readOptions(): ChaosOptions {
  const { number, values } = readArguments(process.argv.slice(2), {
    ...common,
    minutes: { type: "string" },
    users: { type: "string" },
    speed: { type: "string" },
    "sdk-users": { type: "string" },
    "no-kills": { type: "boolean" },
    stop: { type: "boolean" },
    forget: { type: "boolean" },
  });
  const users = Math.round(number("users", 200, 1, mostUsers));
  return {
    seed: readSeed(number),
    minutes: number("minutes", 3, 0.1, mostMinutes),
    users,
    speed: number("speed", 4, 1, 20),
    sdkUsers: Math.round(number("sdk-users", Math.min(3, users), 0, users)),
    kills: values["no-kills"] !== true,
    forgets: values["forget"] === true,
    stopsEarly: values["stop"] === true,
    log: values["log"] === true,
  };
}

function readStormOptions(): StormOptions {
  const { number, values } = readArguments(process.argv.slice(3), {
    ...common,
    sessions: { type: "string" },
    rounds: { type: "string" },
  });
  return {
    seed: readSeed(number),
    sessions: Math.round(number("sessions", 500, 1, mostUsers)),
    rounds: Math.round(number("rounds", 3, 1, 20)),
    log: values["log"] === true,
  };
}

type ReadNumber = (name: string, fallback: number, min: number, max: number) => number;

function readSeed(number: ReadNumber): number {
  return Math.round(number("seed", Math.floor(Math.random() * 2 ** 31), 0, 2 ** 32 - 1));
}

/** @throws CommandFailure for an option that there is not. */
function readArguments(args: string[], options: Record<string, { type: "string" | "boolean" }>) {
  const values = parse(args, options);
  const number: ReadNumber = (name, fallback, min, max) => {
    const given = values[name];
    const value = given === undefined ? fallback : Number(given);
    if (!(value >= min && value <= max)) {
      throw new CommandFailure(`--${name} takes a number from ${min} to ${max}, not ${given}`);
    }
    return value;
  };
  return { values, number };
}

function parse(args: string[], options: Record<string, { type: "string" | "boolean" }>) {
  try {
    const values: Record<string, unknown> = parseArgs({ args, options }).values;
    return values;
  } catch (error) {
    throw new CommandFailure(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}
