import { describe, expect, test } from "bun:test";
import { LibopusLibrary } from "../../workers/codecs/libopus.ts";
import { OpusCodec, type OpusLibrary } from "../../workers/codecs/opus.ts";
import { OpusscriptLibrary } from "../../workers/codecs/opusscript.ts";
import { opusReferenceStreams } from "../support/opus-reference.ts";
import { runOpusScenario } from "../support/opus-scenario.ts";
import { seededRandom } from "../support/seeded-random.ts";

const streams = opusReferenceStreams(6, 40);

function runThrough(library: OpusLibrary) {
  return runOpusScenario({
    random: seededRandom(`200 sessions through ${library.name}`),
    streams,
    steps: 8_000,
    open: () => new OpusCodec(library, () => {}),
  });
}

/** At least 200 sessions one after the other, and more at one time than the 76 that the package itself can hold. */
function expectMany(sessions: {
  readonly opened: number;
  readonly closed: number;
  readonly mostOpen: number;
}) {
  expect(sessions.opened).toBeGreaterThanOrEqual(200);
  expect(sessions.closed).toBe(sessions.opened);
  expect(sessions.mostOpen).toBeGreaterThan(77);
}

describe("Opus of many sessions in one worker, one of them hostile", () => {
  test("changes no byte of anybody's audio through the contained opusscript", () => {
    const library = new OpusscriptLibrary();
    const { decoded, wrong, thrown, ...sessions } = runThrough(library);
    expect({ wrong, thrown, deaths: library.deaths }).toEqual({ wrong: 0, thrown: 0, deaths: 0 });
    expectMany(sessions);
    expect(decoded).toBeGreaterThan(6_000);
  });

  test("changes no byte of anybody's audio through libopus", () => {
    const library = LibopusLibrary.load();
    if (library === undefined) throw new Error("the tests need libopus.so.0");
    const { wrong, thrown, ...sessions } = runThrough(library);
    expect({ wrong, thrown }).toEqual({ wrong: 0, thrown: 0 });
    expectMany(sessions);
  });

  test("would change it through the package's own decode()", async () => {
    const script = new URL("../support/opusscript-public-decode.ts", import.meta.url).pathname;
    const child = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "ignore" });
    const [output, code] = await Promise.all([child.stdout.text(), child.exited]);
    const result = /^result (.*)$/m.exec(output)?.[1];
    // Either it did not live to tell, or it tells of damage.
    if (result === undefined) expect(code).not.toBe(0);
    else {
      const { wrong, thrown } = JSON.parse(result) as { wrong: number; thrown: number };
      expect(wrong + thrown).toBeGreaterThan(0);
    }
  });
});
