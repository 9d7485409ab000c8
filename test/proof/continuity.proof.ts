import { afterAll, beforeAll, expect, test } from "bun:test";
import { ContinuityApps, type Listener, listeners, ofEach } from "../support/continuity-apps.ts";
import { crash } from "../support/crash.ts";
import { drain } from "../support/drain.ts";
import { loseNetwork } from "../support/network-loss.ts";
import type { PressVerdict } from "../support/press-verdict.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { libriVox } from "../support/speech-fixtures.ts";

let apps: ContinuityApps;
const recordings = libriVox();

beforeAll(async () => {
  apps = await ContinuityApps.start();
}, 60_000);
afterAll(() => apps?.stop());

/** No press may be lost or out of order, and with a count none may come twice. Returns how many came twice. */
function judge(verdicts: Readonly<Record<Listener, PressVerdict>>): Readonly<Record<Listener, number>> {
  for (const listener of listeners) {
    const { lost, disordered } = verdicts[listener];
    expect({ listener, lost, disordered }).toEqual({ listener, lost: [], disordered: [] });
  }
  expect(verdicts.counting.duplicates).toEqual([]);
  return ofEach((listener) => verdicts[listener].duplicates.length);
}

function say(report: object): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

test("50 presses a second for 20 s and more, each app cut 10 times at random: 0 lost, 0 out of order", async () => {
  const random = seededRandom("long network loss");
  const report = await loseNetwork(apps, random, { cuts: 10, aliveMs: 2_500 });
  const { verdicts, needless, windowMs, roundTripMs, pressed } = report;
  say({ pressed, duplicates: judge(verdicts), windowMs, roundTripMs });
  for (const listener of listeners) expect(needless[listener]).toEqual([]);
}, 300_000);

test("a server killed 10 times at random loses nothing that was committed, and comes back as it was", async () => {
  const random = seededRandom("many crashes");
  const report = await crash(apps, random, { kills: 10, aliveMs: 2_000, lastAwayMs: 6_000 });
  const { verdicts, pressed, atRiskMs, bootMs, uncommitted } = report;
  say({ pressed, duplicates: judge(verdicts), atRiskMs, bootMs });
  expect(uncommitted).toEqual([]);
}, 300_000);

test("five drains in mid-speech finish the utterance and lose nothing", async () => {
  const random = seededRandom("many drains");
  for (const { pcm } of recordings) {
    const report = await drain(apps, random, { speech: pcm });
    const { verdicts, pressed, finals, endMs, closeCodes } = report;
    const words = ofEach((listener) => finals[listener][0]?.text);
    say({ pressed, duplicates: judge(verdicts), endMs, interim: report.interim?.text, words });
    for (const listener of listeners) expect(words[listener]).toBeDefined();
    expect(closeCodes).toEqual({ glasses: 1012, app: 1012 });
    expect(endMs).toBeLessThan(5_000);
  }
}, 300_000);
