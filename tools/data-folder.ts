import { mkdirSync } from "node:fs";
import { CommandFailure } from "./command.ts";

/**
 * Makes the data folder where it is not there yet, for its owner only.
 * @throws CommandFailure when it cannot be made.
 */
export function makeDataFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`The data folder ${dataDir} cannot be made: ${why}`);
  }
}
