import { afterEach, describe, expect, test } from "bun:test";
import { Deepgram, type DeepgramSettings } from "../../../workers/stt/cloud/deepgram.ts";
import { DeepgramTransport } from "../../../workers/stt/cloud/deepgram-transport.ts";
import type { ConnectionFailure } from "../../../workers/stt/cloud/vendor.ts";
import { countedAudio } from "../../support/counted-audio.ts";
import { DeafWebSocket } from "../../support/deaf-websocket.ts";
import { DeepgramSimulator, type DeepgramSimulatorSettings } from "../../support/deepgram-simulator.ts";
import { RecordedConnection } from "../../support/recorded-connection.ts";
import { until } from "../../support/until.ts";
import { DeepgramInWorker } from "../../support/vendor-in-worker.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function simulator(settings: DeepgramSimulatorSettings = {}): DeepgramSimulator {
  const service = new DeepgramSimulator(settings);
  cleanUps.push(() => service.close());
  return service;
}

function settingsFor(baseUrl: string, changes: Partial<DeepgramSettings> = {}): DeepgramSettings {
  return { credential: { kind: "apiKey", apiKey: "akey" }, baseUrl, model: "nova-3", ...changes };
}

function deepgram(service: DeepgramSimulator, changes: Partial<DeepgramSettings> = {}): Deepgram {
  return new Deepgram(settingsFor(service.url, changes));
}

function inWorker(baseUrl: string, changes: Partial<DeepgramSettings> = {}): DeepgramInWorker {
  const vendor = new DeepgramInWorker(settingsFor(baseUrl, changes));
  cleanUps.push(() => vendor.stop());
  return vendor;
}

describe("a request to Deepgram", () => {
  test("asks Nova for what the supervisor needs, in the service's own spelling", async () => {
    const service = simulator();
    await new RecordedConnection(deepgram(service), { keyterms: ["Browline", "Captions Plus"] }).open();
    const [visit] = service.visits;
    expect(visit?.path).toBe("/v1/listen");
    expect(visit?.authorization).toBe("Token akey");
    expect(visit?.query).toMatchObject({
      model: "nova-3",
      encoding: "linear16",
      sample_rate: "16000",
      channels: "1",
      language: "en-US",
      interim_results: "true",
      smart_format: "true",
      endpointing: "400",
      utterance_end_ms: "1000",
    });
    expect(visit?.keyterms).toEqual(["Browline", "Captions Plus"]);
    expect(Object.keys(visit?.query ?? {})).not.toContain("diarize");
  });

  test("tells speakers apart only where it is set", async () => {
    const service = simulator({ speaker: 1 });
    const one = await new RecordedConnection(deepgram(service, { diarize: true })).open();
    expect(service.visits[0]?.query["diarize"]).toBe("true");
    one.write(countedAudio(1, 3), 0);
    one.connection.finalize();
    expect((await one.untilFinals(1))[0]?.speaker).toBe("1");
  });

  test("asks for several languages with multi, and says which was heard", async () => {
    const service = simulator({ languages: ["es"] });
    const one = await new RecordedConnection(deepgram(service), { language: "auto" }).open();
    expect(service.visits[0]?.query["language"]).toBe("multi");
    one.write(countedAudio(1, 3), 0);
    one.connection.finalize();
    expect((await one.untilFinals(1))[0]?.language).toBe("es");
  });

  test("goes to the other service for Flux, without what only Nova knows", async () => {
    const service = simulator();
    const vendor = deepgram(service, { model: "flux-general-multi" });
    await new RecordedConnection(vendor, { language: "auto", hints: ["en", "es-ES"] }).open();
    const [visit] = service.visits;
    expect(visit?.path).toBe("/v2/listen");
    expect(visit?.languageHints).toEqual(["en", "es"]);
    expect(Object.keys(visit?.query ?? {}).sort()).toEqual([
      "encoding",
      "language_hint",
      "model",
      "sample_rate",
    ]);
  });

  test("fetches a fresh access token for every connection", async () => {
    const service = simulator({ tokens: ["first", "second"] });
    const tokens = ["first", "second"];
    const accessToken = () => Promise.resolve(tokens.shift() ?? "none left");
    const vendor = deepgram(service, { credential: { kind: "accessToken", accessToken } });
    await new RecordedConnection(vendor).open();
    await new RecordedConnection(vendor).open();
    expect(service.visits.map(({ authorization }) => authorization)).toEqual([
      "Bearer first",
      "Bearer second",
    ]);
    expect((await new RecordedConnection(vendor).end())?.kind).toBe("auth");
  });

  test("fails as may happen to anybody where no token is to be had", async () => {
    const service = simulator();
    const accessToken = () => Promise.reject(new Error("mint is down"));
    const vendor = deepgram(service, { credential: { kind: "accessToken", accessToken } });
    expect(await new RecordedConnection(vendor).end()).toMatchObject({ kind: "transient" });
    expect(service.visits).toEqual([]);
  });

  test("needs no credential where the service is one's own", async () => {
    const service = simulator();
    await new RecordedConnection(deepgram(service, { credential: { kind: "none" } })).open();
    expect(service.visits[0]?.authorization).toBeNull();
  });
});

