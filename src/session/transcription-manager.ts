import type { AudioDemand } from "../audio/lanes.ts";
import type { SpeechState, Transcript } from "../audio/speech.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { SpeechGap, TranscriptionData } from "../wire/apps.ts";
import type { GlassesMessage } from "../wire/glasses.ts";
import { defaultLanguage } from "../wire/streams.ts";
import type { Publish } from "./manager.ts";
import { type MediaDemand, uniteWishes } from "./subscriptions.ts";
import { TranscriptHistory } from "./transcript-history.ts";
import { type CallableApp, matchCommand, type VoiceCommand } from "./voice-commands.ts";

/** What the manager needs of its session. */
export interface TranscriptionHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly publish: Publish;
  /** Something was recognised; whoever hears the transcription has been told. */
  readonly onSaid: (said: TranscriptionData) => void;
  /** Speech has become available or has ceased to be. */
  readonly onStateChange: () => void;
  /** Whether the user wants apps to start and stop on spoken commands. */
  readonly voiceCommands: () => boolean;
  /** The apps that a spoken command may mean. */
  readonly callableApps: () => readonly CallableApp[];
  readonly obey: (command: VoiceCommand) => void;
  /** Something that `keep` gives has changed. */
  readonly changed: () => void;
}

/** What is kept of speech in case the process ends. */
export interface KeptSpeech {
  readonly startedAtMs: number;
  /** Where the last word ended on the session's clock. */
  readonly heardMs: number;
  /** Since when something is being said that no final has ended; absent: nothing is. */
  readonly openSinceMs?: number;
  /** Since when the voice is silent, of which no word has come so far. */
  readonly quietSinceMs?: number;
}

/** A voice of which no word has come so long after it fell silent has said none. */
const wordlessMs = 3_000;

/** Of what the phone hears by itself, the utterance that has not ended yet. */
interface PhoneUtterance {
  readonly id: string;
  readonly latest: TranscriptionData;
}

/** What is kept of the name that a phone gives a speaker. */
const speakerChars = 64;

/**
 * Hands out what was said, and when somebody speaks. One stream a language serves every app that wants the language;
 * interims are newest-wins and finals must arrive. Keeps what was said for a while, and obeys spoken commands if the user
 * wants that.
 */
export class TranscriptionManager {
  readonly history: TranscriptHistory;
  readonly #host: TranscriptionHost;
  #startedAtMs: number;
  /** What lies before the audio of this process on the session's clock. */
  #offsetMs = 0;
  #heardMs = 0;
  /** Since when something is being said that no final has ended. */
  #openSinceMs: number | undefined;
  #quietSinceMs: number | undefined;
  /** Whether words have come of what no final has ended. */
  #interim = false;
  #state: SpeechState = { state: "ready", detail: "" };
  /** Languages listened to. */
  #languages: readonly string[] = [];
  #autoWanted = false;
  #voiceActive = false;
  /** Whether the phone itself reports voices over the present socket: then its word counts, and not the server's as well. */
  #phoneReportsVoice = false;
  #phoneUtterances = 0;
  readonly #phoneUtterance = new Map<string, PhoneUtterance>();

  constructor(host: TranscriptionHost) {
    this.#host = host;
    this.#startedAtMs = host.clock.now();
    this.history = new TranscriptHistory(host.clock, host.limits);
  }

  get state(): SpeechState {
    return this.#state;
  }

  /** Whether somebody is speaking, as the phone says or, if it says nothing, as the server hears. */
  get voiceActive(): boolean {
    return this.#voiceActive;
  }

  /**
   * What to listen to. `auto` is heard through the default language's stream, which hears every language where its
   * recogniser can: a second stream for the same words would be paid twice. Spoken commands are in the default language
   * as well, and the names of the apps in them are words to be expected. Asking changes nothing.
   */
  demandOf(media: MediaDemand): AudioDemand {
    const wishes = media.speech.map((wish) =>
      wish.language === "auto"
        ? { ...wish, language: defaultLanguage, identifyLanguage: true, anyLanguage: true }
        : wish,
    );
    const commands = this.#host.voiceCommands()
      ? [{ language: defaultLanguage, hints: this.#calledApps(), identifyLanguage: false }]
      : [];
    const speech = uniteWishes([...wishes, ...commands]);
    return { languages: speech.map(({ language }) => language), speech, pcm: media.pcm, voice: media.voice };
  }

  /** From now on this is listened to. */
  listenFor(media: MediaDemand): AudioDemand {
    const demand = this.demandOf(media);
    this.#autoWanted = media.languages.includes("auto");
    this.#languages = demand.languages;
    return demand;
  }

  onTranscript(transcript: Transcript): void {
    const { language } = transcript;
    const startMs = transcript.startMs + this.#offsetMs;
    const endMs = transcript.endMs + this.#offsetMs;
    this.#publish({
      type: "transcription",
      text: transcript.text,
      isFinal: transcript.isFinal,
      utteranceId: transcript.utteranceId,
      transcribeLanguage: language,
      detectedLanguage: transcript.detectedLanguage ?? language,
      startTime: startMs,
      endTime: endMs,
      duration: endMs - startMs,
      speakerId: transcript.speaker ?? "0",
      ...(transcript.confidence === undefined ? {} : { confidence: transcript.confidence }),
      provider: transcript.provider,
    });
  }

