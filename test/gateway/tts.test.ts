import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { readWav } from "../../src/audio/wav.ts";
import { rangeOf } from "../../src/gateway/byte-range.ts";
import { Voice } from "../../src/gateway/voice.ts";
import { type Limits, limits } from "../../src/kernel/limits.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { TestGateway } from "../support/test-gateway.ts";
import { until } from "../support/until.ts";

/** Loudness of samples as the root of their mean square; silence is 0, the loudest square wave 32,768. */
function loudness(samples: Int16Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

describe("GET /api/tts", () => {
  let server: TestGateway;

  beforeAll(() => {
    server = new TestGateway();
  });
  afterAll(() => server.close());

  function ask(query: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${server.httpUrl}/api/tts?${new URLSearchParams(query)}`, { headers });
  }

  async function samplesOf(query: Record<string, string>): Promise<Int16Array> {
    const response = await ask(query);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("audio/wav");
    return readWav(await response.bytes());
  }

  test("speaks a text: a WAV file of a second or so that can be heard", async () => {
    const samples = await samplesOf({ text: "hello world" });
    expect(samples.length).toBeGreaterThan(0.6 * 16_000);
    expect(samples.length).toBeLessThan(2.5 * 16_000);
    expect(loudness(samples)).toBeGreaterThan(500);
  });

  test("is found where the SDK looks, behind the path of a start", async () => {
    const response = await fetch(`${server.httpUrl}/s/some-nonce/api/tts?text=hello`);
    expect(response.status).toBe(200);
    expect(loudness(readWav(await response.bytes()))).toBeGreaterThan(500);
  });

  test("knows two voices, and speaks with the usual one when asked for any other", async () => {
    const usual = await samplesOf({ text: "good morning" });
    expect(await samplesOf({ text: "good morning", voice_id: "slt", model_id: "any" })).toEqual(usual);
    expect(await samplesOf({ text: "good morning", voice_id: "21m00Tcm4TlvDq8ikWAM" })).toEqual(usual);
    const man = await samplesOf({ text: "good morning", voice_id: "rms" });
    expect(man).not.toEqual(usual);
    expect(loudness(man)).toBeGreaterThan(500);
  });

  test("speaks as fast as the settings say, within reason", async () => {
    const usual = (await samplesOf({ text: "good morning" })).length;
    const withSpeed = async (speed: number) =>
      (await samplesOf({ text: "good morning", voice_settings: JSON.stringify({ speed, stability: 0.5 }) }))
        .length;
    expect((await withSpeed(2)) / usual).toBeCloseTo(0.5, 1);
    expect((await withSpeed(0.5)) / usual).toBeCloseTo(2, 0);
    expect(await withSpeed(1_000)).toBe(await withSpeed(2));
  });

  test("speaks long texts of several sentences to their end", async () => {
    const sentence = "The weather will be fine today, with some clouds in the evening. ";
    const one = (await samplesOf({ text: sentence })).length;
    const many = await samplesOf({ text: sentence.repeat(15) });
    expect(many.length / one).toBeGreaterThan(13);
    expect(loudness(many.subarray(-one))).toBeGreaterThan(500);
  });

  test("gives players the part of the sound that they ask for", async () => {
    const whole = await (await ask({ text: "in parts" })).bytes();
    const part = await ask({ text: "in parts" }, { range: "bytes=0-1" });
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe(`bytes 0-1/${whole.length}`);
    expect([...(await part.bytes())]).toEqual([...whole.subarray(0, 2)]);
    const rest = await ask({ text: "in parts" }, { range: `bytes=${whole.length - 3}-` });
    expect([...(await rest.bytes())]).toEqual([...whole.subarray(-3)]);
    expect((await ask({ text: "in parts" }, { range: `bytes=${whole.length}-` })).status).toBe(416);
  });

  test.each(["/api/tts", "/s/nonce/api/tts"])("hears when a caller at %s has gone", async (path) => {
    const asked = Promise.withResolvers<AbortSignal | undefined>();
    const speak = spyOn(server.voice, "speak").mockImplementation((_phrase, signal) => {
      asked.resolve(signal);
      return new Promise((resolve) => {
        signal?.addEventListener("abort", () => resolve({ kind: "failed", detail: "gone" }));
      });
    });
    try {
      const abort = new AbortController();
      const url = `${server.httpUrl}${path}?text=hello`;
      const gone = fetch(url, { signal: abort.signal }).catch(() => undefined);
      const signal = await asked.promise;
      expect(signal?.aborted).toBe(false);
      abort.abort();
      await gone;
      await until("the word that the caller has gone", () => signal?.aborted === true);
    } finally {
      speak.mockRestore();
    }
  });

  const bad: [string, Record<string, string>, number, string][] = [
    ["no text", {}, 400, "NO_TEXT"],
    ["an empty text", { text: "  " }, 400, "NO_TEXT"],
    ["a text over the limit", { text: "a".repeat(limits.ttsTextChars + 1) }, 413, "TEXT_TOO_LONG"],
    ["a text without words", { text: "... !" }, 400, "NOT_SPEAKABLE"],
    ["a text that the voice cannot read", { text: "你好" }, 400, "NOT_SPEAKABLE"],
    ["settings that are no JSON", { text: "a", voice_settings: "{" }, 400, "BAD_VOICE_SETTINGS"],
    ["a speed that is no number", { text: "a", voice_settings: '{"speed":"x"}' }, 400, "BAD_VOICE_SETTINGS"],
  ];
  test.each(bad)("refuses %s", async (_what, query, status, error) => {
    const response = await ask(query);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ success: false, error, message: expect.any(String) });
    expect((await ask({ text: "and goes on" })).status).toBe(200);
  });

  test("takes nothing that a text may hold for an order to the synthesiser", async () => {
    const plain = await samplesOf({ text: "voice rms" });
    expect(await samplesOf({ text: "-voice rms" })).toEqual(plain);
    expect((await samplesOf({ text: "hello \0 -o /etc/passwd" })).length).toBeGreaterThan(8_000);
  });
});

describe("the voice", () => {
  function open(over: Partial<Limits> = {}) {
    const clock = new FakeClock();
    const metrics = new Metrics();
    const log = createLog({ level: "silent", format: "json" });
    return { clock, metrics, voice: new Voice({ clock, metrics, log, limits: { ...limits, ...over } }) };
  }

  const phrase = (text: string) => ({ text, voice: "slt" as const, speed: 1 });

  async function count(metrics: Metrics, outcome: string): Promise<number> {
    const { values } = await metrics.phrases.get();
    return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
  }

  test("refuses at once what is too much to wait for, and speaks the rest in turn", async () => {
    const { voice, metrics } = open({ ttsQueue: 2 });
    const spoken = ["one", "two", "three", "four", "five"].map((text) => voice.speak(phrase(text)));
    const results = (await Promise.all(spoken)).map(({ kind }) => kind);
    // One is being spoken, two wait.
    expect(results).toEqual(["spoken", "spoken", "spoken", "busy", "busy"]);
    expect(await count(metrics, "busy")).toBe(2);
    expect((await voice.speak(phrase("four"))).kind).toBe("spoken");
    voice.close();
  });

  const long = (what: string) => phrase(`${what} ${"word ".repeat(60)}`);

  test("speaks short texts before long ones that wait, and a long one after some short ones all the same", async () => {
    const { voice } = open({ ttsQueue: 20 });
    const order: string[] = [];
    const say = (name: string, what: ReturnType<typeof phrase>) =>
      voice.speak(what).then(() => order.push(name));
    const all = [say("first", phrase("first")), say("long", long("one"))];
    for (let i = 0; i < 10; i++) all.push(say(`${i}`, phrase(`number ${i}`)));
    await Promise.all(all);
    expect(order).toEqual(["first", "0", "1", "2", "3", "4", "5", "6", "long", "7", "8", "9"]);
    voice.close();
  });

  test("has room for short texts however many long ones wait", async () => {
    const { voice } = open({ ttsQueue: 1 });
    const spoken = [voice.speak(long("one")), voice.speak(long("two")), voice.speak(long("three"))];
    expect((await voice.speak(phrase("short"))).kind).toBe("spoken");
    expect((await Promise.all(spoken)).map(({ kind }) => kind)).toEqual(["spoken", "spoken", "busy"]);
    voice.close();
  });

  test("does not speak what nobody waits for any more, and does if one of two still does", async () => {
    const { voice, metrics } = open({ ttsQueue: 2 });
    const [gone, alsoGone, half] = [new AbortController(), new AbortController(), new AbortController()];
    const first = voice.speak(phrase("first"));
    const nobodys = [voice.speak(phrase("a"), gone.signal), voice.speak(phrase("a"), alsoGone.signal)];
    const shared = [voice.speak(phrase("b"), half.signal), voice.speak(phrase("b"))];
    expect((await voice.speak(phrase("c"))).kind).toBe("busy");
    half.abort();
    gone.abort();
    expect(await count(metrics, "dropped")).toBe(0);
    alsoGone.abort();
    for (const each of nobodys) expect(await each).toMatchObject({ kind: "failed" });
    // There is room again at once.
    expect((await voice.speak(phrase("c"))).kind).toBe("spoken");
    expect((await Promise.all([first, ...shared])).map(({ kind }) => kind)).toEqual([
      "spoken",
      "spoken",
      "spoken",
    ]);
    expect([await count(metrics, "dropped"), await count(metrics, "spoken")]).toEqual([1, 3]);
    expect((await voice.speak(phrase("a"))).kind).toBe("spoken");
    const late = voice.speak(phrase("never"), AbortSignal.abort());
    void voice.speak(phrase("z"));
    expect(["failed", "spoken"]).toContain((await late).kind);
    voice.close();
  });

  test("speaks once what many ask for, keeps recent phrases, and no more than it may", async () => {
    const { voice, metrics } = open({ ttsCacheBytes: 60_000 });
    const [first, second] = await Promise.all([voice.speak(phrase("hello")), voice.speak(phrase("hello"))]);
    expect(second).toBe(first);
    await voice.speak(phrase("hello"));
    expect([await count(metrics, "spoken"), await count(metrics, "kept")]).toEqual([1, 1]);
    await voice.speak(phrase("something else altogether"));
    await voice.speak(phrase("hello"));
    expect([await count(metrics, "spoken"), await count(metrics, "kept")]).toEqual([3, 1]);
    voice.close();
  });

  test("refuses a text that takes too long to speak", async () => {
    const { voice } = open({ ttsSpeechBytes: 32_000 });
    expect(await voice.speak(phrase("a sentence of more than one second"))).toMatchObject({
      kind: "refused",
    });
    expect((await voice.speak(phrase("hi"))).kind).toBe("spoken");
    voice.close();
  });

  test("gives up a synthesiser that does not come back, and speaks the next phrase with a new one", async () => {
    const { voice, clock, metrics } = open();
    const lost = voice.speak(phrase("never heard"));
    const next = voice.speak(phrase("hello"));
    clock.advance(limits.ttsMs);
    expect(await lost).toMatchObject({ kind: "failed" });
    expect((await next).kind).toBe("spoken");
    const { values } = await metrics.workerRestarts.get();
    expect(values.map(({ labels, value }) => ({ ...labels, value }))).toEqual([
      { kind: "voice", cause: "error", value: 1 },
    ]);
    voice.close();
  });

  test("answers everything that waits when it is closed, and speaks no more", async () => {
    const { voice } = open();
    const waiting = [voice.speak(phrase("one")), voice.speak(phrase("two"))];
    voice.close();
    voice.close();
    for (const result of [...waiting, voice.speak(phrase("three"))]) {
      expect(await result).toMatchObject({ kind: "failed" });
    }
  });
});

describe("the part of a body that a Range header asks for", () => {
  test.each([
    [null, "whole"],
    ["bytes=0-", { first: 0, last: 99 }],
    ["bytes=10-19", { first: 10, last: 19 }],
    ["bytes=90-500", { first: 90, last: 99 }],
    ["bytes=-10", { first: 90, last: 99 }],
    ["bytes=-500", { first: 0, last: 99 }],
    ["bytes=100-", "none"],
    ["bytes=20-10", "none"],
    ["bytes=-0", "none"],
    ["bytes=0-1,5-6", "whole"],
    ["items=0-1", "whole"],
    ["bytes=-", "whole"],
  ] as const)("%s of 100 bytes", (header, expected) => {
    expect(rangeOf(header, 100)).toEqual(expected);
  });
});
