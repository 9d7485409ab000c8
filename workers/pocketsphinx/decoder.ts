import { ptr } from "bun:ffi";
import type { DecodedWord, SpeechDecoder } from "../stt/speech-decoder.ts";
import { CepstralMean } from "./cepstral-mean.ts";
import { type Library, type NativePointer, nativeText, parseOptions } from "./library.ts";

/** Samples of one feature frame: the unit of the recogniser's own times. */
const frameSamples = 160;

/**
 * Tuned on recordings: without the second pass an utterance ends within 65 ms instead of 570, the bound on active models
 * halves the cost, and the stricter voice threshold does not take the stream's first noise for speech.
 */
const tuning = [
  ["-fwdflat", "no"],
  ["-maxhmmpf", "3000"],
  ["-vad_threshold", "3.0"],
  ["-vad_postspeech", "30"],
  ["-logfn", "/dev/null"],
].flat();

/** Files of one language: the folder as Debian installs it. */
export interface Model {
  readonly acousticDir: string;
  readonly dictionaryFile: string;
  readonly languageFile: string;
  /** Cepstral mean before anything was heard. */
  readonly initialMean: readonly number[];
}

type DecoderState = "idle" | "streaming" | "utterance" | "freed";

/**
 * One native decoder. The library crashes or silently does nothing when its calls come in the wrong order, so the state
 * is tracked here and a wrong call throws. All calls block: a chunk of 20 ms takes about 4 ms, ending an utterance up to 65.
 */
export class Decoder implements SpeechDecoder {
  readonly #library: Library;
  readonly #native: NativePointer;
  readonly #mean: CepstralMean | undefined;
  readonly #initialMean: Float32Array;
  readonly #startFrame = new Int32Array(1);
  readonly #endFrame = new Int32Array(1);
  #state: DecoderState = "idle";

  /**
   * Loads the model, which takes about half a second.
   * @param sibling a decoder of the same thread whose language model is shared; it saves a third of the memory.
   * @throws when the library refuses the model.
   */
  constructor(library: Library, model: Model, sibling?: Decoder) {
    const options = ["-hmm", model.acousticDir, "-dict", model.dictionaryFile, ...tuning];
    if (sibling === undefined) options.push("-lm", model.languageFile);
    const config = parseOptions(library, options);
    const native = config === null ? null : library.ps_init(config);
    if (config !== null) library.cmd_ln_free_r(config);
    if (native === null) throw new Error("the recogniser refuses its model");
    this.#library = library;
    this.#native = native;
    if (sibling !== undefined) this.#shareLanguageModel(sibling);
    this.#mean = CepstralMean.find(library, native, model.initialMean);
    this.#initialMean = Float32Array.from(model.initialMean);
  }

  /** Whether the cepstral mean can be read and set. */
  get hasMean(): boolean {
    return this.#mean !== undefined;
  }

  get inSpeech(): boolean {
    return this.#library.ps_get_in_speech(this.#native) !== 0;
  }

  /**
   * Begins another session's audio: times count from here, and noise is measured anew.
   * @param mean what `endStream` gave for the same session. Without it the speaker is new, and nothing of the former
   * one must linger.
   */
  startStream(mean: Float32Array | undefined): void {
    this.#expect("idle");
    this.#library.ps_start_stream(this.#native);
    this.#mean?.set(mean ?? this.#initialMean);
    this.#state = "streaming";
  }

  startUtterance(): void {
    this.#expect("streaming");
    if (this.#library.ps_start_utt(this.#native) < 0) throw new Error("the recogniser starts no utterance");
    this.#state = "utterance";
  }

  /** Hears mono 16 kHz samples. */
  process(samples: Int16Array): void {
    this.#expect("utterance");
    // The binding refuses to take the address of an empty array.
    if (samples.length === 0) return;
    if (this.#library.ps_process_raw(this.#native, ptr(samples), samples.length, 0, 0) < 0) {
      throw new Error("the recogniser refuses audio");
    }
  }

  /** The words so far, or of the utterance just ended. Silence and noises are left out. */
  words(): DecodedWord[] {
    if (this.#state !== "utterance" && this.#state !== "streaming") this.#expect("utterance");
    const library = this.#library;
    const logmath = library.ps_get_logmath(this.#native);
    const words: DecodedWord[] = [];
    // The iterator frees itself at its end, so it is always followed to the end.
    let segment = library.ps_seg_iter(this.#native);
    while (segment !== null) {
      const text = spokenText(String(library.ps_seg_word(segment)));
      if (text !== "") {
        library.ps_seg_frames(segment, ptr(this.#startFrame), ptr(this.#endFrame));
        const probability = library.logmath_exp(logmath, library.ps_seg_prob(segment, null, null, null));
        words.push({
          text,
          startSample: (this.#startFrame[0] ?? 0) * frameSamples,
          endSample: ((this.#endFrame[0] ?? 0) + 1) * frameSamples,
          confidence: Math.min(1, Math.max(0, probability)),
        });
      }
      segment = library.ps_seg_next(segment);
    }
    return words;
  }

  /** Ends the utterance; `words` then gives its final hypothesis until the next one starts. */
  endUtterance(): void {
    this.#expect("utterance");
    this.#state = "streaming";
    if (this.#library.ps_end_utt(this.#native) < 0) throw new Error("the recogniser cannot end an utterance");
  }

  /** Ends the session's audio. Returns its cepstral mean, for `startStream` of the same session. */
  endStream(): Float32Array | undefined {
    if (this.#state === "utterance") this.endUtterance();
    this.#expect("streaming");
    this.#state = "idle";
    return this.#mean?.get();
  }

  /** Frees the native memory. Safe to call twice. */
  free(): void {
    if (this.#state === "freed") return;
    this.#state = "freed";
    this.#library.ps_free(this.#native);
  }

  #shareLanguageModel(sibling: Decoder): void {
    const library = this.#library;
    // Each is named explicitly: a null name makes the library crash.
    const ownName = nativeText("_default");
    const sharedName = nativeText("shared");
    let shared = library.ps_get_lm(sibling.#native, ptr(ownName));
    shared ??= library.ps_get_lm(sibling.#native, ptr(sharedName));
    const failed =
      shared === null ||
      library.ps_set_lm(this.#native, ptr(sharedName), library.ngram_model_retain(shared)) < 0 ||
      library.ps_set_search(this.#native, ptr(sharedName)) < 0;
    if (!failed) return;
    this.free();
    throw new Error("the recogniser does not share its language model");
  }

  #expect(state: DecoderState): void {
    if (this.#state !== state) throw new Error(`decoder is ${this.#state}, expected ${state}`);
  }
}

/** A dictionary entry as it is spoken: without the mark of its variant; empty for silence, noises and sentence marks. */
function spokenText(entry: string): string {
  return /^(<.*>|\[.*\]|\+\+.*\+\+)$/.test(entry) ? "" : entry.replace(/\(\d+\)$/, "");
}
