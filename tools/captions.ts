import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { localUrl } from "../src/gateway/public-address.ts";
import { commandLine } from "../src/kernel/command-line.ts";
import { loadConfig } from "../src/kernel/config.ts";
import { type CaptionsReport, startCaptionsApp } from "../src/simulator/captions-app.ts";
import { certificateProblem } from "../src/simulator/certificate-problem.ts";
import { registerCaptions, runningCaptions } from "./captions-registration.ts";
import { CommandFailure, runCommand } from "./command.ts";
import { interruption } from "./interruption.ts";
import { LiveLine } from "./live-line.ts";

/** Not a name that somebody's own app would have: the registration of that one would be replaced. */
const packageName = "browline.captions";

const usage = `usage: bun run captions [--url SERVER] [--port N]
  --url SERVER  the server (default: the one of this environment, http://127.0.0.1:8002)
  --port N      where the app listens (default: a free port)`;

/**
 * `bun run captions`: an app on the unmodified app SDK that shows on the glasses what it hears, and prints it here. It
 * registers itself in the data folder's catalogue, which a running server notices within a second.
 */
await runCommand(usage, async () => {
  const config = loadConfig(process.env);
  const { url, port } = readArguments();
  const server = url ?? localUrl(config, config.port);
  if (!(await answers(server))) {
    throw new CommandFailure(`No server answers at ${server}. Start one with: ${commandLine("start")}`);
  }
  const running = await runningCaptions(config.dataDir, packageName);
  if (running !== undefined) {
    throw new CommandFailure(`${packageName} runs already, at ${running}. End that one first.`);
  }
  const apiKey = randomBytes(24).toString("base64url");
  const ended = Promise.withResolvers<void>();
  void interruption().then(() => ended.resolve());
  // It may end before anybody waits.
  ended.promise.catch(() => {});

  const printer = new ReportPrinter();
  const app = await startCaptionsApp({
    packageName,
    apiKey,
    port,
    onReport: (report) => printer.print(report),
    onExit: (code) => ended.reject(new CommandFailure(`The captions app ended with exit code ${code}.`)),
  });
  try {
    registerCaptions(config.dataDir, { packageName, url: app.url, apiKey });
    console.log(`${packageName} is registered at ${app.url}`);
    const at = url === undefined ? "" : ` --url ${url}`;
    console.log(`Now: ${commandLine(`glasses${at} --app ${packageName} --say "turn on the lights"`)}`);
    await ended.promise;
  } finally {
    await app.stop();
  }
});

/** Writes what the app reports, a growing line for what is being said. */
class ReportPrinter {
  #line: LiveLine | undefined;

  print(report: CaptionsReport): void {
    switch (report.kind) {
      case "session":
        console.log(`started by ${report.userId}`);
        return;
      case "transcript": {
        const { text, isFinal } = report.data;
        this.#line ??= new LiveLine();
        if (!isFinal) {
          this.#line.update(`  … ${text}`);
          return;
        }
        this.#line.finish(`  ✓ ${text}`);
        this.#line = undefined;
        return;
      }
      case "stopped":
        console.log(`stopped (${report.reason})`);
        return;
      case "error":
        console.error(report.message);
    }
  }
}

/** @throws CommandFailure when the server has a certificate that this machine does not trust. */
async function answers(server: string): Promise<boolean> {
  try {
    const response = await fetch(`${server}/health`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return true;
  } catch (error) {
    const problem = certificateProblem(error, server);
    if (problem !== undefined) throw new CommandFailure(problem);
    return false;
  }
}

function readArguments(): { readonly url: string | undefined; readonly port: number } {
  const { url, port } = parse();
  if (url !== undefined && !(URL.canParse(url) && /^https?:/.test(url))) {
    throw new CommandFailure(`${url} is not an address such as http://127.0.0.1:8002`);
  }
  if (!/^\d+$/.test(port) || Number(port) > 65_535) throw new CommandFailure(`${port} is not a port`);
  return { url: url?.replace(/\/+$/, ""), port: Number(port) };
}

function parse(): { url?: string | undefined; port: string } {
  try {
    const options = { url: { type: "string" }, port: { type: "string", default: "0" } } as const;
    return parseArgs({ args: process.argv.slice(2), options }).values;
  } catch (error) {
    throw new CommandFailure(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}
