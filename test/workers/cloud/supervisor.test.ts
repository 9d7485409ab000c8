import { describe, expect, test } from "bun:test";
import type { ConnectionFailure } from "../../../workers/stt/cloud/vendor.ts";
import { CloudStage } from "../../support/cloud-stage.ts";
import { FakeSpeechProvider } from "../../support/fake-speech-provider.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { playSpeechScript } from "../../support/speech-script.ts";

const refused = (kind: ConnectionFailure["kind"]) => () => ({
  opensAfterMs: 1_000_000,
  failsAfterMs: 20,
  failure: { kind, detail: "refused" },
});
const fine = () => ({});

describe("speech through a supervisor", () => {
  test("begins with the first provider, with the pre-roll, in messages of 100 ms", async () => {
    const stage = new CloudStage({ assemblyai: fine });
    const lane = stage.lane();
    await lane.say(20);
    await lane.silence(2_000);
    expect(lane.heard).toEqual(lane.spoken);
    expect(stage.deepgram.connections).toHaveLength(1);
    expect(stage.assemblyai?.connections).toHaveLength(0);
    const [connection] = stage.deepgram.connections;
    expect(connection?.writes[0]?.startSample).toBe(0);
    expect(new Set(connection?.writes.map(({ length }) => length))).toEqual(new Set([1_600]));
    expect(connection?.finalizes).toBe(1);
    expect(new Set(lane.transcripts.map(({ provider }) => provider))).toEqual(new Set(["deepgram"]));
  });

  test("D-37: goes on with the next provider within 2 s when the first dies in mid-utterance: no hole, one final, one id", async () => {
    let dead = false;
    const stage = new CloudStage({ deepgram: () => (dead ? refused("transient")() : {}), assemblyai: fine });
    const lane = stage.lane();
    await lane.begin();
    await lane.speak(15);
    expect(lane.transcripts.length).toBeGreaterThan(5);
    const [first] = lane.transcripts;
    dead = true;
    const diedAtMs = stage.clock.now();
    stage.deepgram.connections[0]?.end({ kind: "transient", detail: "1006" });
    await lane.speak(40);
    await lane.end();
    await lane.silence(10_000);
    const fromSecond = lane.reports.find(
      ({ report }) => report.kind === "transcript" && report.transcript.provider === "assemblyai",
    );
    // No wait for the first: what had been shown is played again at 1.25 times its pace, and that is all.
    expect((fromSecond?.atMs ?? Number.POSITIVE_INFINITY) - diedAtMs).toBeLessThan(1_300);
    expect(lane.heard).toEqual(lane.spoken);
    const finals = lane.transcripts.filter(({ isFinal }) => isFinal);
    expect(finals[0]?.utteranceId).toBe(first?.utteranceId ?? "none");
    expect(new Set(finals.map(({ utteranceId }) => utteranceId)).size).toBe(finals.length);
  });

  test("lets the next provider race one that is slow to open, and closes the loser", async () => {
    const stage = new CloudStage({ deepgram: () => ({ opensAfterMs: 3_000 }), assemblyai: fine });
    const lane = stage.lane();
    await lane.say(30);
    await lane.silence(5_000);
    expect(lane.heard).toEqual(lane.spoken);
    expect(stage.deepgram.live).toBe(0);
    expect(stage.assemblyai?.connections[0]?.finalizes).toBe(1);
  });

  test("plays again no faster than the provider allows", async () => {
    const stage = new CloudStage({ deepgram: () => ({ opensAfterMs: 3_000 }) });
    const lane = stage.lane();
    await lane.say(60);
    await lane.silence(10_000);
    const writes = stage.deepgram.connections[0]?.writes ?? [];
    for (const [i, { atMs }] of writes.entries()) {
      // Ten messages are a second of audio, and a little slack is allowed for bursts.
      const tenth = writes[i + 10];
      if (tenth !== undefined) expect(tenth.atMs - atMs).toBeGreaterThanOrEqual(1_000 / 1.25 - 220);
    }
    expect(lane.heard).toEqual(lane.spoken);
  });

  test("takes a provider that answers nothing for 6 s of speech for dead", async () => {
    const stage = new CloudStage({ deepgram: () => ({ stallsAfterMs: 500 }), assemblyai: fine });
    const lane = stage.lane();
    await lane.say(70);
    await lane.silence(15_000);
    expect(lane.heard).toEqual(lane.spoken);
    expect(stage.assemblyai?.connections).toHaveLength(1);
  });

  test("does not take the first words for the silence after others when they are few and nothing comes back", async () => {
    const stage = new CloudStage({ deepgram: () => ({ stallsAfterMs: 60 }), assemblyai: fine });
    const lane = stage.lane();
    await lane.say(4);
    await lane.silence(15_000);
    expect(lane.heard).toEqual(lane.spoken);
  });

  test("does not take the last words for the silence after others when a final has cut them off and nothing comes back", async () => {
    // It has told the final of the first ten, and of the others not even an interim.
    const mute = { longest: 10, latencyMs: 150, stallsAfterMs: 1_300 };
    const stage = new CloudStage({ deepgram: (index) => (index === 0 ? mute : {}) });
    const lane = stage.lane();
    await lane.begin();
    await lane.silence(40);
    await lane.speak(15);
    await lane.end();
    await lane.silence(12_000);
    expect(lane.heard).toEqual(lane.spoken);
    expect(lane.lostSamples).toBe(0);
    expect(stage.supervisor.report().counts.filter(({ what }) => what === "failed")).toEqual([]);
  });

  test("asks one other connection, and blames nobody, when only the silence after the last final is unanswered", async () => {
    const mute = { latencyMs: 150, stallsAfterMs: 1_600 };
    const stage = new CloudStage({ deepgram: (index) => (index === 0 ? mute : {}) });
    const lane = stage.lane();
    await lane.say(10);
    await lane.silence(20_000);
    expect(lane.heard).toEqual(lane.spoken);
    expect(lane.lostSamples).toBe(0);
    expect(lane.recent.settled).toBeGreaterThanOrEqual(1_200 * 16);
    expect(stage.deepgram.connections).toHaveLength(2);
    expect(stage.supervisor.report().counts.filter(({ what }) => what === "failed")).toEqual([]);
  });

  test("D-35: replaces a connection that gets old at a pause, the new one open before the old one closes", async () => {
    const stage = new CloudStage({ capabilities: { maxSessionMs: 90_000 } });
    const lane = stage.lane();
    for (let i = 0; i < 40; i++) {
      await lane.say(20);
      await lane.silence(3_000);
    }
    expect(lane.heard).toEqual(lane.spoken);
    const { connections } = stage.deepgram;
    expect(connections.length).toBeGreaterThan(1);
    for (const [i, { openedMs = 0 }] of connections.entries()) {
      const before = connections[i - 1];
      if (before !== undefined) expect(before.endedMs).toBeGreaterThan(openedMs);
    }
    const counted = stage.supervisor.report().counts.map(({ what }) => what);
    expect(counted).toContain("rotated");
    expect(counted).not.toContain("failed");
  });

  test("listens as apps have come to want it from the next pause on, and not in mid-utterance", async () => {
    const stage = new CloudStage();
    const lane = stage.lane();
    const wish = { language: "en-US", hints: ["Grünwald"], identifyLanguage: true, anyLanguage: true };
    await lane.begin();
    await lane.speak(10);
    lane.speech.setLanguages(["en-US"], [wish]);
    await lane.speak(30);
    const { connections } = stage.deepgram;
    expect(connections).toHaveLength(1);
    expect(connections[0]?.options).toMatchObject({ language: "en-US", keyterms: [] });
    await lane.end();
    await lane.silence(3_000);
    await lane.say(10);
    await lane.silence(3_000);
    expect(connections).toHaveLength(2);
    expect(connections[1]?.options).toMatchObject({ language: "auto", keyterms: ["Grünwald"] });
    expect(stage.deepgram.live).toBe(1);
    expect(lane.heard).toEqual(lane.spoken);
  });

  test("asks for the language by its name where finding it out is refused", async () => {
    const stage = new CloudStage();
    const connect = stage.deepgram.connect.bind(stage.deepgram);
    stage.deepgram.connect = (options, sink) => {
      const connection = connect(options, sink);
      const refuse = () => connection.end({ kind: "config", detail: "no such model" });
      if (options.language === "auto") queueMicrotask(refuse);
      return connection;
    };
    const lane = stage.lane();
    lane.speech.setLanguages(
      ["en-US"],
      [{ language: "en-US", hints: [], identifyLanguage: true, anyLanguage: true }],
    );
    await lane.say(20);
    await lane.silence(5_000);
    expect(lane.heard).toEqual(lane.spoken);
    expect(stage.deepgram.connections.map(({ options }) => options.language)).toEqual(["auto", "en-US"]);
  });

  test("D-33: keeps a silent connection alive, closes it after a minute, and hears what is said after five", async () => {
    const stage = new CloudStage();
    const lane = stage.lane();
    await lane.say(10);
    await lane.silence(50_000);
    expect(stage.deepgram.live).toBe(1);
    expect(stage.deepgram.connections[0]?.keepAlives).toBeGreaterThan(5);
    await lane.silence(20_000);
    expect(stage.deepgram.live).toBe(0);
    await lane.silence(300_000);
    await lane.say(10);
    await lane.silence(3_000);
    expect(lane.heard).toEqual(lane.spoken);
  });

  test("returns to the preferred provider only after a probe has heard something, and between utterances", async () => {
    let down = true;
    const stage = new CloudStage({ deepgram: () => (down ? refused("transient")() : {}), assemblyai: fine });
    const lane = stage.lane();
    await lane.say(20);
    await lane.silence(5_000);
    down = false;
    for (let i = 0; i < 15; i++) {
      await lane.say(20);
      await lane.silence(3_000);
    }
    expect(lane.heard).toEqual(lane.spoken);
    const finals = lane.transcripts.filter(({ isFinal }) => isFinal);
    expect(finals.at(0)?.provider).toBe("assemblyai");
    expect(finals.at(-1)?.provider).toBe("deepgram");
    expect(stage.assemblyai?.live).toBe(0);
  });

  test.each(["auth", "config", "limit", "transient", "protocol"] as const)(
    "D-34: bounds the calls to a provider that refuses for %s, over many sessions, while the other serves them",
    async (kind) => {
      const stage = new CloudStage({ deepgram: refused(kind), assemblyai: fine });
      const lanes = Array.from({ length: 10 }, () => stage.lane());
      for (let i = 0; i < 4; i++) {
        for (const lane of lanes) await lane.say(5);
        for (const lane of lanes) await lane.silence(500);
      }
      for (const lane of lanes) expect(lane.heard).toEqual(lane.spoken);
      const minutes = (stage.clock.now() - Date.UTC(2026, 0, 1)) / 60_000;
      const calls = stage.deepgram.connections.length;
      expect(calls).toBeLessThan(kind === "auth" || kind === "config" ? 3 : 12 * minutes + 5);
    },
  );

  test("D-31: keeps a language that is refused from delaying another", async () => {
    const stage = new CloudStage();
    const connect = stage.deepgram.connect.bind(stage.deepgram);
    stage.deepgram.connect = (options, sink) => {
      const connection = connect(options, sink);
      if (options.language === "fr-FR") {
        queueMicrotask(() => connection.end({ kind: "config", detail: "no such language" }));
      }
      return connection;
    };
    const lane = stage.lane(["fr-FR", "en-US"]);
    await lane.say(20);
    await lane.silence(3_000);
    expect(lane.heard).toEqual(lane.spoken);
    expect(lane.states.at(-1)).toBe("off");
    const off = lane.reports.flatMap(({ report }) => (report.kind === "state" ? [report.state] : [])).at(-1);
    expect(off?.unserved).toEqual(["fr-FR"]);
  });

  test("D-36: says that it is off while nobody can be had, and recovers by itself with what was said meanwhile", async () => {
    let down = true;
    const behave = () => (down ? refused("transient")() : {});
    const stage = new CloudStage({ deepgram: behave, assemblyai: behave });
    const lane = stage.lane();
    await lane.say(50);
    expect(lane.states).toContain("off");
    expect(stage.supervisor.report().unserved).toBe(1);
    down = false;
    await lane.silence(30_000);
    expect(lane.states.at(-1)).toBe("ready");
    expect(lane.heard).toEqual(lane.spoken);
  });

  test("counts what could not be kept when everybody is down for too long", async () => {
    let down = true;
    const behave = () => (down ? refused("transient")() : {});
    const stage = new CloudStage({ deepgram: behave });
    const lane = stage.lane();
    await lane.begin();
    await lane.speak(600);
    down = false;
    await lane.speak(600);
    await lane.end();
    await lane.silence(90_000);
    const { heard, spoken } = lane;
    expect(heard).toEqual([...new Set(heard)].toSorted((a, b) => a - b));
    expect(heard.at(-1)).toBe(spoken.at(-1));
    expect(lane.lostSamples).toBeGreaterThan(0);
    expect((spoken.length - heard.length) * 1_600).toBeLessThanOrEqual(lane.lostSamples + 4 * 1_600);
  });

  test("falls back on the offline recogniser, which starts where the others left off", async () => {
    const offline = new FakeSpeechProvider(["en-US"]);
    const stage = new CloudStage({ deepgram: refused("auth"), offline: [offline] });
    const lane = stage.lane();
    await lane.begin();
    await lane.speak(10);
    const stream = offline.latest();
    expect(stream.calls[0]).toBe("voiceStart 0");
    stream.hear("final", "w1 w2", 0, 300);
    expect(lane.transcripts.at(-1)?.provider).toBe("fake");
  });

  test("makes the interim that is shown the final when the stream closes and no final comes", async () => {
    const stage = new CloudStage({ deepgram: () => ({ finalLatencyMs: 5_000 }) });
    const lane = stage.lane();
    await lane.begin();
    await lane.speak(20);
    const closed = lane.speech.close(10_000);
    await stage.clock.advanceAsync(1_600);
    await closed;
    expect(lane.transcripts.at(-1)).toMatchObject({ isFinal: true });
    expect(stage.deepgram.live).toBe(0);
  });

  test("does not wait for room with one provider while another has some", async () => {
    const stage = new CloudStage({ connections: 1, assemblyai: fine });
    const lanes = [stage.lane(), stage.lane()];
    await Promise.all(lanes.map((lane) => lane.say(3)));
    expect(stage.deepgram.connections).toHaveLength(1);
    expect(stage.assemblyai?.connections).toHaveLength(1);
    await stage.clock.advanceAsync(5_000);
    for (const lane of lanes) expect(lane.heard).toEqual(lane.spoken);
  });

  test("shares few connections fairly: all sessions are heard in the end", async () => {
    const stage = new CloudStage({ connections: 2 });
    const lanes = Array.from({ length: 5 }, () => stage.lane());
    for (const lane of lanes) await lane.say(5);
    const [deepgram] = stage.supervisor.report().providers;
    expect(deepgram).toMatchObject({ connections: 2 });
    expect(deepgram?.waiting).toBeGreaterThan(0);
    await stage.clock.advanceAsync(20_000);
    for (const lane of lanes) expect(lane.heard).toEqual(lane.spoken);
  });

  test("loses and repeats nothing under random faults, and does without replay", async () => {
    const random = seededRandom("speech scripts");
    for (let script = 0; script < 40; script++) {
      const { problems } = await playSpeechScript(random);
      expect({ script, problems }).toEqual({ script, problems: [] });
    }
    let failed = 0;
    for (let script = 0; script < 5; script++) {
      const { problems } = await playSpeechScript(random, { replay: false });
      if (problems.length > 0) failed++;
    }
    expect(failed).toBeGreaterThan(0);
  });
});
