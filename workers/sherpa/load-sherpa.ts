import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { OnlineRecognizer } from "sherpa-onnx-node";
import { sampleRate } from "../../src/audio/recent-audio.ts";
import { DecoderPool } from "../pocketsphinx/decoder-pool.ts";
import { SherpaDecoder } from "./sherpa-decoder.ts";
import { findSherpaModel, type SherpaModel } from "./sherpa-model.ts";

/** How long a model may take to load. */
const trialMs = 60_000;
const trialFile = fileURLToPath(new URL("../sherpa-trial.ts", import.meta.url));

/**
 * Loads the streaming transducer in `modelDir`. A model that is broken makes the native code end the whole process, so
 * it is first loaded in a process of its own. Blocks for as long as loading it twice takes.
 * @throws with one sentence that says what is wrong.
 */
export function loadSherpa(modelDir: string, decoders: number): DecoderPool {
  const model = findSherpaModel(modelDir);
  loadAddon();
  const trial = Bun.spawnSync([process.execPath, trialFile, modelDir], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: trialMs,
  });
  if (!trial.success) {
    const reason = reasonIn(trial.stderr.toString());
    throw new Error(`sherpa is off: the model in ${modelDir} cannot be loaded${reason}`);
  }
  const recognizer = openSherpa(model);
  return new DecoderPool(() => new SherpaDecoder(recognizer), decoders);
}

/** Loads the model in this process, which ends if the model is broken. @throws when its settings do not fit. */
export function openSherpa(model: SherpaModel): OnlineRecognizer {
  const { encoder, decoder, joiner, tokens } = model;
  const { OnlineRecognizer: Recognizer } = loadAddon();
  return new Recognizer({
    featConfig: { sampleRate, featureDim: 80 },
    modelConfig: {
      transducer: { encoder, decoder, joiner },
      tokens,
      numThreads: 1,
      provider: "cpu",
      debug: 0,
    },
    decodingMethod: "greedy_search",
    enableEndpoint: 1,
    rule1MinTrailingSilence: 2.4,
    rule2MinTrailingSilence: 0.8,
    // Whoever feeds the decoder cuts what is too long.
    rule3MinUtteranceLength: 3_600,
  });
}

/** Only where it is wanted: the package brings 30 MB of native code for some platforms, and none for others. */
function loadAddon(): typeof import("sherpa-onnx-node") {
  try {
    return createRequire(import.meta.url)("sherpa-onnx-node");
  } catch (cause) {
    throw new Error("sherpa is off: sherpa-onnx-node has no native part for this machine", { cause });
  }
}

/** What the native code complained of, in parentheses; empty where it said nothing that can be understood. */
function reasonIn(output: string): string {
  const said = /what\(\): *(.+)/.exec(output)?.[1] ?? /\.cc:\w+:\d+ (.+)/.exec(output)?.[1];
  return said === undefined ? "" : ` (${said.trim().slice(0, 200)})`;
}
