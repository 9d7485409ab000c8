import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { AssemblyAi, type AssemblyAiSettings } from "../../../workers/stt/cloud/assemblyai.ts";
import { openFailure, sessionFailure } from "../../../workers/stt/cloud/assemblyai-failure.ts";
import type {
  CloudConnection,
  ConnectionEvent,
  ConnectionFailure,
  ConnectOptions,
} from "../../../workers/stt/cloud/vendor.ts";
import {
  type AssemblyAiFaults,
  AssemblyAiSimulator,
  type AssemblyAiSettings as SimulatorSettings,
} from "../../support/assemblyai-simulator.ts";
import { countedAudio, countersIn } from "../../support/counted-audio.ts";
import { EventLog } from "../../support/event-log.ts";
import { describeTrusting, trustsSimulators } from "../../support/trusting-process.ts";
import { UnreadingService } from "../../support/unreading-service.ts";
import { until } from "../../support/until.ts";

const apiKey = "0123456789abcdef0123456789abcdef";
const blockSamples = 1_600;

type Reported =
  | { readonly kind: "open" }
  | { readonly kind: "event"; readonly event: ConnectionEvent }
  | { readonly kind: "end"; readonly failure: ConnectionFailure | undefined };

const simulators: AssemblyAiSimulator[] = [];

function simulate(settings: SimulatorSettings = {}): AssemblyAiSimulator {
  const simulator = new AssemblyAiSimulator({ apiKeys: [apiKey], ...settings });
  simulators.push(simulator);
  return simulator;
}

function faulty(faults: AssemblyAiFaults, settings: SimulatorSettings = {}): AssemblyAiSimulator {
  return simulate({ ...settings, faults: () => faults });
}

afterEach(async () => {
  for (const simulator of simulators.splice(0)) await simulator.close();
});

/** One connection to a simulator, and all it reports. */
class Dialled {
  readonly log = new EventLog<Reported>();
  readonly connection: CloudConnection;
  readonly abort = new AbortController();

  constructor(
    simulator: AssemblyAiSimulator,
    settings: Partial<AssemblyAiSettings> = {},
    options: Partial<ConnectOptions> = {},
  ) {
    const vendor = new AssemblyAi({
      credential: { kind: "apiKey", apiKey },
      baseUrl: simulator.url,
      ...settings,
    });
    this.connection = vendor.connect(
      {
        language: "en-US",
        hints: [],
        identifyLanguage: false,
        keyterms: [],
        signal: this.abort.signal,
        ...options,
      },
      {
        onOpen: () => this.log.add({ kind: "open" }),
        onEvent: (event) => this.log.add({ kind: "event", event }),
        onEnd: (failure) => this.log.add({ kind: "end", failure }),
      },
    );
  }

  async opened(): Promise<this> {
    await this.log.until(({ kind }) => kind === "open" || kind === "end");
    expect(this.log.events[0]).toEqual({ kind: "open" });
    return this;
  }

  async ended(): Promise<ConnectionFailure | undefined> {
    const end = await this.log.until(({ kind }) => kind === "end");
    return end.kind === "end" ? end.failure : undefined;
  }

  get events(): ConnectionEvent[] {
    return this.log.events.flatMap((each) => (each.kind === "event" ? [each.event] : []));
  }

  get finals() {
    return this.events.flatMap((event) => (event.kind === "final" ? [event] : []));
  }

  async final(count = 1): Promise<void> {
    await this.log.untilCount(count, (each) => each.kind === "event" && each.event.kind === "final");
  }

  async settled(sample: number): Promise<void> {
    await this.log.until(
      (each) => each.kind === "event" && each.event.kind === "settled" && each.event.sample >= sample,
    );
  }

  /** Says the numbers from `first` on, block by block, from `startSample` on. */
  say(first: number, count: number, startSample: number): void {
    for (let i = 0; i < count; i++) {
      this.connection.write(countedAudio(first + i, 1), startSample + i * blockSamples);
    }
  }
}

