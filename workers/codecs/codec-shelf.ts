import type { AudioCodecs } from "../../src/audio/commands.ts";
import type { AudioFormat } from "../../src/wire/audio-format.ts";
import type { Codec, OnUndecodable } from "./codec.ts";
import { Lc3Library } from "./lc3.ts";
import { LibopusLibrary } from "./libopus.ts";
import { OpusCodec, type OpusLibrary } from "./opus.ts";
import { OpusscriptLibrary } from "./opusscript.ts";
import { PcmCodec } from "./pcm.ts";

/** Discards every frame: what is in a format that this machine cannot decode must never be taken for PCM. */
class AbsentCodec implements Codec {
  readonly #onUndecodable: OnUndecodable;

  constructor(onUndecodable: OnUndecodable) {
    this.#onUndecodable = onUndecodable;
  }

  decode(_frame: Uint8Array): Int16Array {
    this.#onUndecodable();
    return nothing;
  }

  skipped(): void {}
  reset(): void {}
  close(): void {}
}

const nothing = new Int16Array(0);

/** The codecs of one worker: which exist on this machine, and one decoder of them a session. */
export class CodecShelf {
  readonly #opus: OpusLibrary;
  readonly #lc3: Lc3Library | undefined;

  /**
   * @param opus which Opus implementation to use; `auto` prefers libopus where it is installed.
   * @throws Error when libopus is asked for and not installed.
   */
  constructor(opus: "auto" | "libopus" | "opusscript") {
    const native = opus === "opusscript" ? undefined : LibopusLibrary.load();
    if (native === undefined && opus === "libopus") throw new Error("libopus.so.0 is not installed");
    this.#opus = native ?? new OpusscriptLibrary();
    this.#lc3 = Lc3Library.load();
  }

  /** What is available, as start-up and the audio format call tell it. */
  get available(): AudioCodecs {
    return { opus: this.#opus.name, lc3: this.#lc3 !== undefined };
  }

  open(format: AudioFormat, onUndecodable: OnUndecodable): Codec {
    switch (format.codec) {
      case "pcm":
        return new PcmCodec();
      case "opus":
        return new OpusCodec(this.#opus, onUndecodable);
      case "lc3":
        return this.#lc3?.open(format.frameBytes, onUndecodable) ?? new AbsentCodec(onUndecodable);
    }
  }
}
