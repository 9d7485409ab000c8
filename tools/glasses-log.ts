import { commandLine } from "../src/kernel/command-line.ts";
import { CommandFailure } from "./command.ts";
import { type GlassesSession, say } from "./glasses-session.ts";
import { interruption } from "./interruption.ts";

const startMs = 20_000;
/** After the last word, how long the display may take to begin with its text, and to stay the same. */
const quietMs = 3_000;

/**
 * Simulated glasses where there is no terminal to draw on: a line for everything that happens. Ends when all that was to be
 * said has been said and the display has come to rest, or never when there was nothing to say.
 * @throws CommandFailure when the app does not start or the microphone stays off.
 */
export async function logGlasses(session: GlassesSession): Promise<void> {
  const { glasses, state, app, speech } = session;
  let printed = 0;
  const print = () => {
    for (; printed < state.total; printed++) {
      const event = state.eventNumber(printed);
      if (event) console.log(`${event.at.toISOString().slice(11, 23)}  ${event.line}`);
    }
  };
  state.onChange = print;
  print();
  const interrupted = interruption();

  const work = async () => {
    if (app !== undefined) {
      state.problem = undefined;
      glasses.startApp(app);
      await orFail(
        glasses.until(() => glasses.runningApps.includes(app) || state.problem !== undefined, app, startMs),
        `${app} does not run after ${startMs / 1000} s. Is it registered (${commandLine("apps list")}), and does it answer?`,
      );
      if (!glasses.runningApps.includes(app))
        throw new CommandFailure(`${app} does not start: ${state.problem}`);
    }
    if (speech.length === 0) return interrupted;
    if (state.runningApps.length + state.loadingApps.length === 0) {
      throw new CommandFailure(
        "No app runs that could hear anything: start one that listens, with --app PACKAGE.",
      );
    }
    await orFail(
      glasses.until(() => glasses.microphoneOn, "the microphone", startMs),
      "The server does not want the microphone on: start an app that listens, with --app PACKAGE.",
    );
    for (const piece of speech) {
      state.note(`says ${JSON.stringify(piece.label)}`);
      await say(session, piece);
    }
    await displayAtRest(session);
  };
  await Promise.race([work(), interrupted]);
}

/** Resolves when the display has not changed for a while. */
async function displayAtRest({ glasses }: GlassesSession): Promise<void> {
  for (let changed = true; changed; ) {
    const before = glasses.displayText();
    changed = await glasses
      .until(() => glasses.displayText() !== before, "another display", quietMs)
      .then(() => true)
      .catch(() => false);
  }
}

async function orFail(wait: Promise<void>, problem: string): Promise<void> {
  try {
    await wait;
  } catch {
    throw new CommandFailure(problem);
  }
}
