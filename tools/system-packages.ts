import { existsSync, readdirSync } from "node:fs";

/** A Debian package, and a file by which to know that it is there: a library's name, or an absolute path. */
export interface SystemPackage {
  readonly name: string;
  readonly file: string;
}

/** What the server uses when it is there: the offline recogniser, its model, and two codecs. */
export const serverPackages: readonly SystemPackage[] = [
  { name: "libpocketsphinx3", file: "libpocketsphinx.so.3" },
  { name: "pocketsphinx-en-us", file: "/usr/share/pocketsphinx/model/en-us/en-us/mdef" },
  { name: "libopus0", file: "libopus.so.0" },
  { name: "liblc3-0", file: "liblc3.so.0" },
];

/** What the tests use besides: recordings of people. */
export const testPackages: readonly SystemPackage[] = [
  { name: "pocketsphinx-testdata", file: "/usr/share/pocketsphinx/test/data/goforward.raw" },
];

/** The part of a machine that this file looks at; tests bring another one. */
export class System {
  readonly #exists: (path: string) => boolean;
  readonly #libraryFolders: readonly string[];

  constructor(exists: (path: string) => boolean, arch: NodeJS.Architecture) {
    this.#exists = exists;
    const multiarch = arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
    this.#libraryFolders = [
      `/usr/lib/${multiarch}`,
      `/lib/${multiarch}`,
      "/usr/local/lib",
      "/usr/lib64",
      "/usr/lib",
    ];
  }

  /** Names of those packages that are not there. */
  missing(packages: readonly SystemPackage[]): string[] {
    return packages.filter(({ file }) => !this.#has(file)).map(({ name }) => name);
  }

  /** Whether `apt-get` can install packages here. */
  get isDebian(): boolean {
    return this.#exists("/etc/debian_version") && this.#exists("/usr/bin/apt-get");
  }

  #has(file: string): boolean {
    if (file.startsWith("/")) return this.#exists(file);
    return this.#libraryFolders.some((folder) => this.#exists(`${folder}/${file}`));
  }
}

export const system = new System(existsSync, process.arch);

/** What a person types to install packages. */
export function aptLine(names: readonly string[]): string {
  return `apt-get install -y --no-install-recommends ${names.join(" ")}`;
}

/**
 * Installs Debian packages where that is possible, and otherwise says in one line what is missing and how to get it.
 * Never fails: what is missing is reported as degraded by the server.
 */
export async function installSystemPackages(
  names: readonly string[],
  say: (line: string) => void,
): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (!system.isDebian) {
    say(`Missing, and not to be installed from here: ${names.join(" ")} (names of the Debian packages)`);
    return;
  }
  if (!isRoot) {
    say(`Missing: ${names.join(" ")}. To install: sudo ${aptLine(names)}`);
    return;
  }
  say(`Installing ${names.join(" ")} ...`);
  if (hasPackageLists() && (await aptGet(["install", ...names])) === undefined) return;
  const problem = (await aptGet(["update"])) ?? (await aptGet(["install", ...names]));
  if (problem !== undefined) say(`apt-get could not install ${names.join(" ")}: ${problem}`);
}

/** Without lists, as in a fresh container, an installation finds nothing. */
function hasPackageLists(): boolean {
  try {
    return readdirSync("/var/lib/apt/lists").some((file) => file.includes("_Packages"));
  } catch {
    return false;
  }
}

/** Runs apt-get. Returns the last thing it complained about when it failed. */
async function aptGet(args: readonly string[]): Promise<string | undefined> {
  const options = ["-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"];
  const child = Bun.spawn(["/usr/bin/apt-get", ...options, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 5 * 60_000,
  });
  const [stderr, exitCode] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (exitCode === 0) return undefined;
  return (
    stderr
      .trim()
      .split("\n")
      .findLast((line) => line.startsWith("E:")) ?? `exit code ${exitCode}`
  );
}
