import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { takeLock } from "./process-lock.ts";
import { installSystemPackages, type SystemPackage, system } from "./system-packages.ts";

/**
 * Makes a fresh clone ready to run: npm packages exactly as the lockfile says and, as root on Debian, the named system
 * packages. Costs a few milliseconds when all is there. Says what it does on stderr, and nothing when it does nothing.
 * @throws Error when the npm packages cannot be installed. Missing system packages are only reported: the server runs
 * without them and says what is degraded.
 */
export async function setUp(root: string, packages: readonly SystemPackage[]): Promise<void> {
  const ready = () => npmPackagesMatch(root) && system.missing(packages).length === 0;
  if (ready()) return;
  // Two starts at one moment: the second waits here, and then finds the work done.
  const lock = join(tmpdir(), `browline-setup-${sha256(root).slice(0, 16)}.lock`);
  let release = takeLock(lock);
  while (release === undefined) {
    await sleep(100);
    release = takeLock(lock);
  }
  try {
    if (!npmPackagesMatch(root)) await installNpmPackages(root);
    const missing = system.missing(packages);
    if (missing.length > 0) await installSystemPackages(missing, (line) => console.error(line));
  } finally {
    release();
  }
}

/** Whether the installed npm packages are those of the lockfile, by the note that the last installation left. */
export function npmPackagesMatch(root: string): boolean {
  const stamp = stampFile(root);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === lockfileHash(root);
}

async function installNpmPackages(root: string): Promise<void> {
  console.error("Installing npm packages ...");
  const hash = lockfileHash(root);
  const child = Bun.spawn([process.execPath, "install", "--frozen-lockfile"], {
    cwd: root,
    env: { ...process.env, ...homeFolder(root) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (exitCode !== 0) throw new Error(`The npm packages could not be installed:\n${stdout}${stderr}`.trim());
  mkdirSync(join(root, "node_modules"), { recursive: true });
  writeFileSync(stampFile(root), hash);
}

/** Without a home folder Bun would put its cache in the middle of the clone. */
function homeFolder(root: string): Record<string, string> {
  const { HOME } = process.env;
  return HOME ? {} : { HOME: join(root, "node_modules", ".cache") };
}

function stampFile(root: string): string {
  return join(root, "node_modules", ".browline-lockfile");
}

function lockfileHash(root: string): string {
  return sha256(readFileSync(join(root, "bun.lock")));
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
