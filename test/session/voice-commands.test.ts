import { describe, expect, test } from "bun:test";
import { type CallableApp, matchCommand } from "../../src/session/voice-commands.ts";

const apps: readonly CallableApp[] = [
  { packageName: "com.captions", name: "Captions" },
  { packageName: "com.translator", name: "Translator" },
  { packageName: "com.music", name: "Music Box", phrases: ["play some music", "music"] },
  { packageName: "com.x", name: "X-Ray!", phrases: [] },
  { packageName: "com.notes.a", name: "Notes" },
  { packageName: "com.notes.b", name: "notes" },
  { packageName: "com.nameless", name: "" },
  { packageName: "com.alarm", name: "Alarm", phrases: ["stop captions now", "what's up"] },
];

describe("a voice command", () => {
  test.each([
    ["start translator", "start", "com.translator"],
    ["Start Translator.", "start", "com.translator"],
    ["open translator", "start", "com.translator"],
    ["launch  the translator".replace("the ", ""), "start", "com.translator"],
    ["stop captions", "stop", "com.captions"],
    ["close captions", "stop", "com.captions"],
    ["play some music", "start", "com.music"],
    ["Play some music!", "start", "com.music"],
    ["stop music", "stop", "com.music"],
    ["stop play some music", "stop", "com.music"],
    ["start music box", "start", "com.music"],
    ["music", "start", "com.music"],
    ["stop captions now", "start", "com.alarm"],
    ["whats up", "start", "com.alarm"],
    ["start x ray", "start", "com.x"],
  ] as const)("%p is to %s %s", (text, action, packageName) => {
    expect(matchCommand(text, apps)).toEqual({ action, packageName });
  });

  test.each([
    ["", "nothing was said"],
    ["start", "no app is named"],
    ["stop", "no app is named"],
    ["captions", "a name alone is no command"],
    ["start captions please", "there are words too many"],
    ["please start captions", "there are words too many"],
    ["start the captions", "there are words too many"],
    ["can you stop captions", "there are words too many"],
    ["start caption", "the name is not quite that"],
    ["start translators", "the name is not quite that"],
    ["play music", "the phrase is not quite that"],
    ["start notes", "two apps are called so"],
    ["restart captions", "the verb is another"],
    ["do not start captions", "it says the opposite"],
    ["start captions stop captions", "it says two things"],
    ["startcaptions", "it is one word"],
  ])("%p is none: %s", (text) => {
    expect(matchCommand(text, apps)).toBeUndefined();
  });

  test("is in doubt when one app's phrase is the command for another app", () => {
    const rival = { packageName: "com.rival", name: "Rival", phrases: ["stop captions"] };
    expect(matchCommand("stop captions", [...apps, rival])).toBeUndefined();
  });

  test("is in doubt when an app's own phrase says the opposite of what its name makes of it", () => {
    const odd = { packageName: "com.odd", name: "Odd", phrases: ["stop odd"] };
    expect(matchCommand("stop odd", [odd])).toBeUndefined();
    expect(matchCommand("start odd", [odd])).toEqual({ action: "start", packageName: "com.odd" });
  });
});
