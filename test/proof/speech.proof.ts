import { expect, test } from "bun:test";
import { seededRandom } from "../support/seeded-random.ts";
import { playSpeechScript } from "../support/speech-script.ts";

test("1,000 fault scripts settle every spoken number exactly once and in order, or count the gap", async () => {
  const random = seededRandom("speech scripts");
  let spoken = 0;
  let gaps = 0;
  let opens = 0;
  for (let script = 0; script < 1_000; script++) {
    const outcome = await playSpeechScript(random);
    expect({ script, problems: outcome.problems }).toEqual({ script, problems: [] });
    spoken += outcome.spoken;
    opens += outcome.opens;
    if (outcome.lostSamples > 0) gaps++;
  }
  process.stdout.write(`${spoken} numbers over ${opens} connections; ${gaps} scripts with a counted gap\n`);
}, 1_800_000);
