import { readFileSync, rmSync, writeFileSync } from "node:fs";

/**
 * Takes a lock between processes: a file that holds the owner's process id. Returns what gives it back, or undefined when
 * a living process has it. A lock whose owner has died is taken over.
 */
export function takeLock(file: string): (() => void) | undefined {
  if (!create(file)) {
    if (ownerLives(file)) return undefined;
    rmSync(file, { force: true });
    if (!create(file)) return undefined;
  }
  return () => rmSync(file, { force: true });
}

function create(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function ownerLives(file: string): boolean {
  let owner: number;
  try {
    owner = Number(readFileSync(file, "utf8"));
  } catch {
    return false;
  }
  // An empty file is one whose owner is just writing its id.
  if (!Number.isInteger(owner) || owner <= 0) return true;
  try {
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
