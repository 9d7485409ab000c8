import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { StreamReport } from "../../src/audio/recogniser-commands.ts";
import { RecogniserClient } from "../support/recogniser-client.ts";
import { RecogniserThread } from "../support/recogniser-thread.ts";
import { goForward, libriVox, quiet } from "../support/speech-fixtures.ts";
import { wordErrorRate, wordErrors } from "../support/word-error.ts";

setDefaultTimeout(60_000);

const installation = "apt-get install libpocketsphinx3 pocketsphinx-en-us";
let thread: RecogniserThread | undefined;

function start(settings?: ConstructorParameters<typeof RecogniserThread>[0]): {
  thread: RecogniserThread;
  client: RecogniserClient;
} {
  const started = new RecogniserThread(settings);
  thread = started;
  return { thread: started, client: new RecogniserClient(started) };
}

afterEach(async () => {
  await thread?.stop();
  thread = undefined;
});

describe("a recogniser thread", () => {
  test("hears a recording: interims that end in one final, words with times on the session's clock", async () => {
    const { client } = start();
    const recording = goForward();
    const recent = client.open("s");
    recent.append(quiet(3_000));
    const { start: from, end } = client.say("s", recent, recording);
    await client.settled("s", end);
    expect(client.heard("s")).toBe(recording.text);
    const kinds = client
      .of("s")
      .flatMap(({ kind }) => (kind === "interim" || kind === "final" ? [kind] : []));
    expect(kinds.length).toBeGreaterThan(2);
    expect(kinds.indexOf("final")).toBe(kinds.length - 1);
    const final = client.of("s").find((report) => report.kind === "final");
    if (final?.kind !== "final") throw new Error("no final");
    expect(final.startSample).toBeGreaterThanOrEqual(from);
    expect(final.endSample).toBeLessThanOrEqual(end);
    expect(final.confidence).toBeGreaterThan(0.5);
    expect(final.words?.map((word) => word.text).join(" ")).toBe(recording.text);
    const times = final.words?.flatMap((word) => [word.startMs, word.endMs]) ?? [];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBe(Math.round(final.startSample / samplesPerMs));
  });

  test("gets most words of an audio book right for a speaker it has never heard", async () => {
    const { client } = start();
    const recordings = libriVox();
    expect(recordings).toHaveLength(5);
    const errors = [];
    for (const recording of recordings) {
      const recent = client.open(recording.name);
      const { end } = client.say(recording.name, recent, recording);
      await client.settled(recording.name, end);
      errors.push(wordErrors(recording.text, client.heard(recording.name)));
    }
    const rate = wordErrorRate(errors);
    process.stdout.write(`word error rate of LibriVox, every speaker new: ${(100 * rate).toFixed(1)} %\n`);
    expect(rate).toBeLessThan(0.45);
  });

  test("hears nothing in a quiet room, and settles it", async () => {
    const { client } = start();
    const recent = client.open("s");
    const { end } = client.say("s", recent, { name: "quiet", pcm: quiet(2_000), text: "" });
    await client.settled("s", end);
    expect(client.of("s").map(({ kind }) => kind)).not.toContain("final");
    expect(client.of("s").map(({ kind }) => kind)).not.toContain("interim");
  });

  test("lets everybody speak when there are more speakers than decoders, and says who waits", async () => {
    const { client } = start({ decoders: 2 });
    const recording = goForward();
    const ids = ["a", "b", "c", "d", "e"];
    const ends = ids.map((id) => ({ id, end: client.say(id, client.open(id), recording).end }));
    await Promise.all(ends.map(({ id, end }) => client.settled(id, end)));
    for (const id of ids) {
      expect(client.heard(id)).toBe(recording.text);
      expect(client.lost(id)).toBe(0);
    }
    expect(client.states("a")).toEqual(["ready"]);
    expect(client.states("b")).toEqual(["ready"]);
    for (const id of ["c", "d", "e"]) expect(client.states(id)).toEqual(["ready", "degraded", "ready"]);
    const detail = client.of("e").flatMap((each) => (each.kind === "state" ? [each.detail] : []))[1];
    expect(detail).toBe("speech waits for a free decoder: all 2 are in use");
  });

  test("does not let one who talks without end keep the only decoder from another", async () => {
    const { client } = start({ decoders: 1 });
    const talk = client.open("endless", 120_000);
    const sentences = libriVox();
    for (let i = 0; i < 10; i++) talk.append(sentences[i % 5]?.pcm ?? quiet(1));
    client.send({ kind: "voiceStart", streamId: "endless", sample: 0 });
    const recording = goForward();
    const { end } = client.say("brief", client.open("brief"), recording);
    await client.settled("brief", end);
    expect(client.heard("brief")).toBe(recording.text);
    const settledOfEndless = client
      .of("endless")
      .flatMap((each) => (each.kind === "settled" ? [each.sample] : []));
    expect(Math.max(0, ...settledOfEndless)).toBeLessThan(talk.written / 2);
    client.send({ kind: "close", streamId: "endless" });
    // As much as a minute of speech, on cores that others may be using.
    const isClosed = (report: StreamReport) => report.kind === "closed" && report.streamId === "endless";
    await client.reports.until(isClosed, 120_000);
    const all = Array.from({ length: 10 }, (_, i) => sentences[i % 5]?.text ?? "").join(" ");
    expect(wordErrorRate([wordErrors(all, client.heard("endless"))])).toBeLessThan(0.5);
  }, 150_000);

  test("refuses an utterance beyond the queue's bound, says so, and counts its samples as lost", async () => {
    const { client } = start({ decoders: 1, utteranceQueue: 1 });
    const recording = goForward();
    const [a, b, c] = ["a", "b", "c"].map((id) => ({ id, recent: client.open(id) }));
    if (!a || !b || !c) throw new Error("no streams");
    const first = client.say(a.id, a.recent, recording);
    const second = client.say(b.id, b.recent, recording);
    const third = client.say(c.id, c.recent, recording);
    await client.settled("c", third.end);
    expect(client.lost("c")).toBe(third.end - third.start);
    expect(client.heard("c")).toBe("");
    expect(client.states("c")).toEqual(["ready", "degraded"]);
    await Promise.all([client.settled("a", first.end), client.settled("b", second.end)]);
    expect(client.heard("a")).toBe(recording.text);
    expect(client.heard("b")).toBe(recording.text);
    // Once there is room again, the refused speaker is heard.
    const again = client.say("c", c.recent, recording);
    await client.settled("c", again.end);
    expect(client.heard("c")).toBe(recording.text);
    expect(client.states("c")).toEqual(["ready", "degraded", "ready"]);
  });

  test("counts audio that was overwritten before it came to it, and goes on with what is there", async () => {
    const { client } = start();
    const recent = client.open("s", 5_000);
    recent.append(quiet(6_000));
    const recording = goForward();
    recent.append(recording.pcm);
    recent.append(quiet(800));
    const end = recent.written;
    client.send({ kind: "voiceStart", streamId: "s", sample: 0 });
    client.send({ kind: "voiceEnd", streamId: "s", sample: end });
    await client.settled("s", end);
    expect(client.lost("s")).toBe(end - 4_500 * samplesPerMs);
    expect(client.heard("s")).toBe(recording.text);
  });

  test("cuts an utterance that exceeds its longest length, without losing what follows", async () => {
    const { client } = start({ utteranceMs: 2_000 });
    const [recording] = libriVox();
    if (recording === undefined) throw new Error("no recording");
    const { end } = client.say("s", client.open("s"), recording);
    await client.settled("s", end);
    const finals = client.of("s").flatMap((report) => (report.kind === "final" ? [report] : []));
    expect(finals.length).toBeGreaterThan(2);
    for (const final of finals) {
      expect(final.endSample - final.startSample).toBeLessThan(3_500 * samplesPerMs);
    }
    const starts = finals.map((final) => final.startSample);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(wordErrorRate([wordErrors(recording.text, client.heard("s"))])).toBeLessThan(0.7);
  });

  test("ends an utterance whose audio stops coming without an end", async () => {
    const { client } = start();
    const recording = goForward();
    const recent = client.open("s");
    recent.append(quiet(500));
    // Cut inside the last word, so that the decoder itself sees no end of speech.
    recent.append(recording.pcm.subarray(0, 2_000 * samplesPerMs));
    client.send({ kind: "voiceStart", streamId: "s", sample: 0 });
    await client.reports.until((report) => report.kind === "final");
    expect(client.heard("s")).toStartWith("go forward");
    // The same voice goes on: audio that comes now is heard too.
    recent.append(quiet(700));
    recent.append(recording.pcm);
    recent.append(quiet(800));
    client.send({ kind: "voiceEnd", streamId: "s", sample: recent.written });
    await client.settled("s", recent.written);
    expect(client.heard("s")).toEndWith(recording.text);
  });

  test("decodes what is pending before it answers that a stream is closed", async () => {
    const { client } = start();
    const recording = goForward();
    const recent = client.open("s");
    recent.append(quiet(500));
    recent.append(recording.pcm);
    client.send({ kind: "voiceStart", streamId: "s", sample: 0 });
    client.send({ kind: "close", streamId: "s" });
    await client.reports.until((report) => report.kind === "closed");
    expect(client.heard("s")).toBe(recording.text);
    expect(client.of("s").at(-1)?.kind).toBe("closed");
  });

  test("lets go of a dropped stream at once, and its decoder serves the next", async () => {
    const { client } = start({ decoders: 1 });
    const recording = goForward();
    const dropped = client.open("dropped");
    client.say("dropped", dropped, recording);
    await client.reports.until((report) => report.kind === "interim");
    client.send({ kind: "drop", streamId: "dropped" });
    const { end } = client.say("s", client.open("s"), recording);
    await client.settled("s", end);
    expect(client.heard("s")).toBe(recording.text);
    expect(client.of("dropped").map(({ kind }) => kind)).not.toContain("final");
    expect(client.states("s")).toEqual(["ready"]);
  });

  test("ignores commands for streams it does not know, and keeps giving signs of life", async () => {
    const { thread, client } = start();
    await thread.reports.until((report) => report.kind === "ready");
    client.send({ kind: "voiceStart", streamId: "nobody", sample: 0 });
    client.send({ kind: "voiceEnd", streamId: "nobody", sample: 99 });
    client.send({ kind: "close", streamId: "nobody" });
    await client.reports.until((report) => report.kind === "closed");
    const { beats } = thread;
    const { end } = client.say("s", client.open("s"), goForward());
    await client.settled("s", end);
    expect(thread.beats).toBeGreaterThan(beats);
  });

  test("gives the decoder back when the audio worker that was speaking dies", async () => {
    const { thread, client } = start({ decoders: 1 });
    const recent = client.open("s");
    recent.append(goForward().pcm);
    client.send({ kind: "voiceStart", streamId: "s", sample: 0 });
    await client.reports.until((report) => report.kind === "interim");
    client.close();
    const other = new RecogniserClient(thread);
    const { end } = other.say("t", other.open("t"), goForward());
    await other.settled("t", end);
    expect(other.heard("t")).toBe(goForward().text);
  });
});

