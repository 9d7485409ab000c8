import { describe, expect, test } from "bun:test";
import { RecentAudio, samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { SpeechState, Transcript } from "../../src/audio/speech.ts";
import type { ToldLanguage } from "../../src/audio/told-transcripts.ts";
import { limits } from "../../src/kernel/limits.ts";
import { LaneSpeech, type LaneSpeechReport } from "../../workers/stt/lane-speech.ts";
import { settle } from "../support/fake-clock.ts";
import { FakeSpeechProvider } from "../support/fake-speech-provider.ts";
import { quiet } from "../support/speech-fixtures.ts";

function lane(languages = ["en-US"], recent = RecentAudio.allocate(10_000), told: ToldLanguage[] = []) {
  const provider = new FakeSpeechProvider(languages);
  const reports: LaneSpeechReport[] = [];
  const speech = new LaneSpeech("lane", recent, [provider], (report) => reports.push(report), told);
  const transcripts = (): Transcript[] =>
    reports.flatMap((report) => (report.kind === "transcript" ? [report.transcript] : []));
  const states = (): SpeechState[] =>
    reports.flatMap((report) => (report.kind === "state" ? [report.state] : []));
  return { provider, recent, reports, speech, transcripts, states };
}

describe("what a lane says of speech", () => {
  test("gives an utterance one id from its first interim to its only final, and the next one another", () => {
    const { provider, speech, transcripts } = lane();
    speech.setLanguages(["en-US"]);
    const stream = provider.latest();
    stream.hear("interim", "turn", 1_000, 1_200);
    stream.hear("interim", "turn on", 1_000, 1_400);
    stream.hear("final", "turn on the lights", 1_000, 2_000);
    stream.hear("interim", "hello", 3_000, 3_300);
    const [first, second, final, next] = transcripts();
    expect(transcripts().map((each) => each.isFinal)).toEqual([false, false, true, false]);
    expect(second?.utteranceId).toBe(first?.utteranceId ?? "");
    expect(final?.utteranceId).toBe(first?.utteranceId ?? "");
    expect(next?.utteranceId).not.toBe(first?.utteranceId ?? "");
    expect(final).toMatchObject({ language: "en-US", startMs: 1_000, endMs: 2_000, provider: "fake" });
  });

  test("holds back an interim that is shorter than the one shown, or the same", () => {
    const { provider, speech, transcripts } = lane();
    speech.setLanguages(["en-US"]);
    const stream = provider.latest();
    stream.hear("interim", "turn on the", 1_000, 1_400);
    stream.hear("interim", "turn", 1_000, 1_200);
    stream.hear("interim", "turn on the", 1_000, 1_500);
    stream.hear("interim", "turn on a light", 1_000, 1_700);
    expect(transcripts().map((each) => each.text)).toEqual(["turn on the", "turn on a light"]);
  });

  test("says nothing for empty text, and makes the interim the final when no words are left in the end", () => {
    const { provider, speech, transcripts } = lane();
    speech.setLanguages(["en-US"]);
    const stream = provider.latest();
    stream.hear("interim", "", 1_000, 1_200);
    stream.hear("final", " ", 1_000, 1_200);
    expect(transcripts()).toEqual([]);
    stream.hear("interim", "well", 2_000, 2_200);
    stream.hear("final", "", 2_000, 2_200);
    expect(transcripts().map(({ text, isFinal }) => ({ text, isFinal }))).toEqual([
      { text: "well", isFinal: false },
      { text: "well", isFinal: true },
    ]);
  });

  test("ends an utterance whose audio is settled without a final with what was shown", () => {
    const { provider, speech, transcripts } = lane();
    speech.setLanguages(["en-US"]);
    const stream = provider.latest();
    stream.hear("interim", "well", 2_000, 2_200);
    stream.emit({ kind: "settled", sample: 1_000 * samplesPerMs });
    expect(transcripts()).toHaveLength(1);
    stream.emit({ kind: "settled", sample: 3_000 * samplesPerMs });
    stream.emit({ kind: "settled", sample: 4_000 * samplesPerMs });
    expect(transcripts().map((each) => each.isFinal)).toEqual([false, true]);
  });

  test("never lets times run backwards, whatever the provider says", () => {
    const { provider, speech, transcripts } = lane();
    speech.setLanguages(["en-US"]);
    const stream = provider.latest();
    stream.hear("interim", "one", 2_000, 2_900);
    stream.hear("final", "one", 1_500, 2_400);
    stream.hear("final", "two", 1_000, 1_200);
    const starts = transcripts().map((each) => each.startMs);
    const ends = transcripts().map((each) => each.endMs);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(ends).toEqual(ends.toSorted((a, b) => a - b));
  });

  test("D-32: lets the last words before silence come as late as the provider brings them, in one final", () => {
    const { provider, speech, transcripts } = lane();
    speech.setLanguages(["en-US"]);
    const stream = provider.latest();
    speech.voiceStart(1_000 * samplesPerMs);
    stream.hear("interim", "turn on the", 1_000, 1_600);
    speech.voiceEnd(2_000 * samplesPerMs);
    speech.audioUntil(2_800 * samplesPerMs);
    expect(stream.calls).not.toContain("close");
    stream.hear("final", "turn on the lights", 1_000, 1_950);
    expect(transcripts().map(({ text, isFinal }) => ({ text, isFinal }))).toEqual([
      { text: "turn on the", isFinal: false },
      { text: "turn on the lights", isFinal: true },
    ]);
  });

  test("passes lost audio on", () => {
    const { provider, speech, reports } = lane();
    speech.setLanguages(["en-US"]);
    provider.latest().emit({ kind: "lost", samples: 320 });
    expect(reports).toContainEqual({ kind: "lost", samples: 320 });
  });
});

describe("the languages of a lane", () => {
  test("open one stream each and leave it alone when the same list comes again", () => {
    const { provider, speech } = lane(["en-US", "auto"]);
    speech.setLanguages(["en-US", "auto"]);
    speech.setLanguages(["auto", "en-US"]);
    expect(provider.streams.map((each) => each.options.language)).toEqual(["en-US", "auto"]);
    expect(new Set(provider.streams.map((each) => each.options.streamId)).size).toBe(2);
    expect(provider.streams.flatMap((each) => each.calls)).toEqual([]);
  });

  test("are off, with the reason, when nobody serves one, and ready again when it is no longer wanted", () => {
    const { provider, speech, states } = lane();
    speech.setLanguages(["en-US"]);
    provider.latest().emit({ kind: "state", state: "ready", detail: "listens" });
    speech.setLanguages(["en-US", "fr-FR"]);
    speech.setLanguages(["en-US"]);
    expect(states()).toEqual([
      { state: "ready", detail: "listens" },
      { state: "off", detail: "no speech provider serves fr-FR", unserved: ["fr-FR"] },
      { state: "ready", detail: "listens" },
    ]);
  });

  test("are bounded for one session", () => {
    const languages = ["a", "b", "c", "d", "e", "f"];
    const { provider, speech, states } = lane(languages);
    speech.setLanguages(languages);
    expect(provider.streams).toHaveLength(limits.languagesPerSession);
    expect(states().at(-1)?.state).toBe("off");
  });

  test("show the worst state of all streams, and only changes of it", () => {
    const { provider, speech, states } = lane(["en-US", "auto"]);
    speech.setLanguages(["en-US", "auto"]);
    provider.latest("en-US").emit({ kind: "state", state: "ready", detail: "listens" });
    provider.latest("auto").emit({ kind: "state", state: "ready", detail: "listens" });
    provider.latest("auto").emit({ kind: "state", state: "degraded", detail: "waits" });
    provider.latest("auto").emit({ kind: "state", state: "ready", detail: "listens" });
    expect(states().map((each) => each.state)).toEqual(["ready", "degraded", "ready"]);
  });

  test("that are no longer wanted are finalised: their last words still come", async () => {
    const { provider, speech, transcripts } = lane();
    speech.setLanguages(["en-US"]);
    const stream = provider.latest();
    stream.hear("interim", "good", 1_000, 1_200);
    speech.setLanguages([]);
    expect(stream.calls).toEqual(["close"]);
    stream.hear("interim", "good bye", 1_000, 1_500);
    stream.drain();
    await settle();
    expect(transcripts().map(({ text, isFinal }) => ({ text, isFinal }))).toEqual([
      { text: "good", isFinal: false },
      { text: "good bye", isFinal: false },
      { text: "good bye", isFinal: true },
    ]);
  });

  test("that come in the middle of speech hear it from its beginning, but not what their former stream has heard", () => {
    const { provider, recent, speech } = lane();
    recent.append(quiet(3_000));
    speech.voiceStart(16_000);
    speech.setLanguages(["en-US"]);
    expect(provider.latest().calls).toEqual(["voiceStart 16000"]);
    expect(provider.latest().options.fromSample).toBeLessThanOrEqual(16_000);
    speech.setLanguages([]);
    recent.append(quiet(1_000));
    speech.setLanguages(["en-US"]);
    expect(provider.streams).toHaveLength(2);
    expect(provider.latest().options.fromSample).toBe(3_000 * samplesPerMs);
  });

  test("share one voice detector", () => {
    const { provider, speech } = lane(["en-US", "auto"]);
    speech.setLanguages(["en-US", "auto"]);
    speech.voiceStart(100);
    speech.audioUntil(200);
    speech.voiceEnd(300);
    for (const { calls } of provider.streams) {
      expect(calls).toEqual(["voiceStart 100", "audioUntil 200", "voiceEnd 300"]);
    }
  });
});

describe("the settled position of a lane's audio", () => {
  test("follows the present in silence and stays with the slowest stream while there is speech to recognise", () => {
    const { provider, recent, speech } = lane(["en-US", "auto"]);
    speech.setLanguages(["en-US", "auto"]);
    const preroll = limits.prerollMs * samplesPerMs;
    speech.audioUntil(80_000);
    expect(recent.settled).toBe(80_000 - preroll);
    speech.voiceStart(80_000);
    speech.audioUntil(96_000);
    expect(recent.settled).toBe(80_000 - preroll);
    speech.voiceEnd(112_000);
    provider.latest("en-US").emit({ kind: "settled", sample: 112_000 });
    provider.latest("auto").emit({ kind: "settled", sample: 90_000 });
    speech.audioUntil(120_000);
    expect(recent.settled).toBe(90_000);
    provider.latest("auto").emit({ kind: "settled", sample: 112_000 });
    speech.audioUntil(128_000);
    expect(recent.settled).toBe(128_000 - preroll);
  });

  test("lets a successor in another thread recognise what the lane's former one had not finished", () => {
    const recent = RecentAudio.allocate(10_000);
    recent.append(quiet(4_000));
    recent.settle(48_000);
    const { provider, speech } = lane(["en-US"], recent);
    speech.setLanguages(["en-US"]);
    expect(provider.latest().options.fromSample).toBe(48_000);
    expect(provider.latest().calls).toEqual(["voiceStart 48000", "voiceEnd 64000"]);
  });

  describe("in another thread", () => {
    const unfinished: Transcript = {
      utteranceId: "begun",
      language: "en-US",
      text: "turn on the",
      isFinal: false,
      startMs: 3_200,
      endMs: 3_600,
      provider: "fake",
    };
    const told = [
      { language: "en-US", untilMs: 3_100, unfinished },
      { language: "fr-FR", untilMs: 3_500, unfinished: undefined },
    ];
    const recent = () => {
      const audio = RecentAudio.allocate(10_000);
      audio.append(quiet(4_000));
      audio.settle(48_000);
      return audio;
    };

    test("goes on with an utterance under its id, and does not let it shrink", () => {
      const { provider, speech, transcripts } = lane(["en-US"], recent(), told);
      speech.setLanguages(["en-US"]);
      const stream = provider.latest();
      stream.hear("interim", "turn", 3_200, 3_300);
      stream.hear("interim", "turn on the lights", 3_200, 3_900);
      stream.hear("final", "turn on the lights", 3_200, 3_900);
      stream.hear("interim", "thanks", 4_200, 4_300);
      expect(transcripts().map(({ text, isFinal }) => ({ text, isFinal }))).toEqual([
        { text: "turn on the lights", isFinal: false },
        { text: "turn on the lights", isFinal: true },
        { text: "thanks", isFinal: false },
      ]);
      expect(transcripts().map(({ utteranceId }) => utteranceId === "begun")).toEqual([true, true, false]);
    });

    test("goes back for each language no further than to what it has told", () => {
      const { provider, speech } = lane(["en-US", "fr-FR"], recent(), told);
      speech.setLanguages(["en-US", "fr-FR"]);
      expect(provider.latest("en-US").calls).toEqual(["voiceStart 49600", "voiceEnd 64000"]);
      expect(provider.latest("fr-FR").calls).toEqual(["voiceStart 56000", "voiceEnd 64000"]);
    });

    test("makes what is shown final where the rest cannot be heard any more", () => {
      const { speech, transcripts } = lane([], recent(), told);
      speech.setLanguages(["en-US"]);
      expect(transcripts()).toMatchObject([{ utteranceId: "begun", text: "turn on the", isFinal: true }]);
    });
  });

  test("reaches the end when the lane closes, so that a later lane does not hear old audio", async () => {
    const { provider, recent, speech, reports } = lane();
    speech.setLanguages(["en-US"]);
    recent.append(quiet(1_000));
    const closed = speech.close(1_000);
    provider.latest().hear("final", "good bye", 100, 900);
    provider.latest().drain();
    await closed;
    expect(reports).toHaveLength(1);
    expect(recent.settled).toBe(recent.written);
    provider.latest().hear("final", "too late", 900, 1_000);
    expect(reports).toHaveLength(1);
    await speech.close(1_000);
  });
});
