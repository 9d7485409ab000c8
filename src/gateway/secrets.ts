import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../kernel/config.ts";

export interface Secrets {
  /** Signs and checks core tokens and app tokens. */
  readonly tokenSecret: string;
  /** Opens the admin API. */
  readonly adminToken: string;
}

/**
 * Reads the server's secrets from its data folder, and makes folder and secrets on first run, readable by their owner
 * only. A secret given as a setting is used instead of the kept one.
 * @throws Error with one line for the operator when the folder cannot be used.
 */
export function loadSecrets(dataDir: string, config: Pick<Config, "tokenSecret" | "adminToken">): Secrets {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(`The data folder ${dataDir} cannot be made: ${reason(error)}`, { cause: error });
  }
  return {
    tokenSecret: config.tokenSecret ?? keptSecret(dataDir, "token-secret", "token secret"),
    adminToken: config.adminToken ?? keptSecret(dataDir, "admin-token", "admin token"),
  };
}

/** Whether others on this machine can look into the data folder: it was there before, and with a more open mode. */
export function isOpenToOthers(dataDir: string): boolean {
  return (statSync(dataDir).mode & 0o077) !== 0;
}

function keptSecret(dataDir: string, name: string, what: string): string {
  const file = join(dataDir, name);
  let secret: string;
  try {
    secret = readOrMake(file);
  } catch (error) {
    throw new Error(`The ${what} ${file} can be neither read nor made: ${reason(error)}`, { cause: error });
  }
  if (secret.length < 16) throw new Error(`The ${what} in ${file} is shorter than 16 characters`);
  return secret;
}

function readOrMake(file: string): string {
  try {
    const kept = readFileSync(file, "utf8").trim();
    chmodSync(file, 0o600);
    return kept;
  } catch (error) {
    if (!isCode(error, "ENOENT")) throw error;
  }
  // Written aside and linked into place, so that another process never reads half a secret and the first one wins.
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  } finally {
    unlinkSync(draft);
  }
  return readFileSync(file, "utf8").trim();
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