describe("Deepgram in a worker", () => {
  const refusals: [status: number, kind: ConnectionFailure["kind"]][] = [
    [401, "auth"],
    [402, "auth"],
    [403, "auth"],
    [400, "config"],
    [404, "config"],
    [429, "limit"],
    [500, "transient"],
    [503, "transient"],
  ];

  test("tells the refusals of a handshake apart by their status", async () => {
    const service = simulator({ faults: (number) => ({ refuse: { status: refusals[number]?.[0] ?? 500 } }) });
    const vendor = inWorker(service.url);
    for (const [status, kind] of refusals) {
      const failure = await new RecordedConnection(vendor).end();
      expect(failure).toEqual({ kind, detail: `refused with HTTP ${status}` });
    }
    expect(service.visits).toHaveLength(refusals.length);
  });

  const closes: [code: number, reason: string, kind: ConnectionFailure["kind"]][] = [
    [1008, "DATA-0000", "config"],
    [1002, "DATA-0000", "config"],
    [1011, "NET-0000", "transient"],
    [1011, "NET-0001", "transient"],
    [1000, "", "transient"],
    [1001, "going away", "transient"],
    [1012, "restart", "transient"],
    [1008, "policy", "protocol"],
    [1009, "too big", "protocol"],
  ];

  test("tells the ways in which the service closes apart", async () => {
    const service = simulator({
      faults: (number) => {
        const [code, reason] = closes[number] ?? [1000, ""];
        return { closeAfter: { bytes: 1, code, reason } };
      },
    });
    const vendor = inWorker(service.url);
    for (const [code, reason, kind] of closes) {
      const one = await new RecordedConnection(vendor).open();
      one.write(countedAudio(1, 1), 0);
      const failure = await one.end();
      expect(failure).toEqual({ kind, detail: `closed with ${code}${reason === "" ? "" : ` ${reason}`}` });
    }
  });

  test("takes a service that is not there for a passing trouble", async () => {
    const service = new DeepgramSimulator();
    const { url } = service;
    await service.close();
    expect((await new RecordedConnection(inWorker(url)).end())?.kind).toBe("transient");
  });

  test("gives up a connection that does not open in time", async () => {
    const service = simulator({ faults: () => ({ openMs: Number.POSITIVE_INFINITY }) });
    const failure = await new RecordedConnection(inWorker(service.url, { connectTimeoutMs: 50 })).end();
    expect(failure).toEqual({ kind: "transient", detail: "not open within 50 ms" });
  });

  test("opens a connection that takes a while", async () => {
    const service = simulator({ faults: () => ({ openMs: 100 }) });
    await new RecordedConnection(inWorker(service.url)).open();
  });

  test("does not connect again by itself, however the connection ends", async () => {
    const service = simulator({ faults: () => ({ cutAfterBytes: 1 }) });
    const one = await new RecordedConnection(inWorker(service.url)).open();
    one.write(countedAudio(1, 1), 0);
    expect(await one.end()).toMatchObject({ kind: "transient", detail: "closed with 1006" });
    await service.happened.until(({ kind }) => kind === "closed");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(service.visits).toHaveLength(1);
  });

  test("survives a close whose reason is as long as can be", async () => {
    const reason = "é".repeat(61);
    const service = simulator({ faults: () => ({ closeAfter: { bytes: 1, code: 1011, reason } }) });
    const one = await new RecordedConnection(inWorker(service.url)).open();
    one.write(countedAudio(1, 1), 0);
    expect((await one.end())?.kind).toBe("transient");
  });

  test("goes on when the service says what is no message", async () => {
    const said = ["{", "null", "[]", "17", '"text"', '{"type":"Results"}', "{}", new Uint8Array([1, 2, 3])];
    const service = simulator({ faults: (number) => ({ sayAfter: { bytes: 1, text: said[number] ?? "" } }) });
    const vendor = inWorker(service.url);
    for (const _ of said) {
      const one = await new RecordedConnection(vendor).open();
      one.write(countedAudio(1, 4), 0);
      one.connection.finalize();
      await one.untilFinals(1);
      expect(one.counters).toEqual([1, 2, 3, 4]);
    }
  });

  test("ends where the audio is not in the encoding that was announced", async () => {
    const service = simulator({ faults: () => ({ undecodable: true }) });
    const one = await new RecordedConnection(inWorker(service.url)).open();
    one.write(countedAudio(1, 1), 0);
    expect((await one.end())?.kind).toBe("config");
  });

  test("tells words late where they come late, those behind the request to end included", async () => {
    const service = simulator({ faults: () => ({ resultMs: 30 }) });
    const one = await new RecordedConnection(inWorker(service.url)).open();
    one.write(countedAudio(1, 5), 0);
    one.connection.close(30_000);
    expect(await one.end()).toBeUndefined();
    expect(one.counters).toEqual([1, 2, 3, 4, 5]);
  });

  test("never puts the key into what is logged", async () => {
    const apiKey = "0123456789abcdef0123456789abcdef01234567";
    const service = simulator({
      apiKeys: ["another"],
      faults: (number) =>
        number === 0 ? {} : { closeAfter: { ms: 1, code: 1011, reason: `bad Token ${apiKey}` } },
    });
    const vendor = inWorker(service.url, { credential: { kind: "apiKey", apiKey } });
    const refused = await new RecordedConnection(vendor).end();
    service.settings = { ...service.settings, apiKeys: [apiKey] };
    const closed = await new RecordedConnection(vendor).end();
    expect(closed?.detail).toContain("closed with 1011");
    expect(`${refused?.detail} ${closed?.detail}`).not.toContain(apiKey.slice(0, 8));
  });
});

