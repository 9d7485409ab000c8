import type { SpeechState, Transcript } from "../audio/speech.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { TranscriptionData } from "../wire/apps.ts";
import type { GlassesMessage } from "../wire/glasses.ts";
import { defaultLanguage } from "../wire/streams.ts";
import type { Publish } from "./manager.ts";
import type { MediaDemand } from "./subscriptions.ts";

/** What the manager needs of its session. */
export interface TranscriptionHost {
  readonly metrics: Metrics;
  readonly publish: Publish;
  /** Speech has become available or has ceased to be. */
  readonly onStateChange: () => void;
}

/**
 * Hands out what was said. One stream a language serves every app that wants the language; interims are newest-wins and
 * finals must arrive.
 */
export class TranscriptionManager {
  readonly #host: TranscriptionHost;
  #state: SpeechState = { state: "ready", detail: "" };
  #autoWanted = false;

  constructor(host: TranscriptionHost) {
    this.#host = host;
  }

  get state(): SpeechState {
    return this.#state;
  }

  /**
   * The languages to open streams for. `auto` is heard through the default language's stream: the embedded recogniser
   * knows no other, and a second stream for the same words would cost a second decoder.
   */
  languagesFor(demand: MediaDemand): readonly string[] {
    this.#autoWanted = demand.languages.includes("auto");
    const languages = demand.languages.map((language) => (language === "auto" ? defaultLanguage : language));
    return [...new Set(languages)];
  }

  onTranscript(transcript: Transcript): void {
    const { startMs, endMs, language } = transcript;
    this.#publish({
      type: "transcription",
      text: transcript.text,
      isFinal: transcript.isFinal,
      utteranceId: transcript.utteranceId,
      transcribeLanguage: language,
      detectedLanguage: language,
      startTime: startMs,
      endTime: endMs,
      duration: endMs - startMs,
      speakerId: "0",
      ...(transcript.confidence === undefined ? {} : { confidence: transcript.confidence }),
      provider: transcript.provider,
    });
  }

  /** The phone has transcribed by itself. Its words count only while nothing here can hear. */
  onLocalTranscription(message: Extract<GlassesMessage, { type: "local_transcription" }>): void {
    if (this.#state.state !== "off" || message.text.trim() === "") return;
    const startTime = message.startTime ?? 0;
    const endTime = message.endTime ?? startTime;
    const language = message.transcribeLanguage ?? defaultLanguage;
    this.#publish({
      type: "transcription",
      text: message.text,
      isFinal: message.isFinal,
      utteranceId: `phone-${startTime}`,
      transcribeLanguage: language,
      detectedLanguage: language,
      startTime,
      endTime,
      duration: endTime - startTime,
      speakerId: "0",
      provider: message.provider ?? "phone",
    });
  }

  onState(state: SpeechState): void {
    const changed = state.state !== this.#state.state;
    this.#state = state;
    if (changed) this.#host.onStateChange();
  }

  #publish(data: TranscriptionData): void {
    this.#host.metrics.transcripts.inc({ kind: data.isFinal ? "final" : "interim" });
    const language = data.transcribeLanguage;
    const keys = [`transcription:${language}`];
    if (this.#autoWanted && language === defaultLanguage) keys.push("transcription:auto");
    for (const key of keys) {
      if (data.isFinal) this.#host.publish(key, data, "must", key, key);
      else this.#host.publish(key, data, "newest", key);
    }
  }
}
