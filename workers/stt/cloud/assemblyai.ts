import type { StreamingSpeechModel } from "assemblyai";
import { AssemblyAiConnection, type AssemblyAiCredential } from "./assemblyai-connection.ts";
import type {
  CloudConnection,
  CloudVendor,
  ConnectionSink,
  ConnectOptions,
  VendorCapabilities,
} from "./vendor.ts";

export interface AssemblyAiSettings {
  readonly credential: AssemblyAiCredential;
  /** The whole address of the streaming endpoint, over TLS. Undefined: AssemblyAI's own in the US. */
  readonly baseUrl?: string;
  /** One model for every language. Undefined: the English one for English, the multilingual one otherwise. */
  readonly model?: string;
  /** Whether finals come with punctuation and capitals, a little later. */
  readonly formatTurns?: boolean;
  /** Tell speakers apart. */
  readonly speakerLabels?: boolean;
  readonly minTurnSilenceMs?: number;
  readonly maxTurnSilenceMs?: number;
  /** The service ends a connection that sends nothing for so long: a guard against costs, 5 to 3600 seconds. */
  readonly inactivitySeconds?: number;
  /** How long a connection may take to open. */
  readonly connectTimeoutMs?: number;
  readonly maxReplaySpeed?: number;
}

/** What is spoken in `universal-streaming-multilingual`. */
const multilingual: readonly string[] = ["en", "es", "fr", "de", "it", "pt"];
/** The service's bounds for words that are likely. */
const mostKeyterms = 100;
const keytermChars = 50;

/** AssemblyAI's streaming speech to text, version 3. */
export class AssemblyAi implements CloudVendor {
  readonly id = "assemblyai";
  readonly capabilities: VendorCapabilities;
  readonly #settings: AssemblyAiSettings;

  /** @throws when the address is not one of a WebSocket over TLS, which is all that the SDK speaks. */
  constructor(settings: AssemblyAiSettings) {
    const { baseUrl } = settings;
    if (baseUrl !== undefined && !baseUrl.startsWith("wss://")) {
      throw new Error("the address of AssemblyAI has to begin with wss://");
    }
    this.#settings = settings;
    const inactivitySeconds = settings.inactivitySeconds ?? 120;
    this.capabilities = {
      minChunkMs: 50,
      maxChunkMs: 1_000,
      maxReplaySpeed: settings.maxReplaySpeed ?? 1.2,
      idleMs: inactivitySeconds * 1_000,
      keepAliveMs: (inactivitySeconds * 1_000) / 4,
      maxSessionMs: 3 * 3_600_000,
    };
  }

  supports(language: string): boolean {
    return language === "auto" || multilingual.includes(baseOf(language));
  }

  connect(options: ConnectOptions, sink: ConnectionSink): CloudConnection {
    return new AssemblyAiConnection(this.#session(options), this.#settings.credential, options.signal, sink);
  }

  #session({ language, hints, identifyLanguage, keyterms }: ConnectOptions) {
    const settings = this.#settings;
    const base = baseOf(language);
    const speechModel =
      settings.model ?? (base === "en" ? "universal-streaming-english" : "universal-streaming-multilingual");
    const terms = keyterms
      .map((term) => term.trim())
      .filter((term) => term !== "" && term.length <= keytermChars)
      .slice(0, mostKeyterms);
    // Only the newest models can be told the languages; the others go by what they hear.
    const languageCodes = [...new Set([language, ...hints].map(baseOf))].filter((code) => code !== "auto");
    const steered = speechModel.startsWith("universal-3") && languageCodes.length > 0;
    const identifies = speechModel !== "universal-streaming-english" && (identifyLanguage || base === "auto");
    return {
      ...(settings.baseUrl === undefined ? {} : { websocketBaseUrl: settings.baseUrl }),
      // The service knows more models than this version of its SDK can name.
      speechModel: speechModel as StreamingSpeechModel,
      formatTurns: settings.formatTurns ?? true,
      inactivityTimeout: settings.inactivitySeconds ?? 120,
      connectTimeout: settings.connectTimeoutMs ?? 4_000,
      ...(terms.length === 0 ? {} : { keytermsPrompt: terms }),
      ...(steered ? { languageCodes } : {}),
      ...(identifies ? { languageDetection: true } : {}),
      ...(settings.speakerLabels === true ? { speakerLabels: true } : {}),
      ...(settings.minTurnSilenceMs === undefined ? {} : { minTurnSilence: settings.minTurnSilenceMs }),
      ...(settings.maxTurnSilenceMs === undefined ? {} : { maxTurnSilence: settings.maxTurnSilenceMs }),
    };
  }
}

function baseOf(language: string): string {
  return (language.split("-")[0] ?? language).toLowerCase();
}
