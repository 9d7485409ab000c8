import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { sha256Hex } from "../../src/kernel/identity.ts";
import { apiKey, packageName, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const tools = join(import.meta.dir, "..", "..", "tools");
const children: Bun.Subprocess[] = [];

/** A command for a server as a process of its own, and what it has written so far. */
function run(stage: Stage, tool: string, ...args: string[]) {
  return runInFolder(stage, tool, "--url", stage.server.url, ...args);
}

/** A command for the server's data folder. */
function runInFolder(stage: Stage, tool: string, ...args: string[]) {
  const child = Bun.spawn([process.execPath, join(tools, `${tool}.ts`), ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...stage.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const written = { out: "", err: "" };
  const read = async (stream: ReadableStream<Uint8Array>, to: keyof typeof written) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) written[to] += decoder.decode(chunk, { stream: true });
  };
  const ended = Promise.all([child.exited, read(child.stdout, "out"), read(child.stderr, "err")]);
  return { child, written, ended: ended.then(([code]) => ({ code, ...written })) };
}

describe("the commands beside a running server", () => {
  let stage: Stage;

  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill("SIGKILL");
      await child.exited;
    }
    await stage.close();
  });

  test("captions and glasses together show what is said: in the app, in the glasses' view and on the display", async () => {
    stage = await Stage.open();
    await stage.speechReady();
    const captions = run(stage, "captions");
    await until("the registration", () => stage.server.store.apps.get("browline.captions"), 30_000);
    expect(stage.server.store.apps.get("browline.captions")?.permissions).toEqual(["MICROPHONE"]);
    const glasses = run(stage, "glasses", "--app", "browline.captions", "--say", "hello world");
    const { code, out, err } = await glasses.ended;
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain('the app hears "hello world"');
    expect(out).toContain('browline.captions shows "hello world"');
    await until("the words in the app", () => captions.written.out.includes("✓ hello world"));
    captions.child.kill("SIGTERM");
    expect((await captions.ended).code).toBe(0);
  }, 90_000);

  test("apps take effect where the app runs: what loses its permission, its key or its registration hears no more", async () => {
    stage = await Stage.open({ recogniser: "off" });
    const app = await stage.wireApp("audio_chunk");
    const apps = async (...args: string[]) => {
      const { code, err } = await runInFolder(stage, "apps", ...args).ended;
      expect([code, err]).toEqual([0, ""]);
    };
    const glasses = await stage.glasses();
    glasses.startApp(packageName);
    await glasses.until(() => glasses.microphoneOn, "the microphone to be wanted", 20_000);

    await apps("add", packageName, app.url, "--key", apiKey, "--replace");
    await until("the socket to be closed", () => app.sessions.events[0]?.closed, 20_000);
    await until("the app to be started again", () => app.sessions.events[1]);
    await glasses.until(() => !glasses.microphoneOn, "the microphone to go off", 20_000);
    await glasses.until(() => glasses.runningApps.includes(packageName), "the app to run again", 20_000);

    await apps("add", packageName, app.url, "--key", "a key that the app has not been told", "--replace");
    await until("the second socket to be closed", () => app.sessions.events[1]?.closed, 20_000);
    await glasses.until(() => !glasses.runningApps.includes(packageName), "the app to be out", 20_000);

    await apps("add", packageName, app.url, "--key", apiKey, "--permission", "MICROPHONE", "--replace");
    const isBack = () => stage.server.store.apps.get(packageName)?.apiKeyHash === sha256Hex(apiKey);
    await until("the server to know of the key", isBack, 20_000);
    glasses.startApp(packageName);
    await glasses.until(() => glasses.microphoneOn, "the microphone to be wanted again", 30_000);
    const session = stage.server.sessions.getSession("user@example.com");
    await apps("remove", packageName);
    await glasses.until(() => !glasses.runningApps.includes(packageName), "the app to be gone", 20_000);
    await glasses.until(() => !glasses.microphoneOn, "the microphone to go off", 20_000);
    expect(session?.apps.app(packageName)).toBeUndefined();
    expect(app.webhooks).toContain("stop_request");
  }, 90_000);

  test("glasses fail at once with the server's own words when an app cannot be started", async () => {
    stage = await Stage.open({ recogniser: "off" });
    const { code, err } = await run(stage, "glasses", "--app", "nope.app").ended;
    expect(code).toBe(1);
    expect(err).toMatch(/^nope\.app does not start: [^\n]+\n$/);
  }, 30_000);

  test("glasses fail at once when they are to speak and nobody listens", async () => {
    stage = await Stage.open({ recogniser: "off" });
    const { code, err } = await run(stage, "glasses", "--say", "hello").ended;
    expect(code).toBe(1);
    expect(err).toMatch(/^No app runs that could hear anything: .*--app PACKAGE\.\n$/);
  }, 30_000);
});
