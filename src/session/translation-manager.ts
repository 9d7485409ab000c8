import type { TranscriptionData, TranslationData } from "../wire/apps.ts";
import { streamRefusal } from "../wire/refusals.ts";
import { type Stream, streamKey } from "../wire/streams.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";

type TranslationStream = Extract<Stream, { kind: "translation" }>;

/**
 * The language to listen to for a subscription to translations, where nothing need be translated for it: between
 * variants of one language, and from any language for what is said in the wanted one. Undefined: it cannot be served.
 */
export function languageToPassOn({ source, target }: TranslationStream): string | undefined {
  if (source === "all") return "auto";
  return sameLanguage(source, target) ? source : undefined;
}

/** Whether what was said is, for this subscription, in the wanted language already. */
function passesOn({ source, target }: TranslationStream, said: TranscriptionData): boolean {
  const meant = source === "all" || source === said.transcribeLanguage;
  return meant && sameLanguage(target, said.detectedLanguage);
}

function sameLanguage(a: string, b: string): boolean {
  return a.split("-")[0] === b.split("-")[0];
}

/**
 * There is no translator here. Who subscribes to one is told so at once; but words that are in the wanted language
 * already are passed on, since leaving them out would make half a conversation vanish.
 */
export class TranslationManager implements Manager {
  readonly #context: SessionContext;
  /** What the apps and the phone subscribe to, by its key. */
  #wanted: ReadonlyMap<string, TranslationStream> = new Map();

  constructor(context: SessionContext) {
    this.#context = context;
  }

  onAppHears(app: SessionApp, keys: readonly string[]): void {
    const denied = translationsOf(this.#context.streamsOf(app.packageName))
      .filter((stream) => keys.includes(keyOf(stream)) && !sameLanguage(stream.source, stream.target))
      .map(({ literal }) => ({
        stream: literal,
        requiredPermission: "MICROPHONE" as const,
        message: `NOT_SERVED: ${literal}: this server has no translator; only what is said in the wanted language is passed on`,
      }));
    if (denied.length === 0) return;
    this.#context.metrics.requestsRefused.inc({ request: "translation", code: "NOT_SERVED" }, denied.length);
    app.send(streamRefusal("NOT_SERVED", "Some subscriptions cannot be served", denied));
  }

  onSubscriptionsChanged(): void {
    this.#wanted = new Map(
      translationsOf(this.#context.allStreams()).map((stream) => [keyOf(stream), stream]),
    );
  }

  onSaid(said: TranscriptionData): void {
    for (const [key, stream] of this.#wanted) {
      if (!passesOn(stream, said)) continue;
      const data = untranslated(said, stream.target);
      if (said.isFinal) this.#context.publish(key, data, "must", key, key);
      else this.#context.publish(key, data, "newest", key);
    }
  }
}

function translationsOf(streams: readonly Stream[]): TranslationStream[] {
  return streams.filter((stream) => stream.kind === "translation");
}

/** Translations always have one. */
function keyOf(stream: TranslationStream): string {
  return streamKey(stream) ?? stream.literal;
}

function untranslated(said: TranscriptionData, translateLanguage: string): TranslationData {
  const { detectedLanguage: _, ...rest } = said;
  return { ...rest, type: "translation", originalText: said.text, translateLanguage, didTranslate: false };
}
