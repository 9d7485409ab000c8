/** What the person at the terminal did wrong, or what is wrong on the machine: one line, without a stack. */
export class CommandFailure extends Error {}

/** Runs a command: a failure prints its line on stderr and makes the process exit with 1. */
export async function runCommand(run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
