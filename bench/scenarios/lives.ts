import { RunningTrial } from "../macro/running-trial.ts";
import type { Leftovers } from "../macro/server-under-test.ts";
import type { TrialPlan } from "../macro/trial-plan.ts";
import { nothingFound, type Verdict } from "../outcome.ts";
import type { Scenario } from "../scenario.ts";
import { formatTable } from "../table.ts";

const lives = 20_000;
const atOnce = 500;
/** What the collector may see on the stack by chance. */
const mostByChance = 10;

/** Sessions that come and go with an app each, and what they leave behind. */
export const sessionLives: Scenario = {
  name: "session lives",
  inShortRun: false,
  run: async ({ surroundings, say }) => {
    const plan: TrialPlan = {
      name: "lives",
      server: "browline",
      sessions: atOnce,
      sessionGraceMs: 1_000,
      traffic: { codec: "pcm", framesPerSecond: 50, atOnce: true },
      apps: { count: 1, hears: ["audio_chunk", "transcription:en-US", "button_press"] },
      warmupMs: 0,
      measuredMs: 0,
    };
    const trial = await RunningTrial.start(plan, surroundings);
    const { generator, appHost } = surroundings;
    try {
      let before: Leftovers | undefined;
      for (let done = 0; done < lives; done += atOnce) {
        if (done > 0) await trial.connectAgain();
        await trial.server.call("note");
        await generator.call("startPacing", plan.traffic);
        await Bun.sleep(100);
        await generator.call("disconnect");
        await trial.untilNobodyIsThere();
        await appHost.call("reset");
        before ??= await trial.server.call("leftovers");
        if ((done + atOnce) % 5_000 === 0) say(`  ${done + atOnce} lives`);
      }
      const control = await trial.connectAgain().then(() => trial.server.call("leftovers"));
      await generator.call("disconnect");
      await trial.untilNobodyIsThere();
      const after = await trial.server.call("leftovers");
      return {
        ...nothingFound,
        verdicts: [verdictOf(before, after)],
        controls: [
          {
            target: "6",
            what: `while ${atOnce} sessions live, their sockets and lanes must be seen`,
            reached: `${control.sessions} sessions, ${control.sockets} sockets, ${control.lanes} lanes`,
            bites: control.sessions >= atOnce && control.sockets >= atOnce && control.lanes >= atOnce,
          },
        ],
        tables: [
          {
            title: `Left behind by ${lives} lives`,
            text: formatTable(
              ["", "sessions", "objects", "timers", "sockets", "lanes"],
              [
                ["after the first 500", ...cells(before)],
                [`after ${lives}`, ...cells(after)],
              ],
            ),
          },
        ],
      };
    } finally {
      await trial.stop();
    }
  },
};

function cells(left: Leftovers | undefined): string[] {
  return [left?.sessions, left?.objects, left?.timers, left?.sockets, left?.lanes].map((n) =>
    String(n ?? "-"),
  );
}

/** Timers of the server itself are there from the start: none may have been added. */
function verdictOf(before: Leftovers | undefined, after: Leftovers): Verdict {
  const timers = after.timers - (before?.timers ?? 0);
  return {
    target: "6",
    what: `${lives} session lives leave no object, timer or socket`,
    limit: `0 sessions, sockets, lanes and further timers, <= ${mostByChance} objects`,
    reached: `${after.sessions} sessions, ${after.sockets} sockets, ${after.lanes} lanes, ${timers} timers, ${after.objects} objects`,
    pass:
      after.sessions === 0 &&
      after.sockets === 0 &&
      after.lanes === 0 &&
      timers <= 0 &&
      after.objects <= mostByChance,
  };
}
