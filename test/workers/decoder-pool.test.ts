import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Decoder } from "../../workers/pocketsphinx/decoder.ts";
import { DecoderPool } from "../../workers/pocketsphinx/decoder-pool.ts";
import { loadLibrary } from "../../workers/pocketsphinx/library.ts";
import { findModel } from "../../workers/pocketsphinx/model.ts";
import type { DecodedWord, SpeechDecoder } from "../../workers/stt/speech-decoder.ts";
import { modelDir } from "../support/recogniser-thread.ts";
import { goForward } from "../support/speech-fixtures.ts";

setDefaultTimeout(60_000);

let pool: DecoderPool;

beforeAll(() => {
  const [library, model] = [loadLibrary(), findModel(modelDir)];
  pool = new DecoderPool(
    (sibling) => new Decoder(library, model, sibling instanceof Decoder ? sibling : undefined),
    2,
  );
});

afterAll(() => pool.close());

function decode(decoder: SpeechDecoder, pcm: Int16Array, mean?: Float32Array) {
  decoder.startStream(mean);
  decoder.startUtterance();
  decoder.process(pcm);
  decoder.endUtterance();
  const words = decoder.words();
  return { text: words.map((word) => word.text).join(" "), words, mean: decoder.endStream() };
}

describe("the decoders of a recogniser thread", () => {
  test("the first is loaded at once, further ones on demand, and never more than allowed", () => {
    expect(pool.loaded).toBe(1);
    const first = pool.lease();
    expect(first).toBeDefined();
    expect(pool.lease()).toBeUndefined();
    expect(pool.grow()).toBe(true);
    const second = pool.lease();
    expect(second).toBeDefined();
    expect(pool.grow()).toBe(false);
    expect(pool.loaded).toBe(2);
    if (first) pool.release(first);
    if (second) pool.release(second);
  });

  test("one that is given back twice is still lent to one stream at a time", () => {
    const decoder = pool.lease();
    if (decoder === undefined) throw new Error("no decoder");
    pool.release(decoder);
    pool.release(decoder);
    const leased = [pool.lease(), pool.lease(), pool.lease()].filter((each) => each !== undefined);
    expect(new Set(leased).size).toBe(leased.length);
    for (const each of leased) pool.release(each);
  });

  test("one that shares the language model hears the same words at the same times as the one that owns it", () => {
    const recording = goForward();
    const leased = [pool.lease(), pool.lease()].filter((each) => each !== undefined);
    expect(leased).toHaveLength(2);
    const [one, other] = leased.map((decoder) => decode(decoder, recording.pcm));
    for (const each of leased) pool.release(each);
    expect(one?.text).toBe(recording.text);
    const places = (words: readonly DecodedWord[] = []) =>
      words.map(({ text, startSample, endSample }) => ({ text, startSample, endSample }));
    expect(places(other?.words)).toEqual(places(one?.words));
  });

  test("the cepstral mean a session leaves with is the one it finds in its next decoder", () => {
    expect(pool.keepsMean).toBe(true);
    const leased = [pool.lease(), pool.lease()].filter((each) => each !== undefined);
    const [one, other] = leased;
    if (one === undefined || other === undefined) throw new Error("no decoders");
    const learnt = decode(one, goForward().pcm).mean;
    other.startStream(learnt);
    const taken = other.endStream();
    // A new speaker starts from the model's own mean, whoever had the decoder before.
    other.startStream(undefined);
    const initial = other.endStream();
    for (const each of leased) pool.release(each);
    expect(learnt).toBeDefined();
    expect(taken).toEqual(learnt);
    expect(initial).toEqual(Float32Array.from(findModel(modelDir).initialMean));
    expect(initial).not.toEqual(learnt);
  });

  test("calls in the wrong order throw instead of ending the process", () => {
    const decoder = pool.lease();
    if (decoder === undefined) throw new Error("no decoder");
    expect(() => decoder.process(new Int16Array(320))).toThrow("decoder is idle");
    expect(() => decoder.endUtterance()).toThrow("decoder is idle");
    decoder.startStream(undefined);
    decoder.startUtterance();
    expect(() => decoder.startUtterance()).toThrow("decoder is utterance");
    decoder.process(new Int16Array(0));
    decoder.endStream();
    pool.release(decoder);
  });

  test("one that failed is taken out, and another can be loaded in its place", () => {
    const decoder = pool.lease();
    if (decoder === undefined) throw new Error("no decoder");
    pool.discard(decoder);
    expect(() => decoder.startStream(undefined)).toThrow("decoder is freed");
    expect(pool.canGrow).toBe(true);
    expect(pool.grow()).toBe(true);
    expect(pool.loaded).toBe(2);
  });
});