describeTrusting(import.meta.path, "AssemblyAI's connection", () => {
  describe("a session with AssemblyAI", () => {
    test("opens with the key in its header, the model and the limits in its address", async () => {
      const simulator = simulate();
      await new Dialled(simulator, {}, { keyterms: ["Browline", "x".repeat(51), " "] }).opened();
      const [visit] = simulator.visits;
      expect(visit?.authorization).toBe(apiKey);
      expect(visit?.query).toEqual({
        sample_rate: "16000",
        encoding: "pcm_s16le",
        speech_model: "universal-streaming-english",
        format_turns: "true",
        inactivity_timeout: "120",
        keyterms_prompt: '["Browline"]',
      });
    });

    test("opens with a temporary token, a new one for every session, and without a header", async () => {
      const simulator = simulate({ tokens: ["first", "second"] });
      const tokens = ["first", "second"];
      const settings = {
        credential: { kind: "token" as const, token: async () => tokens.shift() ?? "none" },
      };
      await new Dialled(simulator, settings).opened();
      await new Dialled(simulator, settings).opened();
      expect(simulator.visits.map(({ query }) => query["token"])).toEqual(["first", "second"]);
      expect(simulator.visits.map(({ authorization }) => authorization)).toEqual([null, null]);
    });

    test("asks for the model of the language, and for its name where that is wanted", async () => {
      const simulator = simulate({ languageCode: "es" });
      const auto = await new Dialled(simulator, {}, { language: "auto" }).opened();
      await new Dialled(simulator, {}, { language: "fr-FR", identifyLanguage: true }).opened();
      const steered = { model: "universal-3-5-pro" };
      await new Dialled(simulator, steered, { language: "es-ES", hints: ["en-US", "es-MX"] }).opened();
      expect(
        simulator.visits.map(({ query }) => [
          query["speech_model"],
          query["language_detection"],
          query["language_codes"],
        ]),
      ).toEqual([
        ["universal-streaming-multilingual", "true", undefined],
        ["universal-streaming-multilingual", "true", undefined],
        ["universal-3-5-pro", undefined, '["es","en"]'],
      ]);
      auto.say(1, 3, 0);
      auto.connection.finalize();
      await auto.final();
      expect(auto.finals[0]?.language).toBe("es");
    });

    test("hears interims that grow and one formatted final, with words on the session's clock", async () => {
      const dialled = await new Dialled(simulate({ speaker: "B" })).opened();
      dialled.say(7, 5, 48_000);
      dialled.connection.finalize();
      await dialled.final();
      const spoken = dialled.events.flatMap((event) =>
        event.kind === "interim" || event.kind === "final" ? [event] : [],
      );
      expect(spoken.map(({ text }) => text)).toEqual([
        "w7",
        "w7 w8",
        "w7 w8 w9",
        "w7 w8 w9 w10",
        "w7 w8 w9 w10 w11",
        "w7 w8 w9 w10 w11",
        "w7 w8 w9 w10 w11.",
      ]);
      expect(dialled.finals).toHaveLength(1);
      const [final] = dialled.finals;
      expect(final).toMatchObject({ startSample: 48_000, endSample: 56_000, speaker: "B" });
      expect(final?.confidence).toBeCloseTo(0.9);
      expect(final?.words?.[1]).toEqual({ text: "w8", startMs: 3_100, endMs: 3_200, confidence: 0.9 });
    });

    test("settles what a final covers, and all that was sent once a forced end is answered and quiet", async () => {
      const dialled = await new Dialled(simulate()).opened();
      dialled.say(1, 4, 0);
      dialled.connection.write(new Int16Array(2 * blockSamples), 4 * blockSamples);
      dialled.connection.finalize();
      await dialled.settled(4 * blockSamples);
      await dialled.settled(6 * blockSamples);
      const settled = dialled.events.flatMap((event) => (event.kind === "settled" ? [event.sample] : []));
      expect(settled).toEqual([4 * blockSamples, 6 * blockSamples]);
    });

    test("tells the time over audio that was not sent", async () => {
      const dialled = await new Dialled(simulate()).opened();
      dialled.say(1, 2, 16_000);
      dialled.connection.finalize();
      await dialled.final();
      dialled.say(3, 2, 160_000);
      dialled.connection.finalize();
      await dialled.final(2);
      expect(dialled.finals.map(({ startSample, endSample }) => [startSample, endSample])).toEqual([
        [16_000, 19_200],
        [160_000, 163_200],
      ]);
    });

    test("sends messages of 50 to 1000 ms whatever it is given, and fills up a short one", async () => {
      const simulator = simulate();
      const dialled = await new Dialled(simulator).opened();
      const audio = countedAudio(1, 40);
      let at = 0;
      for (const count of [160, 320, 960, 160, 40_000, 800, 1_599]) {
        dialled.connection.write(audio.subarray(at, at + count), at);
        at += count;
      }
      // A hole: what is pending may not be joined with what follows.
      dialled.connection.write(audio.subarray(0, 100), 1_000_000);
      dialled.connection.finalize();
      await dialled.final();
      const [visit] = simulator.visits;
      const sizes = visit?.frames.filter(({ type }) => type === "audio").map(({ bytes }) => bytes) ?? [];
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(1_600);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(32_000);
      const padding = sizes.reduce((sum, bytes) => sum + bytes, 0) / 2 - at - 100;
      expect(padding).toBeGreaterThan(0);
      expect(dialled.finals.flatMap(({ text }) => countersIn(text))).toEqual(
        Array.from({ length: 27 }, (_, i) => i + 1),
      );
    });

    test("makes a turn final as it was heard when its good form does not come", async () => {
      const dialled = await new Dialled(faulty({ unformatted: true })).opened();
      dialled.say(1, 3, 0);
      dialled.connection.finalize();
      await dialled.final();
      expect(dialled.finals.map(({ text }) => text)).toEqual(["w1 w2 w3"]);
    });

    test("makes it final at once when the next turn begins, so that the order is kept", async () => {
      const dialled = await new Dialled(faulty({ unformatted: true })).opened();
      dialled.say(1, 3, 0);
      dialled.connection.finalize();
      dialled.say(4, 3, 3 * blockSamples);
      await dialled.log.until(
        (each) => each.kind === "event" && each.event.kind === "interim" && each.event.text === "w4",
      );
      const order = dialled.events.flatMap((event) =>
        event.kind === "final" || (event.kind === "interim" && event.text === "w4") ? [event.text] : [],
      );
      expect(order).toEqual(["w1 w2 w3", "w4"]);
    });

    test("keeps a turn whose end never came when the next one begins", async () => {
      const turn = (order: number, text: string, from: number) => ({
        type: "Turn",
        turn_order: order,
        turn_is_formatted: false,
        end_of_turn: false,
        transcript: text,
        end_of_turn_confidence: 0,
        words: [{ text, start: from, end: from + 100, confidence: 0.5, word_is_final: true }],
      });
      const simulator = simulate();
      const dialled = await new Dialled(simulator).opened();
      dialled.connection.write(new Int16Array(2 * blockSamples), 0);
      await until("the audio to come", () => simulator.visits[0]?.frames.length === 1);
      simulator.say(0, turn(5, "w1", 0));
      simulator.say(0, turn(6, "w2", 100));
      await dialled.final();
      expect(dialled.finals.map(({ text }) => text)).toEqual(["w1"]);
      await dialled.settled(blockSamples);
    });

    test("does not mind what is no message", async () => {
      const dialled = await new Dialled(faulty({ sayAfter: { bytes: 3_200, text: "[null" } })).opened();
      dialled.say(1, 2, 0);
      dialled.connection.finalize();
      await dialled.final();
      expect(dialled.finals.map(({ text }) => text)).toEqual(["w1 w2."]);
    });

    test("ends in good order: the last turn, all settled, the service's meter stopped", async () => {
      const simulator = simulate();
      const dialled = await new Dialled(simulator).opened();
      dialled.say(1, 3, 0);
      dialled.connection.close(5_000);
      expect(await dialled.ended()).toBeUndefined();
      expect(dialled.finals.map(({ text }) => text)).toEqual(["w1 w2 w3."]);
      expect(dialled.events.at(-1)).toEqual({ kind: "settled", sample: 3 * blockSamples });
      expect(dialled.log.events.at(-1)?.kind).toBe("end");
      expect(simulator.visits[0]?.frames.at(-1)?.type).toBe("Terminate");
      await simulator.happened.until(({ kind }) => kind === "closed");
    });

    test("ends without an answer too, and then settles nothing", async () => {
      const simulator = faulty({ silentTerminate: true });
      const dialled = await new Dialled(simulator).opened();
      dialled.say(1, 3, 0);
      dialled.connection.close(100);
      expect(await dialled.ended()).toBeUndefined();
      expect(dialled.events.map(({ kind }) => kind)).not.toContain("settled");
      await simulator.happened.until(({ kind }) => kind === "closed");
    });

    test("ends at the end of its grace, and what comes later is not heard of", async () => {
      const simulator = faulty({ resultMs: 300 });
      const dialled = await new Dialled(simulator).opened();
      dialled.say(1, 3, 0);
      dialled.connection.close(20);
      expect(await dialled.ended()).toBeUndefined();
      const reports = dialled.log.events.length;
      await simulator.happened.until(({ kind }) => kind === "closed");
      expect(dialled.log.events).toHaveLength(reports);
    });

    test("tells how much has not left when the service does not read, and ends all the same", async () => {
      const service = await UnreadingService.start('{"type":"Begin","id":"x","expires_at":1}');
      const dialled = await new Dialled(simulate(), { baseUrl: service.url }).opened();
      const second = new Int16Array(16_000);
      let at = 0;
      await until("bytes to wait", () => {
        dialled.connection.write(second, at);
        at += second.length;
        return dialled.connection.bufferedBytes > 256 * 1024;
      });
      dialled.connection.close(50);
      expect(await dialled.ended()).toBeUndefined();
      service.close();
    });

    test("is given up while it opens, and reports one end", async () => {
      const simulator = faulty({ beginMs: Number.POSITIVE_INFINITY });
      const dialled = new Dialled(simulator);
      await simulator.happened.until(({ kind }) => kind === "opened");
      dialled.abort.abort();
      expect(await dialled.ended()).toBeUndefined();
      await simulator.happened.until(({ kind }) => kind === "closed");
      expect(dialled.log.events).toHaveLength(1);
    });

    test("is kept alive as long as it is told to, and ended by the service when it is not", async () => {
      const simulator = simulate();
      const dialled = await new Dialled(simulator, { inactivitySeconds: 1 }).opened();
      dialled.connection.keepAlive();
      expect(await dialled.ended()).toMatchObject({ kind: "expired" });
      expect(simulator.visits[0]?.frames.map(({ type }) => type)).toEqual(["KeepAlive"]);
    });

    test("takes every call after its end", async () => {
      const dialled = await new Dialled(simulate()).opened();
      dialled.connection.close(1_000);
      await dialled.ended();
      dialled.say(1, 2, 0);
      dialled.connection.keepAlive();
      dialled.connection.finalize();
      dialled.connection.close(10);
      dialled.abort.abort();
      expect(dialled.log.events.filter(({ kind }) => kind === "end")).toHaveLength(1);
      expect(dialled.connection.bufferedBytes).toBe(0);
    });

    test("writes nothing to the console, not even the service's warnings", async () => {
      const warn = spyOn(console, "warn");
      const text = JSON.stringify({ type: "Warning", warning_code: 1, warning: "careful" });
      const dialled = await new Dialled(faulty({ sayAfter: { bytes: 3_200, text } })).opened();
      dialled.say(1, 2, 0);
      dialled.connection.finalize();
      await dialled.final();
      expect(warn).not.toHaveBeenCalled();
      warn.mockRestore();
    });
  });

  describe("a session with AssemblyAI fails", () => {
    const openings: readonly [string, AssemblyAiFaults, ConnectionFailure["kind"]][] = [
      ["a refusal of the key by HTTP", { refuse: { status: 401 } }, "auth"],
      ["too many by HTTP", { refuse: { status: 429 } }, "limit"],
      ["a request it does not like", { refuse: { status: 400 } }, "config"],
      ["a server in trouble", { refuse: { status: 503 } }, "transient"],
      ["a key that it refuses", { errorAtOpen: { code: 1008, error: "Unauthorized" } }, "auth"],
      [
        "too many under the code of a bad key",
        { errorAtOpen: { code: 1008, error: "Too many sessions" } },
        "limit",
      ],
      ["a close without a word", { closeAtOpen: { code: 4001, reason: "" } }, "auth"],
      ["a session it has no room for", { errorAtOpen: { code: 3009, error: "Too many" } }, "limit"],
      ["an error of its own", { errorAtOpen: { code: 3005, error: "Server error" } }, "transient"],
    ];
    test.each(openings)("to open for %s, once, without another attempt", async (_, faults, kind) => {
      const simulator = faulty(faults);
      const dialled = new Dialled(simulator);
      expect((await dialled.ended())?.kind).toBe(kind);
      expect(dialled.log.events).toHaveLength(1);
      expect(simulator.visits).toHaveLength(1);
    });

    test("to open when nobody is there, or nobody answers", async () => {
      const gone = simulate();
      const nobody = new Dialled(gone, { baseUrl: "wss://127.0.0.1:1/v3/ws" });
      expect((await nobody.ended())?.kind).toBe("transient");
      const mute = new Dialled(faulty({ beginMs: Number.POSITIVE_INFINITY }), { connectTimeoutMs: 200 });
      expect((await mute.ended())?.kind).toBe("transient");
    });

    test("to open for a wrong key, and the key is in no detail", async () => {
      const wrong = "f".repeat(32);
      const dialled = new Dialled(simulate(), { credential: { kind: "apiKey", apiKey: wrong } });
      const failure = await dialled.ended();
      expect(failure?.kind).toBe("auth");
      expect(failure?.detail).not.toContain(wrong);
    });

    test("to open when no token can be had", async () => {
      const token = () => Promise.reject(new Error("the minter is away"));
      const failure = await new Dialled(simulate(), { credential: { kind: "token", token } }).ended();
      expect(failure).toEqual({ kind: "transient", detail: "no session: the minter is away" });
    });

    const closes: readonly [number, string, ConnectionFailure["kind"]][] = [
      [3005, "Server error", "transient"],
      [3006, "Invalid message", "config"],
      [3008, "Session expired", "expired"],
      [4031, "Session Timeout", "expired"],
      [4029, "Rate limited", "limit"],
      [1011, "", "transient"],
      [1012, "", "transient"],
    ];
    test.each(closes)("in service with %d %s", async (code, error, kind) => {
      const closeAfter = { bytes: 6_400, code, ...(error === "" ? {} : { error }) };
      const dialled = await new Dialled(faulty({ closeAfter })).opened();
      dialled.say(1, 2, 0);
      const failure = await dialled.ended();
      expect(failure?.kind).toBe(kind);
      expect(failure?.detail).toContain(String(code));
    });

    test("when its connection is cut", async () => {
      const dialled = await new Dialled(faulty({ cutAfterBytes: 6_400 })).opened();
      dialled.say(1, 2, 0);
      expect((await dialled.ended())?.kind).toBe("transient");
    });

    test.each([
      '{"type":"Turn"}',
      '{"type":"Turn","turn_order":0,"end_of_turn":true,"turn_is_formatted":true,"transcript":"x","words":[{}]}',
    ])("when the service says %s, instead of ending the thread", async (text) => {
      const dialled = await new Dialled(faulty({ sayAfter: { bytes: 3_200, text } })).opened();
      dialled.say(1, 1, 0);
      const failure = await dialled.ended();
      expect(failure).toEqual({ kind: "transient", detail: "told a turn that cannot be understood" });
    });

    test("with a turn that has ended but has no good form yet: what was heard is its final", async () => {
      const closeAfter = { bytes: 12_800, code: 1011 };
      const simulator = faulty({ unformatted: true, closeAfter }, { turnWords: 3 });
      const dialled = await new Dialled(simulator).opened();
      dialled.say(1, 4, 0);
      await dialled.ended();
      expect(dialled.finals.map(({ text }) => text)).toEqual(["w1 w2 w3"]);
      expect(dialled.events.findLast(({ kind }) => kind === "settled")).toEqual({
        kind: "settled",
        sample: 3 * blockSamples,
      });
    });

    test("when audio comes faster than the service takes it", async () => {
      const dialled = await new Dialled(simulate({ maxSpeed: 1.5 })).opened();
      dialled.say(1, 40, 0);
      expect((await dialled.ended())?.kind).toBe("protocol");
    });
  });
});

