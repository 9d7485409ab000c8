/** Loads the model in the folder that is its argument, and hears a second of silence with it: a broken one ends it. */
import { sampleRate } from "../src/audio/recent-audio.ts";
import { openSherpa } from "./sherpa/load-sherpa.ts";
import { SherpaDecoder } from "./sherpa/sherpa-decoder.ts";
import { findSherpaModel } from "./sherpa/sherpa-model.ts";

const decoder = new SherpaDecoder(openSherpa(findSherpaModel(process.argv[2] ?? "")));
decoder.startStream(undefined);
decoder.startUtterance();
decoder.process(new Int16Array(sampleRate));
decoder.endStream();
process.exit(0);
