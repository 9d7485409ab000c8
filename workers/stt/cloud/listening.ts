import type { SpeechWish } from "../../../src/audio/lanes.ts";
import type { ConnectOptions } from "./vendor.ts";

/** What is asked of a vendor for a stream, whoever the vendor is. */
export type Listening = Omit<ConnectOptions, "signal">;

const languageNames = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });

/**
 * How to listen for `language`. Hints of two kinds come from apps: language tags widen what is listened for, anything else
 * is a word that is likely. `anyLanguage`: whether whatever is spoken can be heard, where somebody wants that.
 */
export function listeningFor(
  language: string,
  wish: SpeechWish | undefined,
  anyLanguage: boolean,
): Listening {
  const hints = wish?.hints ?? [];
  return {
    language: anyLanguage && wish?.anyLanguage === true ? "auto" : language,
    hints: hints.filter(isLanguageTag),
    keyterms: hints.filter((hint) => !isLanguageTag(hint)),
    identifyLanguage: wish?.identifyLanguage ?? language === "auto",
  };
}

function isLanguageTag(hint: string): boolean {
  return /^[a-z]{2}(-[a-z0-9]{2,4})*$/i.test(hint) && languageNames.of(hint) !== undefined;
}
