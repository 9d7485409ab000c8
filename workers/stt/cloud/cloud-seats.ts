import type { SpeechSetup } from "../../../src/audio/commands.ts";
import { AssemblyAi } from "./assemblyai.ts";
import { Deepgram } from "./deepgram.ts";
import type { CloudSeat } from "./supervisor.ts";

/** The cloud providers that the settings give accounts for, in order of preference. */
export function cloudSeats({ order, deepgram, assemblyai }: SpeechSetup): CloudSeat[] {
  return order.flatMap((id): CloudSeat[] => {
    if (id === "deepgram" && deepgram !== undefined) {
      const { key, url, model = "nova-3", concurrency } = deepgram;
      const vendor = new Deepgram({
        credential: key === undefined ? { kind: "none" } : { kind: "apiKey", apiKey: key },
        model,
        ...(url !== undefined && { baseUrl: url }),
      });
      return [{ vendor, connections: concurrency, openBurst: concurrency, opensPerSecond: 20 }];
    }
    if (id === "assemblyai" && assemblyai?.key !== undefined) {
      const { key, url, concurrency } = assemblyai;
      const vendor = new AssemblyAi({
        credential: { kind: "apiKey", apiKey: key },
        ...(url !== undefined && { baseUrl: url }),
      });
      // A paid account begins with 100 new sessions a minute.
      return [{ vendor, connections: concurrency, openBurst: 50, opensPerSecond: 100 / 60 }];
    }
    return [];
  });
}
