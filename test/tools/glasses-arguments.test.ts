import { describe, expect, test } from "bun:test";
import { readGlassesArguments } from "../../tools/glasses-arguments.ts";

describe("the arguments of the glasses", () => {
  test("can be left out altogether", () => {
    expect(readGlassesArguments([])).toEqual({
      url: undefined,
      user: "me@example.com",
      token: undefined,
      format: { codec: "pcm" },
      app: undefined,
      speech: [],
    });
  });

  test("keep speech in the order in which it was given", () => {
    const { speech, format, url } = readGlassesArguments([
      "--say",
      "one",
      "--wav",
      "two.wav",
      "--codec=lc3",
      "--say=three",
      "--url",
      "http://host:1/",
    ]);
    expect(speech).toEqual([
      { kind: "text", text: "one" },
      { kind: "wav", file: "two.wav" },
      { kind: "text", text: "three" },
    ]);
    expect(format).toEqual({ codec: "lc3", frameBytes: 40 });
    expect(url).toBe("http://host:1");
  });

  test.each([
    [["--codec", "mp3"], "mp3 is not a codec"],
    [["--url", "host"], "host is not an address"],
    [["--user", "me"], "me is not an e-mail address"],
    [["--loud"], "--loud"],
    [["more"], "more"],
    [["--say"], "--say"],
  ])("are refused where they make no sense: %p", (args, problem) => {
    expect(() => readGlassesArguments(args)).toThrow(problem);
  });
});
