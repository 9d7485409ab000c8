import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyCoreToken } from "../../src/gateway/core-token.ts";
import { loadSecrets } from "../../src/gateway/secrets.ts";
import { commandLine } from "../../src/kernel/command-line.ts";
import { sha256Hex } from "../../src/kernel/identity.ts";
import { DataLock } from "../../src/store/data-lock.ts";
import { withAppDatabase } from "../../tools/app-database.ts";
import { registerCaptions, runningCaptions } from "../../tools/captions-registration.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { tlsCertificate } from "../support/tls-certificate.ts";

const root = join(import.meta.dir, "..", "..");
let dataDir: string;

beforeEach(() => {
  dataDir = join(mkdtempSync(join(tmpdir(), "browline-commands-")), "data");
});
afterEach(() => rmSync(join(dataDir, ".."), { recursive: true }));

interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

async function run(tool: string, args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const child = Bun.spawn([process.execPath, join(root, "tools", `${tool}.ts`), ...args], {
    env: { ...process.env, BROWLINE_DATA_DIR: dataDir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

describe("the token command", () => {
  test("prints a token that the server accepts and nothing else, even before the server ever ran", async () => {
    const { stdout, stderr, exitCode } = await run("token", ["Ada@Example.com"]);
    expect([stderr, exitCode]).toEqual(["", 0]);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { tokenSecret } = loadSecrets(dataDir, { tokenSecret: undefined, adminToken: undefined });
    expect(await verifyCoreToken(tokenSecret, stdout.trim(), new Map())).toEqual({
      kind: "valid",
      userId: "ada@example.com",
    });
    expect(statSync(join(dataDir, "token-secret")).mode & 0o777).toBe(0o600);
  });

  test("names what is not an e-mail address", async () => {
    expect(await run("token", ["notanemail"])).toEqual({
      stdout: "",
      stderr: "notanemail is not an e-mail address\n",
      exitCode: 1,
    });
    expect(existsSync(dataDir)).toBe(false);
  });

  test.each([[[]], [["a@b.c", "more"]]])("says how it is used when given %p", async (args) => {
    const { stdout, stderr, exitCode } = await run("token", args);
    expect([stdout, exitCode]).toEqual(["", 1]);
    expect(stderr).toStartWith("usage: bun run token EMAIL\n");
    expect(existsSync(dataDir)).toBe(false);
  });

  test("names a setting that does not exist", async () => {
    const { stderr, exitCode } = await run("token", ["a@b.c"], { BROWLINE_PROT: "8002" });
    expect([stderr, exitCode]).toEqual(["BROWLINE_PROT is not a setting of Browline\n", 1]);
  });
});

describe("the apps command", () => {
  const add = ["add", "com.example.captions", "http://127.0.0.1:7010", "--permission", "MICROPHONE"];

  test("registers an app, shows its key once and keeps only its hash", async () => {
    const { stdout, exitCode } = await run("apps", [...add, "--name", "Captions"]);
    expect(exitCode).toBe(0);
    const key = /API key.*: (\S+)\n/.exec(stdout)?.[1] ?? "";
    expect(withAppDatabase(dataDir, (database) => database.apps())).toEqual([
      {
        packageName: "com.example.captions",
        name: "Captions",
        publicUrl: "http://127.0.0.1:7010",
        type: "standard",
        apiKeyHash: sha256Hex(key),
        permissions: ["MICROPHONE"],
      },
    ]);
  });

  test("refuses an address that the server would never call, and says why", async () => {
    const { stderr, exitCode } = await run("apps", ["add", "com.example.a", "http://169.254.169.254/"]);
    expect([stderr, exitCode]).toEqual([
      "http://169.254.169.254 is a link-local or metadata address (BROWLINE_TARGETS is private)\n",
      1,
    ]);
    expect(withAppDatabase(dataDir, (database) => database.apps())).toEqual([]);
  });

  test("lists the apps in columns as wide as what stands in them", async () => {
    await run("apps", [...add, "--name", "Captions"]);
    await run("apps", ["add", "a.b", "http://127.0.0.1:1", "--type", "background", "--name", "A to B"]);
    const { stdout } = await run("apps", ["list"]);
    expect(stdout.split("\n")).toEqual([
      "PACKAGE               URL                    TYPE        PERMISSIONS  NAME",
      "a.b                   http://127.0.0.1:1     background  -            A to B",
      "com.example.captions  http://127.0.0.1:7010  standard    MICROPHONE   Captions",
      "",
    ]);
  });

  test("registers a known app anew only when told to, and says that its former key ends", async () => {
    await run("apps", [...add, "--key", "the first key"]);
    const hash = () => withAppDatabase(dataDir, (database) => database.apps()[0]?.apiKeyHash);
    const refused = await run("apps", add);
    expect([refused.stdout, refused.exitCode]).toEqual(["", 1]);
    expect(refused.stderr).toMatch(
      /^com\.example\.captions is registered already\. With --replace [^\n]*\n$/,
    );
    expect(hash()).toBe(sha256Hex("the first key"));
    const replaced = await run("apps", [...add, "--replace", "--key", "the second key"]);
    expect(replaced.stdout).toContain("(replaced; the former key no longer works)");
    expect(hash()).toBe(sha256Hex("the second key"));
  });

  test("removes an app, and says when there is none", async () => {
    await run("apps", add);
    expect((await run("apps", ["remove", "com.example.captions"])).exitCode).toBe(0);
    expect(await run("apps", ["remove", "com.example.captions"])).toEqual({
      stdout: "",
      stderr: "No app com.example.captions is registered.\n",
      exitCode: 1,
    });
    expect(await run("apps", ["list"])).toEqual({
      stdout: "",
      stderr: "No app is registered.\n",
      exitCode: 0,
    });
  });

  test("refuses what it does not understand, without touching anything", async () => {
    for (const args of [[], ["show"], ["remove"], ["add", "a.b"], ["list", "--all"]]) {
      const { stderr, exitCode } = await run("apps", args);
      expect(exitCode).toBe(1);
      expect(stderr).not.toBe("");
      expect(stderr).not.toContain("    at ");
    }
    expect(existsSync(dataDir)).toBe(false);
  });

  test("says in one line that the data folder cannot be made", async () => {
    writeFileSync(dataDir, "a file where the folder should be");
    const { stderr, exitCode } = await run("apps", ["list"]);
    expect(exitCode).toBe(1);
    expect(stderr).toStartWith(`The data folder ${dataDir} cannot be made`);
    expect(stderr.trimEnd()).not.toContain("\n");
    rmSync(dataDir);
  });
});

describe("the backup and restore commands", () => {
  test("take a folder from one place to another, secrets included, and say what they have done", async () => {
    const backup = join(dataDir, "..", "a.backup");
    await run("apps", ["add", "com.example.a", "http://127.0.0.1:7010"]);
    const token = (await run("token", ["ada@example.com"])).stdout.trim();
    const written = await run("backup", [backup]);
    expect([written.stderr, written.exitCode]).toEqual(["", 0]);
    expect(written.stdout).toStartWith(`${dataDir} is backed up in ${backup}.`);
    const elsewhere = { BROWLINE_DATA_DIR: join(dataDir, "..", "elsewhere") };
    expect(await run("restore", [backup], elsewhere)).toEqual({
      stdout: `${elsewhere.BROWLINE_DATA_DIR} is restored from ${backup}\n`,
      stderr: "",
      exitCode: 0,
    });
    expect((await run("apps", ["list"], elsewhere)).stdout).toContain("com.example.a");
    const { tokenSecret } = loadSecrets(elsewhere.BROWLINE_DATA_DIR, {
      tokenSecret: undefined,
      adminToken: undefined,
    });
    expect(await verifyCoreToken(tokenSecret, token, new Map())).toMatchObject({ kind: "valid" });
    expect((await run("restore", [backup], elsewhere)).stdout).toMatch(
      /restored from .*\nWhat was there before is kept in .*browline\.db\.before-\d{14}\n$/,
    );
  });

  test("fail with one line: nothing to back up, a file in the way, a folder in use, no backup", async () => {
    const backup = join(dataDir, "..", "a.backup");
    const fails = async (tool: string, args: string[], line: RegExp) => {
      const { stdout, stderr, exitCode } = await run(tool, args);
      expect([stdout, exitCode]).toEqual(["", 1]);
      expect(stderr).toMatch(line);
    };
    await fails("backup", [backup], /^There is no database in the data folder [^\n]+\n$/);
    withAppDatabase(dataDir, () => {});
    writeFileSync(backup, "");
    await fails("backup", [backup], /a\.backup is there already; --force replaces it\n$/);
    await fails("restore", [backup], /was not restored: it was not made by bun run backup\n$/);
    await fails("restore", [`${backup}.none`], /^There is no backup [^\n]+\n$/);
    const lock = await DataLock.take(dataDir, new FakeClock(), 0);
    await fails("restore", [backup], /^The data folder [^\n]+ is in use by another server[^\n]+\n$/);
    lock.release();
    for (const args of [[], ["a", "b"], ["--now", "a"]]) {
      await fails("backup", args, /usage: bun run backup FILE/);
      await fails("restore", args, /usage: bun run restore FILE/);
    }
  });
});

describe("every command", () => {
  const commands = [
    ...[
      "start",
      "demo",
      "glasses",
      "captions",
      "token",
      "apps",
      "backup",
      "restore",
      "speech-check",
      "test",
      "proof",
      "chaos",
      "check",
      "bench",
    ],
  ];

  test.each(commands.flatMap((command) => [[command, "--help"] as const, [command, "-h"] as const]))(
    "%s %s prints how it is used, and does nothing",
    async (command, flag) => {
      const { stdout, stderr, exitCode } = await run("run", [command, flag]);
      expect([stderr, exitCode]).toEqual(["", 0]);
      expect(stdout).toStartWith(`usage: bun run ${command}`);
      expect(existsSync(dataDir)).toBe(false);
    },
  );

  test("is in package.json, in the README and in the list that `bun tools/run.ts --help` prints", async () => {
    const { scripts } = await Bun.file(join(root, "package.json")).json();
    expect(Object.keys(scripts).sort()).toEqual(commands.toSorted());
    const { stdout, exitCode } = await run("run", ["--help"]);
    expect(exitCode).toBe(0);
    const readme = await Bun.file(join(root, "README.md")).text();
    for (const command of commands) {
      expect(stdout).toContain(command);
      expect(readme).toContain(`\`${command}\``);
    }
  });

  test("but start takes no arguments, and says so", async () => {
    const { stderr, exitCode } = await run("run", ["start", "--port"]);
    expect([stderr, exitCode]).toEqual(["bun run start takes no argument such as --port; see --help\n", 1]);
  });
});

describe("the captions command", () => {
  const packageName = "browline.captions";

  test("registers nothing when no server answers, and says how to start one", async () => {
    // Port 1 is reserved and answers nowhere.
    const { stdout, stderr, exitCode } = await run("captions", ["--url", "http://127.0.0.1:1"]);
    expect([stdout, stderr, exitCode]).toEqual([
      "",
      `No server answers at http://127.0.0.1:1. Start one with: ${commandLine("start")}\n`,
      1,
    ]);
    expect(existsSync(dataDir)).toBe(false);
  });

  test("leaves the registration of one that still runs alone", async () => {
    using other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => Response.json({ status: "healthy", app: packageName }),
    });
    const url = `http://127.0.0.1:${other.port}`;
    registerCaptions(dataDir, { packageName, url, apiKey: "the key of the one that runs" });
    const { stdout, stderr, exitCode } = await run("captions", ["--url", url]);
    expect([stdout, stderr, exitCode]).toEqual([
      "",
      `${packageName} runs already, at ${url}. End that one first.\n`,
      1,
    ]);
    expect(withAppDatabase(dataDir, (database) => database.apps()[0]?.apiKeyHash)).toBe(
      sha256Hex("the key of the one that runs"),
    );
  });

  test("takes a former address that is another's by now for free", async () => {
    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json({ app: "a.b" }) });
    registerCaptions(dataDir, { packageName, url: `http://127.0.0.1:${other.port}`, apiKey: "k" });
    expect(await runningCaptions(dataDir, packageName)).toBeUndefined();
  });
});

describe.each(["glasses", "captions"])("the %s command", (tool) => {
  test("does not take a server whose certificate it does not trust for one that is not there", async () => {
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: tlsCertificate,
      fetch: () => new Response(),
    });
    const url = `https://127.0.0.1:${server.port}`;
    const { stderr, exitCode } = await run(tool, ["--url", url]);
    expect([stderr, exitCode]).toEqual([
      `the certificate of ${url} is not trusted here (DEPTH_ZERO_SELF_SIGNED_CERT). NODE_EXTRA_CA_CERTS=FILE names one to trust\n`,
      1,
    ]);
  });
});

describe("the glasses command", () => {
  test("says how to start a server when none answers", async () => {
    // Port 1 is reserved and answers nowhere.
    const { stderr, exitCode } = await run("glasses", ["--url", "http://127.0.0.1:1"]);
    expect([stderr, exitCode]).toEqual([
      `no server answers at http://127.0.0.1:1. Start one with: ${commandLine("start")}\n`,
      1,
    ]);
  });
});
