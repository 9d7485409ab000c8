import type { SpeechSetup } from "../../../src/audio/commands.ts";
import type { SpeechAccount } from "../../../src/kernel/config.ts";
import { AssemblyAi } from "./assemblyai.ts";
import type { AssemblyAiCredential } from "./assemblyai-connection.ts";
import { Deepgram, type DeepgramCredential } from "./deepgram.ts";
import type { CloudSeat } from "./supervisor.ts";
import { fetchToken } from "./token-service.ts";
import type { CloudVendor } from "./vendor.ts";

/** The cloud providers that the settings give accounts for, in order of preference. */
export function cloudSeats({ order, deepgram, assemblyai }: SpeechSetup): CloudSeat[] {
  return order.flatMap((id): CloudSeat[] => {
    if (id === "deepgram" && deepgram !== undefined) {
      const { url, model = "nova-3" } = deepgram;
      const baseUrl = url === undefined ? {} : { baseUrl: url };
      return [seat(new Deepgram({ credential: deepgramCredential(deepgram), model, ...baseUrl }), deepgram)];
    }
    if (id === "assemblyai" && assemblyai !== undefined) {
      const { url } = assemblyai;
      const credential = assemblyAiCredential(assemblyai);
      return [
        seat(new AssemblyAi({ credential, ...(url === undefined ? {} : { baseUrl: url }) }), assemblyai),
      ];
    }
    return [];
  });
}

/** Services count by the minute: half of the opens may come at once, the rest as the minute goes on. */
function seat(vendor: CloudVendor, { concurrency, opensPerMinute }: SpeechAccount): CloudSeat {
  const openBurst = Math.max(1, Math.floor(opensPerMinute / 2));
  return { vendor, connections: concurrency, openBurst, opensPerSecond: opensPerMinute / 2 / 60 };
}

function deepgramCredential({ key, tokenUrl }: SpeechAccount): DeepgramCredential {
  if (tokenUrl !== undefined) return { kind: "accessToken", accessToken: () => fetchToken(tokenUrl) };
  return key === undefined ? { kind: "none" } : { kind: "apiKey", apiKey: key };
}

function assemblyAiCredential({ key = "", tokenUrl }: SpeechAccount): AssemblyAiCredential {
  return tokenUrl === undefined
    ? { kind: "apiKey", apiKey: key }
    : { kind: "token", token: () => fetchToken(tokenUrl) };
}
