/** What the person at the terminal did wrong, or what is wrong on the machine: one line, without a stack. */
export class CommandFailure extends Error {}

/** Whether somebody wants to know how a command is used, rather than to use it. */
export function asksForHelp(args: readonly string[]): boolean {
  return args.includes("--help") || args.includes("-h");
}

/**
 * Runs a command, or prints how it is used where that is asked for. A failure prints its line on stderr and makes the
 * process exit with 1.
 */
export async function runCommand(usage: string, run: () => void | Promise<void>): Promise<void> {
  if (asksForHelp(process.argv.slice(2))) {
    console.log(usage);
    return;
  }
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
