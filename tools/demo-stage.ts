import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mintCoreToken } from "../src/gateway/core-token.ts";
import { loadSecrets } from "../src/gateway/secrets.ts";
import { loadConfig } from "../src/kernel/config.ts";
import { createLog } from "../src/kernel/log.ts";
import { startServer } from "../src/main.ts";
import { type CaptionsApp, type CaptionsReport, startCaptionsApp } from "../src/simulator/captions-app.ts";
import { SimulatedGlasses } from "../src/simulator/simulated-glasses.ts";
import { registerCaptions } from "./captions-registration.ts";

const packageName = "com.example.captions";
const user = "demo@example.com";

/** A server, an app and a pair of glasses, wired together and ready to listen. */
export interface DemoStage {
  readonly glasses: SimulatedGlasses;
  readonly serverUrl: string;
  readonly appUrl: string;
  /** Ends everything and removes what was written. */
  close(): Promise<void>;
}

export interface DemoListener {
  onReport(report: CaptionsReport): void;
  onDisplay(): void;
}

/**
 * Builds the stage as a user would: registers the app, starts it from the glasses, and waits until the server wants the
 * microphone on.
 * @throws Error when a part does not come up; what had come up is ended again.
 */
export async function openDemoStage(listener: DemoListener): Promise<DemoStage> {
  const closers: (() => void | Promise<void>)[] = [];
  const close = async () => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    const dataDir = mkdtempSync(join(tmpdir(), "browline-demo-"));
    closers.push(() => rmSync(dataDir, { recursive: true, force: true }));
    // Only what is said here: a setting that the terminal's own server has must not reach the demo's.
    const config = loadConfig({
      BROWLINE_HOST: "127.0.0.1",
      BROWLINE_PORT: "0",
      BROWLINE_LIVEZ_PORT: "0",
      BROWLINE_DATA_DIR: dataDir,
      BROWLINE_LOG_LEVEL: "error",
    });
    const apiKey = randomBytes(16).toString("hex");
    const app: CaptionsApp = await startCaptionsApp({
      packageName,
      apiKey,
      onReport: (report) => listener.onReport(report),
    });
    closers.push(() => app.stop());
    registerCaptions(dataDir, { packageName, url: app.url, apiKey });
    const server = await startServer(config, createLog({ level: config.logLevel, format: config.logFormat }));
    closers.push(() => server.close());
    const { tokenSecret } = loadSecrets(dataDir, config);
    const glasses = new SimulatedGlasses({
      url: server.url,
      token: await mintCoreToken(tokenSecret, user),
      events: { onDisplay: () => listener.onDisplay() },
    });
    closers.push(() => glasses.close());
    await glasses.connect();
    glasses.startApp(packageName);
    await glasses.until(() => glasses.runningApps.includes(packageName), "the app to run", 20_000);
    await glasses.until(() => glasses.microphoneOn, "the microphone to be wanted", 10_000);
    return { glasses, serverUrl: server.url, appUrl: app.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}
