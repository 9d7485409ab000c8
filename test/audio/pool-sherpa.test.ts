import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPool } from "../support/running-pool.ts";
import { goForward } from "../support/speech-fixtures.ts";
import { writeTinyTransducer } from "../support/tiny-transducer.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const modelDir = mkdtempSync(join(tmpdir(), "browline-tiny-"));
writeTinyTransducer(modelDir);
afterAll(() => rmSync(modelDir, { recursive: true }));

let running: Awaited<ReturnType<typeof startPool>> | undefined;

afterEach(async () => {
  await running?.pool.close();
  running = undefined;
});

/** Who turned a spoken sentence into which words, once the recognisers stand as `ready` says. */
async function heard(
  options: Parameters<typeof startPool>[0],
  ready: RegExp,
): Promise<{ provider: string; text: string }> {
  const started = await startPool(options);
  running = started;
  await until("the recognisers", () => ready.test(started.pool.recogniserStatus().detail), 40_000);
  const { lane, heard } = started.open();
  lane.setDemand({ languages: ["en-US"], pcm: false });
  const { pcm } = goForward();
  const samples = new Int16Array(8_000 + pcm.length + 32_000);
  samples.set(pcm, 8_000);
  const bytes = new Uint8Array(samples.buffer);
  for (let at = 0; at < bytes.length; at += 3_200) {
    const frame = bytes.subarray(at, at + 3_200);
    await until("room in the ring", () => lane.write(frame));
  }
  const final = await until("a final", () => heard.transcripts.find(({ isFinal }) => isFinal), 30_000);
  await lane.close(2_000);
  return final;
}

describe("the operator's own model for sherpa", () => {
  test("is what recognises where there is one", async () => {
    const options = { recogniser: "auto", sherpaModel: modelDir } as const;
    const final = await heard(options, /^sherpa, en-US, up to .*; pocketsphinx, en-US, up to/);
    // What it understands is nonsense, but it is this model's.
    expect(final.provider).toBe("sherpa");
    expect(final.text).toMatch(/^(one|two|three)( (one|two|three))*$/);
  });

  test("is said to be missing, and the embedded recogniser does its work", async () => {
    const options = { recogniser: "auto", sherpaModel: "/nowhere/model" } as const;
    const final = await heard(
      options,
      /^sherpa is off: there is no folder \/nowhere\/model with a model; pocketsphinx, en-US, up to/,
    );
    expect(final).toMatchObject({ provider: "pocketsphinx", text: "go forward ten meters" });
  });
});
