import type { ConnectOptions } from "./vendor.ts";

/** What is asked of the service for one connection, beyond the audio format. */
export interface DeepgramWish {
  /** The `language` of Nova; undefined where the model has a single one. */
  readonly language: string | undefined;
  /** The `language_hint`s of Flux. */
  readonly languageHints: readonly string[];
  readonly keyterms: readonly string[];
}

/** Flux has a service of its own, `v2/listen`. */
export function isFlux(model: string): boolean {
  return model.startsWith("flux");
}

/** What one model tells apart in one stream. */
const multiLanguages = new Set(["en", "es", "fr", "de", "hi", "ru", "pt", "ja", "it", "nl"]);

const novaLanguages = new Set(
  "ar be bg bn bs ca cs da de el en es et fa fi fr he hi hr hu id it ja kn ko lt lv mk mr ms nl no pl pt ro ru sk sl sr sv ta te th tl tr uk ur vi zh".split(
    " ",
  ),
);

/** Variants that the service knows by name. Any other region is asked for by its base language alone. */
const variants = new Set(
  "en-US en-AU en-GB en-IN en-NZ de-CH es-419 fr-CA nl-BE pt-BR pt-PT zh-CN zh-TW zh-HK".split(" "),
);

/** The service takes 500 tokens of key terms; a token is three bytes or more of nearly all text. */
const keytermTokens = 450;
const keytermBytes = 200;

/** Whether a model serves a language; `auto` is any that it can tell apart. */
export function serves(model: string, language: string): boolean {
  const base = baseOf(language);
  if (model.startsWith("flux")) {
    return model.includes("multi") ? language === "auto" || multiLanguages.has(base) : base === "en";
  }
  if (model.includes("medical")) return base === "en";
  return language === "auto" || novaLanguages.has(base);
}

/** The wish that meets the options. */
export function wishFor(model: string, options: ConnectOptions): DeepgramWish {
  const tags = options.hints.map(baseOf);
  const base = baseOf(options.language);
  const spoken = options.language === "auto" ? tags : [base, ...tags];
  const several =
    options.language === "auto" ||
    (options.identifyLanguage && spoken.some((tag) => tag !== base) && spoken.every(isMulti));
  // Earlier models know no key terms and refuse a request that has some.
  const takesKeyterms = isFlux(model) || model.startsWith("nova-3");
  return {
    language: several ? "multi" : variants.has(options.language) ? options.language : base,
    languageHints: model.includes("multi") ? [...new Set(spoken)].filter(isMulti) : [],
    keyterms: takesKeyterms ? capped(options.keyterms) : [],
  };
}

function isMulti(base: string): boolean {
  return multiLanguages.has(base);
}

function baseOf(language: string): string {
  return language.split("-", 1)[0]?.toLowerCase() ?? "";
}

function capped(terms: readonly string[]): readonly string[] {
  const kept = new Set<string>();
  let tokens = 0;
  for (const term of terms) {
    const text = term.replace(/\s+/g, " ").trim();
    const bytes = Buffer.byteLength(text);
    if (text === "" || bytes > keytermBytes || kept.has(text)) continue;
    tokens += Math.ceil(bytes / 3) + 1;
    if (tokens > keytermTokens) break;
    kept.add(text);
  }
  return [...kept];
}
