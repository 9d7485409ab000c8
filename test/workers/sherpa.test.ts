import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wordsOf } from "../../workers/sherpa/sherpa-decoder.ts";
import { findSherpaModel } from "../../workers/sherpa/sherpa-model.ts";

setDefaultTimeout(60_000);

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder with such files. */
function modelWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "browline-sherpa-"));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/**
 * What a recogniser thread says of a model at its start, and how the stream of a client fares. In a process of its own:
 * native code that meets a broken model ends the process it is in.
 */
async function tried(modelDir: string): Promise<{ exitCode: number; output: unknown }> {
  const file = (path: string) => JSON.stringify(require.resolve(path));
  const script = `
    const { RecogniserThread } = await import(${file("../support/recogniser-thread.ts")});
    const { RecogniserClient } = await import(${file("../support/recogniser-client.ts")});
    const thread = new RecogniserThread({ engine: "sherpa", modelDir: process.env.TEST_MODEL_DIR });
    const report = await thread.reports.until((each) => each.kind === "ready" || each.kind === "unavailable");
    const client = new RecogniserClient(thread);
    client.open("s");
    const state = await client.reports.until((each) => each.kind === "state");
    await thread.stop();
    process.stdout.write(JSON.stringify({ ...report, stream: state.state }));
    process.exit(0);`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    env: { ...process.env, TEST_MODEL_DIR: modelDir },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [exitCode, output] = await Promise.all([child.exited, new Response(child.stdout).text()]);
  return { exitCode, output: output === "" ? undefined : JSON.parse(output) };
}

const garbage = { "encoder.onnx": "garbage", "decoder.onnx": "garbage", "joiner.onnx": "garbage" };

describe("sherpa", () => {
  test("has a native part that loads here", async () => {
    const script = `
      const sherpa = require("sherpa-onnx-node");
      process.stdout.write(typeof sherpa.OnlineRecognizer);`;
    const child = Bun.spawn([process.execPath, "-e", script], { cwd: import.meta.dir, stdout: "pipe" });
    expect(await new Response(child.stdout).text()).toBe("function");
    expect(await child.exited).toBe(0);
  });

  test("says in a sentence that its folder is missing, and the thread lives on", async () => {
    expect(await tried("/nowhere/model")).toEqual({
      exitCode: 0,
      output: {
        kind: "unavailable",
        detail: "sherpa is off: there is no folder /nowhere/model with a model",
        stream: "off",
      },
    });
  });

  test("says in a sentence which file is missing", async () => {
    const folder = modelWith({ ...garbage, "decoder.onnx": "" });
    expect(await tried(folder)).toMatchObject({
      exitCode: 0,
      output: { detail: `sherpa is off: the model in ${folder} has no tokens.txt`, stream: "off" },
    });
    expect(() => findSherpaModel(modelWith({ "tokens.txt": "" }))).toThrow(/has no encoder\.onnx$/);
  });

  test("says in a sentence that its model is broken, which would have ended the process", async () => {
    const folder = modelWith({ ...garbage, "tokens.txt": "<blk> 0\n" });
    const { exitCode, output } = await tried(folder);
    expect(exitCode).toBe(0);
    expect(output).toMatchObject({
      kind: "unavailable",
      detail: expect.stringMatching(/^sherpa is off: the model in \S+ cannot be loaded \(.+\)$/),
      stream: "off",
    });
  });

  test("finds the files of a model by their names, the small version first", () => {
    const folder = modelWith({
      "encoder-epoch-99-avg-1.onnx": "",
      "encoder-epoch-99-avg-1.int8.onnx": "",
      "decoder-epoch-99-avg-1.onnx": "",
      "joiner-epoch-99-avg-1.int8.onnx": "",
      "tokens.txt": "",
    });
    expect(findSherpaModel(folder)).toEqual({
      encoder: join(folder, "encoder-epoch-99-avg-1.int8.onnx"),
      decoder: join(folder, "decoder-epoch-99-avg-1.onnx"),
      joiner: join(folder, "joiner-epoch-99-avg-1.int8.onnx"),
      tokens: join(folder, "tokens.txt"),
    });
  });
});

describe("the tokens of a transducer", () => {
  test("become words in small letters with their places on the session's clock and a confidence", () => {
    const result = {
      text: " TAKE A PHOTO",
      tokens: [" TA", "KE", " A", " PHO", "TO"],
      timestamps: [0.4, 0.6, 0.8, 1, 1.2],
      ys_probs: [-0.1, -0.3, 0, -1, -1],
    };
    expect(wordsOf(result, 16_000, 64_000)).toEqual([
      { text: "take", startSample: 22_400, endSample: 28_800, confidence: Math.exp(-0.2) },
      { text: "a", startSample: 28_800, endSample: 32_000, confidence: 1 },
      { text: "photo", startSample: 32_000, endSample: 36_800, confidence: Math.exp(-1) },
    ]);
  });

  test("are not placed behind the audio that was heard", () => {
    const [word] = wordsOf({ text: "Hi", tokens: ["\u2581Hi"], timestamps: [1] }, 0, 16_100);
    expect(word).toEqual({ text: "Hi", startSample: 16_000, endSample: 16_100, confidence: 1 });
  });
});
