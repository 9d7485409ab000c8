import { describe, expect, test } from "bun:test";
import { listeningFor } from "../../../workers/stt/cloud/listening.ts";

describe("what a vendor is asked to listen for", () => {
  test("widens by hints that are languages, and expects the words that are none", () => {
    const wish = { language: "en-US", hints: ["Grünwald", "es-ES", "fr", "zz"], identifyLanguage: true };
    expect(listeningFor("en-US", wish, false)).toEqual({
      language: "en-US",
      hints: ["es-ES", "fr"],
      keyterms: ["Grünwald", "zz"],
      identifyLanguage: true,
    });
  });

  test("is any language where somebody wants that and the vendor can", () => {
    const wish = { language: "en-US", hints: [], identifyLanguage: true, anyLanguage: true };
    expect(listeningFor("en-US", wish, true).language).toBe("auto");
    expect(listeningFor("en-US", wish, false).language).toBe("en-US");
    expect(listeningFor("en-US", { ...wish, anyLanguage: false }, true).language).toBe("en-US");
    expect(listeningFor("auto", undefined, true)).toMatchObject({ language: "auto", identifyLanguage: true });
  });
});
