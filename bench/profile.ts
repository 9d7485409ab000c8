import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BenchArguments, ProfiledLoad } from "./arguments.ts";
import { RunningTrial } from "./macro/running-trial.ts";
import { Surroundings } from "./macro/surroundings.ts";
import type { TrialPlan } from "./macro/trial-plan.ts";
import { hotFunctions } from "./profile-summary.ts";

type Load = Pick<TrialPlan, "traffic" | "apps" | "speech">;

const pcm = { codec: "pcm", framesPerSecond: 50 } as const;
const heard = { count: 1, hears: ["transcription:en-US"] };
const loads: Readonly<Record<ProfiledLoad, Load>> = {
  ingest: { traffic: pcm },
  relay: { traffic: pcm, apps: { count: 1, hears: ["audio_chunk"] } },
  speech: { traffic: pcm, apps: heard, speech: true },
  opus: { traffic: { codec: "opus", framesPerSecond: 50 }, apps: heard, speech: true },
};

/** Drives a load and writes a profile of every thread of the server meanwhile; says where the time goes. */
export async function profileLoad(
  { what, sessions, seconds, heap }: BenchArguments & { command: "profile" },
  dir: string,
  say: (line: string) => void,
): Promise<void> {
  const surroundings = new Surroundings();
  const folder = join(dir, `${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}-${what}`);
  mkdirSync(folder, { recursive: true });
  const plan: TrialPlan = {
    name: what,
    server: "browline",
    sessions,
    warmupMs: 0,
    measuredMs: 0,
    ...loads[what],
  };
  try {
    const trial = await RunningTrial.start(plan, surroundings);
    try {
      await trial.startTraffic();
      await Bun.sleep(3_000);
      say(`${what}, ${sessions} sessions, ${seconds} s`);
      const files = await trial.server.call("profile", folder, seconds * 1000);
      for (const file of files) say(`\n${file}\n\n${hotFunctions(await Bun.file(file).text())}`);
      if (heap) say(`\n${await trial.server.call("heapSnapshot", folder)}`);
    } finally {
      await trial.stop();
    }
  } finally {
    await surroundings.close();
  }
}