describe("a recogniser thread that cannot hear", () => {
  test("says that the model is missing and how to get it, turns streams away and lives on", async () => {
    const { thread, client } = start({ modelDir: "/nowhere/model" });
    const report = await thread.reports.until((each) => each.kind === "unavailable");
    expect(report).toEqual({
      kind: "unavailable",
      detail: `there is no English model in /nowhere/model (${installation})`,
    });
    client.open("s");
    await client.reports.until((each) => each.kind === "state");
    expect(client.reports.events[0]).toMatchObject({ kind: "availability", available: false });
    expect(client.states("s")).toEqual(["off"]);
    client.send({ kind: "close", streamId: "s" });
    await client.reports.until((each) => each.kind === "closed");
    expect(thread.beats).toBeGreaterThan(0);
  });

  test("says that a model is broken", async () => {
    const dir = mkdtempSync(join(tmpdir(), "browline-model-"));
    try {
      for (const file of ["cmudict-en-us.dict", "en-us.lm.bin"]) writeFileSync(join(dir, file), "");
      const { thread } = start({ modelDir: dir });
      const report = await thread.reports.until((each) => each.kind === "unavailable");
      expect(report).toMatchObject({ detail: expect.stringContaining(installation) });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test("says that the library is missing and how to install it", async () => {
    // A file of the library's name that is no library hides the real one from the loader of a process of its own.
    const dir = mkdtempSync(join(tmpdir(), "browline-library-"));
    try {
      writeFileSync(join(dir, "libsphinxbase.so.3"), "");
      const script = `
        const { RecogniserThread } = await import(${JSON.stringify(require.resolve("../support/recogniser-thread.ts"))});
        const thread = new RecogniserThread();
        const report = await thread.reports.until((each) => each.kind === "ready" || each.kind === "unavailable");
        await thread.stop();
        process.stdout.write(JSON.stringify(report));`;
      const child = Bun.spawn([process.execPath, "-e", script], {
        env: { ...process.env, LD_LIBRARY_PATH: dir },
        stdout: "pipe",
      });
      const report = JSON.parse(await new Response(child.stdout).text());
      expect(report).toEqual({
        kind: "unavailable",
        detail: `libpocketsphinx is not installed (${installation})`,
      });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
