import { afterAll, setDefaultTimeout } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelDir } from "../support/recogniser-thread.ts";
import { goForward, synthesised } from "../support/speech-fixtures.ts";
import { tinyWords, writeTinyTransducer } from "../support/tiny-transducer.ts";
import { offlineContract } from "./offline-contract.ts";

setDefaultTimeout(60_000);

const tinyDir = mkdtempSync(join(tmpdir(), "browline-tiny-"));
writeTinyTransducer(tinyDir);
afterAll(() => rmSync(tinyDir, { recursive: true }));

const [photo] = await synthesised(["take a photo please"]);
if (photo === undefined) throw new Error("nothing was synthesised");

offlineContract("pocketsphinx", {
  engine: "pocketsphinx",
  modelDir,
  recordings: () => [goForward(), photo],
});

offlineContract("sherpa with a model made of three words", {
  engine: "sherpa",
  modelDir: tinyDir,
  recordings: () => [tinyWords(5), tinyWords(2)],
});

// A real model is too large for a test to bring along: it is tried where there is one.
const realModel = process.env["TEST_SHERPA_MODEL"];
if (realModel !== undefined && realModel !== "") {
  offlineContract("sherpa with a real model", {
    engine: "sherpa",
    modelDir: realModel,
    recordings: () => [goForward(), photo],
  });
}