describe("a quiet connection to Deepgram", () => {
  test("lives as long as it is kept alive, by text and never by an empty message", async () => {
    const service = simulator({ idleMs: 1_500 });
    const one = await new RecordedConnection(deepgram(service)).open();
    const [visit] = service.visits;
    const alive = setInterval(() => one.connection.keepAlive(), 100);
    await until("two seconds of keep-alives", () => (visit?.frames.length ?? 0) >= 20);
    clearInterval(alive);
    expect(one.ends).toEqual([]);
    expect(new Set(visit?.frames.map(({ type }) => type))).toEqual(new Set(["KeepAlive"]));
    expect(await one.end()).toMatchObject({ kind: "transient", detail: expect.stringContaining("NET-0001") });
  });

  test("is kept alive by silence where the service has no message for it", async () => {
    const service = simulator({ idleMs: 10_000 });
    const one = await new RecordedConnection(deepgram(service, { model: "flux-general-en" })).open();
    one.write(countedAudio(1, 3), 0);
    one.connection.finalize();
    await one.untilFinals(1);
    one.connection.keepAlive();
    one.write(countedAudio(4, 3), 3 * 1_600);
    one.connection.finalize();
    const finals = await one.untilFinals(2);
    expect(one.counters).toEqual([1, 2, 3, 4, 5, 6]);
    // The silence is not the session's: the times go on as if it were not there.
    expect(finals[1]?.startSample).toBe(3 * 1_600);
    expect(service.visits[0]?.frames.every(({ type, bytes }) => type === "audio" && bytes > 0)).toBe(true);
  });

  test("ends a turn of Flux by command only where the account may", async () => {
    const service = simulator({ forceEndTurn: true });
    const vendor = deepgram(service, { model: "flux-general-en", forceEndTurn: true });
    const one = await new RecordedConnection(vendor).open();
    one.write(countedAudio(1, 3), 0);
    one.connection.finalize();
    await one.untilFinals(1);
    expect(service.visits[0]?.frames.map(({ type }) => type)).toEqual([
      "audio",
      "audio",
      "audio",
      "ForceEndTurn",
    ]);
    service.settings = {};
    const other = await new RecordedConnection(vendor).open();
    other.connection.finalize();
    expect((await other.end())?.kind).toBe("protocol");
  });
});

describe("words that come in noise", () => {
  test("end with the gap between words where no silence is heard", async () => {
    const service = simulator({ noSpeechFinal: true });
    const one = await new RecordedConnection(deepgram(service)).open();
    one.write(countedAudio(1, 40), 0);
    one.write(new Int16Array(32_000), 40 * 1_600);
    const finals = await one.untilFinals(1);
    expect(finals).toHaveLength(1);
    expect(one.counters).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });
});

describe("the socket under the SDK", () => {
  test.each([
    [1011, "too long ".repeat(50)],
    [1011, "short"],
    [1000, "é".repeat(100)],
    [undefined, undefined],
  ])("is closed by the code %p and any reason, though a client may not send them", async (code, reason) => {
    const service = simulator();
    const transport = new DeepgramTransport(`${service.url}/v1/listen?model=nova-3`, {});
    const opened = Promise.withResolvers<void>();
    transport.onOpen(opened.resolve);
    await opened.promise;
    transport.close(code, reason);
    await service.happened.until(({ kind }) => kind === "closed");
    expect(transport.isOpen()).toBe(false);
  });
});

describe("a network that takes nothing more", () => {
  test("shows in what is buffered, and neither blocks nor throws", async () => {
    const deaf = await DeafWebSocket.start();
    cleanUps.push(() => deaf.close());
    const one = await new RecordedConnection(new Deepgram(settingsFor(deaf.url))).open();
    const pcm = new Int16Array(16_000);
    for (let at = 0; at < 2_000 && one.connection.bufferedBytes < 300_000; at++) {
      one.connection.write(pcm, at * 16_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(one.connection.bufferedBytes).toBeGreaterThanOrEqual(300_000);
    one.connection.close(20);
    expect(await one.end()).toBeUndefined();
    expect(one.connection.bufferedBytes).toBe(0);
  });
});
