import { dlopen, type Pointer, ptr } from "bun:ffi";

/** The parts of sphinxbase that the decoder needs, as declared in the headers of its version 5 prealpha. */
const baseSymbols = {
  err_set_callback: { args: ["ptr", "ptr"], returns: "void" },
  cmd_ln_parse_r: { args: ["ptr", "ptr", "i32", "ptr", "i32"], returns: "ptr" },
  cmd_ln_free_r: { args: ["ptr"], returns: "i32" },
  logmath_exp: { args: ["ptr", "i32"], returns: "f64" },
  ngram_model_retain: { args: ["ptr"], returns: "ptr" },
  ngram_model_free: { args: ["ptr"], returns: "i32" },
  cmn_live_get: { args: ["ptr", "ptr"], returns: "void" },
  cmn_live_set: { args: ["ptr", "ptr"], returns: "void" },
} as const;

const decoderSymbols = {
  ps_args: { args: [], returns: "ptr" },
  ps_init: { args: ["ptr"], returns: "ptr" },
  ps_free: { args: ["ptr"], returns: "i32" },
  ps_start_stream: { args: ["ptr"], returns: "i32" },
  ps_start_utt: { args: ["ptr"], returns: "i32" },
  ps_process_raw: { args: ["ptr", "ptr", "u64", "i32", "i32"], returns: "i32" },
  ps_get_in_speech: { args: ["ptr"], returns: "u8" },
  ps_end_utt: { args: ["ptr"], returns: "i32" },
  ps_get_logmath: { args: ["ptr"], returns: "ptr" },
  ps_get_feat: { args: ["ptr"], returns: "ptr" },
  ps_seg_iter: { args: ["ptr"], returns: "ptr" },
  ps_seg_next: { args: ["ptr"], returns: "ptr" },
  ps_seg_word: { args: ["ptr"], returns: "cstring" },
  ps_seg_frames: { args: ["ptr", "ptr", "ptr"], returns: "void" },
  ps_seg_prob: { args: ["ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  ps_get_lm: { args: ["ptr", "ptr"], returns: "ptr" },
  ps_set_lm: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  ps_set_search: { args: ["ptr", "ptr"], returns: "i32" },
} as const;

function openBase() {
  return dlopen("libsphinxbase.so.3", baseSymbols).symbols;
}

function openDecoder() {
  return dlopen("libpocketsphinx.so.3", decoderSymbols).symbols;
}

/** The native functions. Every pointer they return belongs to the thread that loaded the library. */
export type Library = ReturnType<typeof openBase> & ReturnType<typeof openDecoder>;

/**
 * Loads the recogniser's shared libraries by soname, so that the system's own search decides where they lie, and
 * silences their logging, which would go to the server's stderr.
 * @throws when one of them is missing.
 */
export function loadLibrary(): Library {
  const library = { ...openBase(), ...openDecoder() };
  library.err_set_callback(null, null);
  return library;
}

/** An address as the binding hands it out: a number wherever it fits one. */
export type NativePointer = Pointer | bigint;

/** A zero-terminated string for a native call. The caller keeps the buffer referenced while the callee uses it. */
export function nativeText(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/**
 * Parses decoder options, given as alternating names and values.
 * @returns the configuration, or null when the library refuses an option.
 */
export function parseOptions(library: Library, options: readonly string[]): NativePointer | null {
  const texts = ["browline", ...options].map(nativeText);
  const argv = new BigUint64Array(texts.map((text) => BigInt(ptr(text))));
  return library.cmd_ln_parse_r(null, library.ps_args(), texts.length, ptr(argv), 0);
}
