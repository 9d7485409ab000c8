import { accessSync, constants, readdirSync } from "node:fs";
import { join } from "node:path";

/** Files of a streaming transducer. */
export interface SherpaModel {
  readonly encoder: string;
  readonly decoder: string;
  readonly joiner: string;
  readonly tokens: string;
}

/**
 * Looks the files up by their names, such as `encoder-epoch-99-avg-1.onnx`. Where there is a small version beside the
 * full one (`.int8.onnx`), the small one is taken: it is made for processors without help.
 * @throws with a sentence that names what is missing.
 */
export function findSherpaModel(modelDir: string): SherpaModel {
  const names = list(modelDir);
  const find = (part: "encoder" | "decoder" | "joiner"): string => {
    const fitting = names.filter((name) => name.startsWith(part) && name.endsWith(".onnx")).toSorted();
    const name = fitting.find((each) => each.endsWith(".int8.onnx")) ?? fitting[0];
    return readable(modelDir, name ?? `${part}.onnx`);
  };
  return {
    encoder: find("encoder"),
    decoder: find("decoder"),
    joiner: find("joiner"),
    tokens: readable(modelDir, "tokens.txt"),
  };
}

function list(modelDir: string): string[] {
  try {
    return readdirSync(modelDir);
  } catch {
    throw new Error(`sherpa is off: there is no folder ${modelDir} with a model`);
  }
}

function readable(modelDir: string, name: string): string {
  const path = join(modelDir, name);
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch {
    throw new Error(`sherpa is off: the model in ${modelDir} has no ${name}`);
  }
}
