import { accessSync, constants } from "node:fs";
import { initialMean } from "./cepstral-mean.ts";
import type { Model } from "./decoder.ts";

/**
 * Looks up the files of the English model in `modelDir`, as Debian's package lays them out.
 * @throws when one of them is missing or not readable.
 */
export function findModel(modelDir: string): Model {
  const model = {
    acousticDir: `${modelDir}/en-us`,
    dictionaryFile: `${modelDir}/cmudict-en-us.dict`,
    languageFile: `${modelDir}/en-us.lm.bin`,
  };
  for (const path of [`${model.acousticDir}/mdef`, model.dictionaryFile, model.languageFile]) {
    accessSync(path, constants.R_OK);
  }
  return { ...model, initialMean: initialMean(model.acousticDir) };
}