describe("AssemblyAI as a vendor", () => {
  test("refuses an address without TLS", () => {
    expect(
      () => new AssemblyAi({ credential: { kind: "apiKey", apiKey }, baseUrl: "ws://127.0.0.1/v3/ws" }),
    ).toThrow("the address of AssemblyAI has to begin with wss://");
  });

  test("speaks six languages and any that is to be found out", () => {
    const vendor = new AssemblyAi({ credential: { kind: "apiKey", apiKey } });
    const asked = ["en-US", "es-ES", "fr", "pt-BR", "auto", "zh-CN", "ja-JP"];
    expect(asked.filter((language) => vendor.supports(language))).toEqual([
      "en-US",
      "es-ES",
      "fr",
      "pt-BR",
      "auto",
    ]);
  });

  test("puts every code into its class", () => {
    const kinds = Object.fromEntries(
      [1008, 3005, 3006, 3007, 3008, 3009, 4000, 4001, 4002, 4003, 4029, 4031, 4101, 4102, 1006, 1013].map(
        (code) => [code, sessionFailure(code, "").kind],
      ),
    );
    expect(kinds).toEqual({
      1006: "transient",
      1008: "auth",
      1013: "transient",
      3005: "transient",
      3006: "config",
      3007: "protocol",
      3008: "expired",
      3009: "limit",
      4000: "config",
      4001: "auth",
      4002: "auth",
      4003: "auth",
      4029: "limit",
      4031: "expired",
      4101: "config",
      4102: "limit",
    });
  });

  test("keeps what looks like a credential out of the log", () => {
    const detail = openFailure(new Error(`bad token ${"a1".repeat(20)} for key=abc\nmore`)).detail;
    expect(detail).toBe("no session: bad token ... for key ... more");
  });
});

if (!trustsSimulators) {
  test("trusts no certificate that nobody has signed", async () => {
    const failure = await new Dialled(simulate()).ended();
    expect(failure?.kind).toBe("transient");
    expect(failure?.detail).toContain("certificate");
  });
}
