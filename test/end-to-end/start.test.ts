import { afterEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { commandLine } from "../../src/kernel/command-line.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "browline-start-"));

function baseEnv(): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    BROWLINE_HOST: "127.0.0.1",
    BROWLINE_PORT: "0",
    BROWLINE_LIVEZ_PORT: "0",
    BROWLINE_RECOGNISER: "off",
    BROWLINE_DATA_DIR: join(folder, "data"),
  };
}

/** The server as a process of its own, as an operator starts it. */
function start(env: Record<string, string>) {
  const child = Bun.spawn([process.execPath, main], {
    env: { ...baseEnv(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  return child;
}
const children: Bun.Subprocess[] = [];
const tokenSecret = "a secret that only tests know";
const greetingEnd = "Ctrl-C ends the server.";

interface Streams {
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
}

/** Reads until the line that says where the server is, and parses it. */
async function listening(child: Streams): Promise<Record<string, unknown>> {
  const [line] = await logLines(child, "Browline listens");
  return line ?? {};
}

/** Reads until there is a line with each of these messages, and parses them. */
async function logLines(child: Streams, ...messages: string[]): Promise<Record<string, unknown>[]> {
  let text = "";
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    const entries = text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    const wanted = messages.map((message) => entries.find(({ msg }) => msg === message));
    if (wanted.every((entry) => entry !== undefined)) return wanted;
  }
  throw new Error(`the server ended: ${text}${await new Response(child.stderr).text()}`);
}

/** The server as somebody starts it who sits at a terminal: all that it writes until `complete` is there. */
async function onTerminal(env: Record<string, string>, complete: string): Promise<string> {
  const seen = Promise.withResolvers<string>();
  let text = "";
  const child = Bun.spawn([process.execPath, main], {
    env: { ...baseEnv(), ...env },
    terminal: {
      cols: 120,
      rows: 40,
      data: (_, bytes) => {
        text += new TextDecoder().decode(bytes);
        if (text.includes(complete)) seen.resolve(text);
      },
    },
  });
  children.push(child);
  void child.exited.then(() => seen.reject(new Error(`the server ended: ${text}`)));
  return Bun.stripANSI(await seen.promise);
}

describe("starting the server", () => {
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill("SIGKILL");
      await child.exited;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  test("makes its folder, secret and database on first run, readable by their owner only, and says where it is", async () => {
    const child = start({});
    const line = await listening(child);
    expect(line).toMatchObject({
      level: 30,
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      urlIsLocal: false,
      dataDir: join(folder, "data"),
      recogniser: "turned off by BROWLINE_RECOGNISER",
      codecs: { opus: expect.stringMatching(/^(libopus|opusscript)$/) },
    });
    expect(statSync(join(folder, "data")).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "data", "token-secret")).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "data", "browline.db")).size).toBeGreaterThan(0);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("ends cleanly on %s and can be started again", async (signal) => {
    for (let i = 0; i < 2; i++) {
      const child = start({});
      await listening(child);
      child.kill(signal);
      expect(await child.exited).toBe(0);
    }
  });

  test("greets a person at a terminal, says with which recogniser, and what others need to reach it", async () => {
    const text = await onTerminal({ BROWLINE_HOST: "0.0.0.0", BROWLINE_RECOGNISER: "auto" }, greetingEnd);
    expect(text).toMatch(/listens on http:\/\/127\.0\.0\.1:\d+\s/);
    expect(text).toMatch(/other machines need BROWLINE_PUBLIC_URL/);
    expect(text).toContain("pocketsphinx, en-US");
    expect(text).toMatch(/Opus \((libopus|opusscript)\)/);
    expect(text).toContain(`\n  ${commandLine("captions")}\r\n`);
    // Its own lines, not those that the terminal would have to break.
    for (const line of text.slice(0, text.indexOf(greetingEnd)).split("\r\n")) {
      expect(line.length).toBeLessThanOrEqual(100);
    }
  });

  test("says nothing of other machines where it listens on one address only", async () => {
    const text = await onTerminal({}, greetingEnd);
    expect(text).not.toContain("BROWLINE_PUBLIC_URL");
  });

  test("ends cleanly on one Ctrl-C, which the terminal sends to the whole group and `bun run` once more", async () => {
    const child = spawn(process.execPath, ["run", "start"], {
      cwd: new URL("../..", import.meta.url).pathname,
      // As a session leader: its process group is what a terminal would signal.
      detached: true,
      env: { ...baseEnv(), HOME: folder, BROWLINE_TOKEN_SECRET: tokenSecret },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    try {
      const lines: Record<string, unknown>[] = [];
      const listens = Promise.withResolvers<URL>();
      createInterface(child.stdout)
        .on("line", (line) => {
          const entry = JSON.parse(line);
          lines.push(entry);
          if (entry.msg === "Browline listens") listens.resolve(new URL(entry.url));
        })
        .on("close", () => listens.reject(new Error("the server ended")));
      // Somebody who does not read keeps the server closing for half a second, in which the second signal comes.
      const { port } = await listens.promise;
      const token = await mintCoreToken(tokenSecret, "user@example.com");
      const glasses = await RawWebSocket.connect(Number(port), `/glasses-ws?token=${token}`);
      glasses.pause();
      process.kill(-(child.pid ?? Number.NaN), "SIGINT");
      expect(await ended).toBe(0);
      expect(lines.map(({ msg }) => msg)).toContain("closing");
    } finally {
      if (child.exitCode === null && child.signalCode === null)
        process.kill(-(child.pid ?? Number.NaN), "SIGKILL");
    }
  });

  test.each([
    ["a busy port", () => ({ BROWLINE_PORT: String(busy.port) }), /Port \d+ .*BROWLINE_PORT/],
    [
      "a busy liveness port",
      () => ({ BROWLINE_LIVEZ_PORT: String(busy.port) }),
      /Port \d+ .*BROWLINE_LIVEZ_PORT/,
    ],
    ["a folder that cannot be made", () => ({ BROWLINE_DATA_DIR: join(main, "data") }), /data folder/],
    ["a wrong setting", () => ({ BROWLINE_PORT: "http" }), /BROWLINE_PORT is "http"/],
    ["a setting that does not exist", () => ({ BROWLINE_PROT: "1" }), /BROWLINE_PROT is not a setting/],
    [
      "a missing certificate",
      () => ({ BROWLINE_TLS_CERT: "/none.pem", BROWLINE_TLS_KEY: "/none.key" }),
      /BROWLINE_TLS_CERT .*none\.pem/,
    ],
    [
      "a host that is none",
      () => ({ BROWLINE_HOST: "300.1.1.1" }),
      /^Cannot listen on 300\.1\.1\.1: .*BROWLINE_HOST/,
    ],
    [
      "two busy ports: the one that everybody knows",
      () => ({ BROWLINE_PORT: String(busy.port), BROWLINE_LIVEZ_PORT: String(alsoBusy.port) }),
      /Port \d+ .*BROWLINE_PORT/,
    ],
    ["a broken database", () => ({ BROWLINE_DATA_DIR: brokenFolder() }), /database/],
  ])("ends with one clear line for %s", async (_name, env, line) => {
    const child = start(env());
    const [code, errors] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    expect(code).toBe(1);
    expect(errors.trim().split("\n").length).toBe(1);
    expect(errors).toMatch(line);
  });

  test("runs without a recogniser, and log and /health say that speech is off and how to turn it on", async () => {
    const child = start({ BROWLINE_RECOGNISER: "auto", BROWLINE_RECOGNISER_MODEL: "/nowhere/model" });
    const remedy = /^there is no English model in \/nowhere\/model \(apt-get install libpocketsphinx3 .*\)$/;
    const [listens, warning] = await logLines(child, "Browline listens", "speech is off");
    const detail = String(warning?.["detail"]);
    expect([warning?.["level"], detail]).toEqual([40, expect.stringMatching(remedy)]);
    const response = await fetch(`${listens?.["url"]}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      speech: { available: false, detail },
      degraded: [`Speech is off: ${detail}`],
    });
  });

  test("says nothing beside that line, neither before nor after it, when it is started with `bun run`", async () => {
    const child = Bun.spawn([process.execPath, "run", "start"], {
      cwd: new URL("../..", import.meta.url).pathname,
      env: { ...baseEnv(), HOME: folder, BROWLINE_PORT: "http" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    const [code, out, errors] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect([code, out, errors]).toEqual([
      1,
      "",
      'BROWLINE_PORT is "http", but takes a whole number from 0 to 65535\n',
    ]);
  });

  const busy = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const alsoBusy = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  function brokenFolder(): string {
    const broken = mkdtempSync(join(tmpdir(), "browline-broken-"));
    writeFileSync(join(broken, "browline.db"), "this is no database".repeat(100));
    return broken;
  }
});