  /**
   * The phone has transcribed by itself. Its words count only while nothing here can hear the language; they go to the
   * same hearers in the same form. Each final begins a new utterance, since phones give theirs no ids.
   */
  onLocalTranscription(message: Extract<GlassesMessage, { type: "local_transcription" }>): void {
    const language = this.#languageMeant(message.transcribeLanguage);
    if (!this.#isDeaf(language) || message.text.trim() === "") return;
    if (message.text.length > this.#host.limits.transcriptChars) {
      this.#host.metrics.messagesRejected.inc({ side: "glasses", reason: "oversized_transcript" });
      return;
    }
    const startTime = this.#onSessionTime(message.startTime);
    const endTime = Math.max(startTime, this.#onSessionTime(message.endTime ?? message.startTime));
    const { speakerId } = message;
    const id = this.#phoneUtterance.get(language)?.id ?? `phone-${++this.#phoneUtterances}`;
    const data: TranscriptionData = {
      type: "transcription",
      text: message.text,
      isFinal: message.isFinal,
      utteranceId: id,
      transcribeLanguage: language,
      detectedLanguage: language,
      startTime,
      endTime,
      duration: endTime - startTime,
      speakerId: isName(speakerId) ? String(speakerId).slice(0, speakerChars) : "0",
      provider: message.provider ?? "phone",
    };
    this.#phoneUtterance.delete(language);
    if (!message.isFinal) this.#phoneUtterance.set(language, { id, latest: data });
    this.#publish(data);
    // A phone may name any language, and begin in each what it never ends.
    const [oldest] = this.#phoneUtterance.keys();
    if (oldest !== undefined && this.#phoneUtterance.size > this.#host.limits.transcriptLanguages) {
      this.#endPhoneUtterance(oldest);
    }
  }

  onState(state: SpeechState): void {
    const changed = state.state !== this.#state.state;
    this.#state = state;
    // What the phone had begun will not be ended by it: the server hears the rest.
    for (const language of [...this.#phoneUtterance.keys()]) {
      if (!this.#isDeaf(language)) this.#endPhoneUtterance(language);
    }
    if (changed) this.#host.onStateChange();
  }

  /** The phone reports voice activity. Apps are handed its own message elsewhere. */
  onPhoneVoice(active: boolean): void {
    this.#phoneReportsVoice = true;
    this.#voiceActive = active;
    this.#noteVoice();
  }

  /** The server's own detector has heard a voice begin or end: news to apps only where the phone does not tell. */
  onServerVoice(active: boolean): void {
    if (active === this.#voiceActive) return;
    this.#voiceActive = active;
    this.#noteVoice();
    if (!this.#phoneReportsVoice) this.#publishVoice();
  }

  glassesConnected(): void {
    this.#phoneReportsVoice = false;
  }

  /** Whoever was speaking cannot be heard any more, and the word that he has ended may never come. */
  glassesGone(): void {
    if (!this.#voiceActive) return;
    this.#voiceActive = false;
    this.#publishVoice();
  }

  keep(): KeptSpeech {
    const openSinceMs = this.#openSinceMs;
    const quietSinceMs = this.#quietSinceMs;
    return {
      startedAtMs: this.#startedAtMs,
      heardMs: this.#heardMs,
      ...(openSinceMs !== undefined && { openSinceMs }),
      ...(quietSinceMs !== undefined && { quietSinceMs }),
    };
  }

  /**
   * Goes on where a former process has ended: audio is lost with a process, and so is what was being said.
   * @param lostMs when that was.
   * @returns what was lost; undefined where nothing was being said.
   */
  resume(
    { startedAtMs, heardMs, openSinceMs, quietSinceMs }: KeptSpeech,
    lostMs: number,
  ): SpeechGap | undefined {
    this.#startedAtMs = startedAtMs;
    this.#heardMs = heardMs;
    this.#offsetMs = heardMs;
    const wordless = quietSinceMs !== undefined && lostMs - quietSinceMs > wordlessMs;
    if (openSinceMs === undefined || wordless) return undefined;
    this.#host.metrics.speechGaps.inc({ cause: "restart" });
    return { fromMs: openSinceMs, toMs: Math.max(openSinceMs, lostMs) };
  }

  dispose(): void {
    this.history.clear();
  }

  #calledApps(): string[] {
    return this.#host.callableApps().flatMap(({ name, phrases = [] }) => [name, ...phrases]);
  }

  /** Makes what the phone had begun to say in a language the final. */
  #endPhoneUtterance(language: string): void {
    const latest = this.#phoneUtterance.get(language)?.latest;
    this.#phoneUtterance.delete(language);
    if (latest !== undefined) this.#publish({ ...latest, isFinal: true });
  }

  /** Whether nothing here can hear a language. */
  #isDeaf(language: string): boolean {
    const { state, unserved } = this.#state;
    return state === "off" && (unserved === undefined || unserved.includes(language));
  }

  /** Phones may name a language without a region; it then means the one listened to. */
  #languageMeant(named = defaultLanguage): string {
    if (named.includes("-")) return named;
    const alike = (language: string) => language.split("-")[0] === named;
    return this.#languages.find(alike) ?? (alike(defaultLanguage) ? defaultLanguage : named);
  }

  /** Phones send milliseconds since the Unix epoch; apps are told milliseconds of the session. */
  #onSessionTime(time = this.#host.clock.now()): number {
    return Math.max(0, time > this.#startedAtMs / 2 ? time - this.#startedAtMs : time);
  }

  #publish(data: TranscriptionData): void {
    this.#host.metrics.transcripts.inc({ kind: data.isFinal ? "final" : "interim" });
    this.#heardMs = Math.max(this.#heardMs, data.endTime);
    this.#noteSpeech(data.isFinal);
    if (data.isFinal) this.#host.changed();
    this.history.add(data);
    const language = data.transcribeLanguage;
    const keys = [`transcription:${language}`];
    if (this.#autoWanted && language === defaultLanguage) keys.push("transcription:auto");
    for (const key of keys) {
      if (data.isFinal) this.#host.publish(key, data, "must", key, key);
      else this.#host.publish(key, data, "newest", key);
    }
    this.#host.onSaid(data);
    if (data.isFinal) this.#obey(data);
  }

  /** Who listens is owed what is being said, from a voice or a first word on until the final that ends it. */
  #noteSpeech(isFinal: boolean): void {
    const now = this.#host.clock.now();
    this.#interim = !isFinal;
    if (!isFinal) this.#setOpen(this.#openSinceMs ?? now, undefined);
    else this.#setOpen(this.#voiceActive ? now : undefined, undefined);
  }

  #noteVoice(): void {
    const now = this.#host.clock.now();
    const quietMs = now - (this.#quietSinceMs ?? now);
    if (!this.#voiceActive) {
      const wordsCame = this.#openSinceMs !== undefined && this.#interim;
      this.#setOpen(this.#openSinceMs, wordsCame ? undefined : now);
    } else if (this.#languages.length > 0) {
      this.#setOpen(quietMs > wordlessMs ? now : (this.#openSinceMs ?? now), undefined);
    }
  }

  #setOpen(openSinceMs: number | undefined, quietSinceMs: number | undefined): void {
    if (openSinceMs === this.#openSinceMs && quietSinceMs === this.#quietSinceMs) return;
    this.#openSinceMs = openSinceMs;
    this.#quietSinceMs = openSinceMs === undefined ? undefined : quietSinceMs;
    this.#host.changed();
  }

  #publishVoice(): void {
    this.#host.publish("VAD", { type: "VAD", status: this.#voiceActive }, "newest", "VAD");
  }

  /**
   * Does what a final tells to do, if it is a command beyond doubt. An utterance whose recogniser does not say how sure it
   * is counts as doubtful, which goes for all that a phone has recognised.
   */
  #obey({ text, confidence = 0 }: TranscriptionData): void {
    if (!this.#host.voiceCommands()) return;
    const command = matchCommand(text, this.#host.callableApps());
    if (command === undefined) return;
    const sure = confidence * 100 >= this.#host.limits.voiceCommandPercent;
    this.#host.metrics.voiceCommands.inc({ outcome: sure ? command.action : "doubtful" });
    if (sure) this.#host.obey(command);
  }
}

function isName(value: unknown): value is string | number {
  return typeof value === "string" || typeof value === "number";
}
