import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type VoiceDetector, VoiceDetectors } from "../../workers/voice-detector.ts";
import { seededRandom } from "../support/seeded-random.ts";

const detectors = await VoiceDetectors.load();
const testData = "/usr/share/pocketsphinx/test/data";

type Heard = { readonly active: boolean; readonly sample: number };

function listening(firstSample = 0): { detector: VoiceDetector; heard: Heard[] } {
  const heard: Heard[] = [];
  const detector = detectors.open(
    {
      onVoiceStart: (sample) => heard.push({ active: true, sample }),
      onVoiceEnd: (sample) => heard.push({ active: false, sample }),
    },
    firstSample,
  );
  return { detector, heard };
}

function recording(name: string): Int16Array {
  const bytes = readFileSync(`${testData}/${name}`);
  const from = name.endsWith(".wav") ? 44 : 0;
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset + from, bytes.byteOffset + (bytes.length & ~1)));
}

function noise(ms: number, amplitude: number): Int16Array {
  const random = seededRandom(`noise of amplitude ${amplitude}`);
  return Int16Array.from({ length: ms * 16 }, () => (random.next() + random.next() - 1) * amplitude);
}

describe("the voice detector", () => {
  test("hears the sentence in a recording, where it is", () => {
    const { detector, heard } = listening();
    detector.hear(noise(1_000, 0));
    detector.hear(recording("goforward.raw"));
    detector.hear(noise(1_000, 0));
    expect(heard.map(({ active }) => active)).toEqual([true, false]);
    // The words lie from 0.47 to 2.2 s of the recording.
    expect(heard[0]?.sample).toBeWithin(1_400 * 16, 1_600 * 16);
    expect(heard[1]?.sample).toBeWithin(3_000 * 16, 3_400 * 16);
    detector.close();
  });

  test("hears the same however the samples are cut", () => {
    const random = seededRandom("cuts of speech");
    const samples = Int16Array.from([...recording("numbers.raw"), ...noise(1_000, 0)]);
    const whole = listening();
    whole.detector.hear(samples);
    const cut = listening();
    for (let at = 0; at < samples.length; ) {
      const length = random.integer(0, 1_000);
      cut.detector.hear(samples.subarray(at, at + length));
      at += length;
    }
    expect(whole.heard.length).toBeGreaterThanOrEqual(2);
    expect(cut.heard).toEqual(whole.heard);
  });

  test("hears every reader of the sample recordings", () => {
    for (const number of ["0870", "0880", "0890", "0920", "0930"]) {
      const { detector, heard } = listening();
      detector.hear(recording(`librivox/sense_and_sensibility_01_austen_64kb-${number}.wav`));
      expect(heard[0]?.active).toBeTrue();
      expect(heard[0]?.sample).toBeLessThan(600 * 16);
      detector.close();
    }
  });

  test("does not take silence or the noise of a room, up to a loud one, for speech", () => {
    for (const amplitude of [0, 10, 60, 400, 1_500]) {
      const { detector, heard } = listening();
      detector.hear(noise(8_000, amplitude));
      expect(heard).toEqual([]);
      detector.close();
    }
  });

  test("begins and ends when the phone says so, each once", () => {
    const { detector, heard } = listening(32_000);
    detector.hear(noise(100, 0));
    detector.begin();
    detector.begin();
    detector.hear(noise(100, 0));
    detector.end();
    detector.end();
    expect(heard).toEqual([
      { active: true, sample: 33_600 },
      { active: false, sample: 35_200 },
    ]);
  });

  test("ends speech that the phone began when nobody speaks", () => {
    const { detector, heard } = listening();
    detector.begin();
    detector.hear(noise(2_000, 0));
    expect(heard.map(({ active }) => active)).toEqual([true, false]);
  });

  test("ends speech at a reset and goes on counting", () => {
    const { detector, heard } = listening();
    detector.hear(noise(30, 0));
    detector.begin();
    detector.reset();
    detector.begin();
    expect(heard.map(({ sample }) => sample)).toEqual([480, 480, 480]);
  });

  test("gives back the memory of those that are closed", () => {
    for (let i = 0; i < 20_000; i++) listening().detector.close();
    const open = Array.from({ length: 1_000 }, () => listening());
    for (const { detector } of open) detector.hear(noise(20, 0));
    for (const { detector } of open) detector.close();
    expect(open.length).toBe(1_000);
  });
});
