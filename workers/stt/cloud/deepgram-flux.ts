import { sampleRate, samplesPerMs } from "../../../src/audio/recent-audio.ts";
import { errorFailure } from "./deepgram-failure.ts";
import {
  type DeepgramListener,
  describe,
  type Fields,
  type Heard,
  listOf,
  nothing,
  numberOf,
  signOfLife,
  textOf,
  wordsOf,
} from "./deepgram-message.ts";
import type { ProviderTime } from "./provider-time.ts";
import type { ConnectionEvent } from "./vendor.ts";

/** A word may have begun this long before the service shows it. */
const unheardSamples = 800 * samplesPerMs;

/**
 * Reads the turns of `v2/listen`. A turn is an utterance: its text is whole in every message, `EndOfTurn` is final. An
 * eager end may be taken back, so it counts as an interim.
 */
export class FluxListener implements DeepgramListener {
  readonly #time: ProviderTime;
  #settled = 0;

  constructor(time: ProviderTime) {
    this.#time = time;
  }

  hear(message: Fields): Heard {
    switch (message["type"]) {
      case "TurnInfo":
        return { events: this.#turn(message) };
      case "Error":
      case "FatalError":
        return { events: [], failure: errorFailure(message) };
      case "Connected":
      case "ConfigureSuccess":
      case "ConfigureFailure":
        return signOfLife;
      default:
        return nothing;
    }
  }

  #turn(message: Fields): readonly ConnectionEvent[] {
    const text = textOf(message["transcript"]);
    const windowEnd = (numberOf(message["audio_window_end"]) ?? 0) * sampleRate;
    const over = message["event"] === "EndOfTurn";
    if (text === "") return this.#settle(over ? windowEnd : windowEnd - unheardSamples);
    const words = wordsOf(message["words"]);
    const start = words[0]?.start ?? numberOf(message["audio_window_start"]) ?? 0;
    const end = words.at(-1)?.end;
    const startSample = this.#time.toSession(start * sampleRate, "start");
    const endSample = this.#time.toSession(end === undefined ? windowEnd : end * sampleRate, "end");
    const language = textOf(listOf(message["languages"])[0]);
    const utterance: ConnectionEvent = {
      kind: over ? "final" : "interim",
      text,
      startSample,
      endSample: Math.max(startSample, endSample),
      ...(language === "" ? {} : { language }),
      ...describe(words, this.#time),
    };
    return over ? [utterance, ...this.#settle(windowEnd)] : [utterance];
  }

  #settle(position: number): readonly ConnectionEvent[] {
    const sample = this.#time.toSession(position, "end");
    if (sample <= this.#settled) return [{ kind: "heard" }];
    this.#settled = sample;
    return [{ kind: "settled", sample }];
  }
}
