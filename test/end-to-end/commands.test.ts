import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const tools = join(import.meta.dir, "..", "..", "tools");
const children: Bun.Subprocess[] = [];

/** A command as a process of its own, and what it has written so far. */
function run(stage: Stage, tool: string, ...args: string[]) {
  const child = Bun.spawn([process.execPath, join(tools, `${tool}.ts`), "--url", stage.server.url, ...args], {
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
