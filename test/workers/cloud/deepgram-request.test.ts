import { describe, expect, test } from "bun:test";
import { serves, wishFor } from "../../../workers/stt/cloud/deepgram-request.ts";
import type { ConnectOptions } from "../../../workers/stt/cloud/vendor.ts";

function options(changes: Partial<ConnectOptions>): ConnectOptions {
  return {
    language: "en-US",
    hints: [],
    identifyLanguage: false,
    keyterms: [],
    signal: new AbortController().signal,
    ...changes,
  };
}

describe("what Deepgram is asked for", () => {
  test("is a language with its region only where the service knows the region", () => {
    const asked = (language: string) => wishFor("nova-3", options({ language })).language;
    expect(asked("en-US")).toBe("en-US");
    expect(asked("de-DE")).toBe("de");
    expect(asked("fr-CA")).toBe("fr-CA");
    expect(asked("fr")).toBe("fr");
    expect(asked("auto")).toBe("multi");
  });

  test("is several languages where they are to be identified and hints name more than one", () => {
    const asked = (changes: Partial<ConnectOptions>) => wishFor("nova-3", options(changes)).language;
    expect(asked({ identifyLanguage: true, hints: ["es"] })).toBe("multi");
    expect(asked({ identifyLanguage: true, hints: ["en", "en-GB"] })).toBe("en-US");
    expect(asked({ identifyLanguage: true })).toBe("en-US");
    expect(asked({ identifyLanguage: false, hints: ["es"] })).toBe("en-US");
    // One that cannot be told apart from others in one stream.
    expect(asked({ identifyLanguage: true, hints: ["pl"] })).toBe("en-US");
  });

  test("is never more than the service allows, and nothing twice", () => {
    const many = Array.from({ length: 2_000 }, (_, index) => `term number ${index}`);
    const { keyterms } = wishFor(
      "nova-3",
      options({ keyterms: ["a", "a", "", " ", "x".repeat(500), ...many] }),
    );
    expect(keyterms.slice(0, 2)).toEqual(["a", "term number 0"]);
    expect(keyterms.length).toBeGreaterThan(40);
    expect(Buffer.byteLength(keyterms.join(""))).toBeLessThan(3 * 500);
  });

  test("has no likely words for a model that refuses them", () => {
    expect(wishFor("nova-2", options({ keyterms: ["Browline"] })).keyterms).toEqual([]);
  });

  test("names the languages of a Flux model that knows several", () => {
    const wish = (language: string, hints: string[]) =>
      wishFor("flux-general-multi", options({ language, hints, identifyLanguage: true })).languageHints;
    expect(wish("en-US", ["es", "pl"])).toEqual(["en", "es"]);
    expect(wish("auto", [])).toEqual([]);
    expect(wishFor("flux-general-en", options({ hints: ["es"] })).languageHints).toEqual([]);
  });

  test("is nothing in a language that the model does not serve", () => {
    expect(serves("nova-3", "de-DE")).toBe(true);
    expect(serves("nova-3", "auto")).toBe(true);
    expect(serves("nova-3", "xx")).toBe(false);
    expect(serves("nova-3-medical", "de-DE")).toBe(false);
    expect(serves("flux-general-en", "en-GB")).toBe(true);
    expect(serves("flux-general-en", "auto")).toBe(false);
    expect(serves("flux-general-en", "de-DE")).toBe(false);
    expect(serves("flux-general-multi", "de-DE")).toBe(true);
    expect(serves("flux-general-multi", "auto")).toBe(true);
  });
});
