/** Both simulated services in a process of their own, so that what they take is not taken for the server's. */
import { AssemblyAiSimulator } from "./assemblyai-simulator.ts";
import { DeepgramSimulator } from "./deepgram-simulator.ts";
import type { ServicesReport } from "./speech-services.ts";

/** Every so many connections one is cut, closed by the service, or falls silent; 0: none. */
const faultEvery = Number(process.env["FAULT_EVERY"] ?? 0);

/** After 1 to 3 s of audio. */
function fault(number: number) {
  if (faultEvery === 0 || number % faultEvery !== faultEvery - 1) return {};
  const bytes = 32_000 + ((number * 37_000) % 64_000);
  switch (Math.floor(number / faultEvery) % 3) {
    case 0:
      return { cutAfterBytes: bytes };
    case 1:
      return { closeAfter: { bytes, code: 1011, reason: "simulated" } };
    default:
      return { silentAfterBytes: bytes };
  }
}

const deepgram = new DeepgramSimulator({ apiKeys: ["a-key"], faults: fault });
// Catching up is allowed at 1.2 times real time, and no faster.
const assemblyai = new AssemblyAiSimulator({ apiKeys: ["b-key"], maxSpeed: 1.25, faults: fault });

function report(): ServicesReport {
  const of = ({ visits, mostOpen }: DeepgramSimulator | AssemblyAiSimulator) => ({
    opened: visits.length,
    mostOpen,
    messages: visits.reduce((sum, { frames }) => sum + frames.length, 0),
  });
  return {
    deepgramUrl: deepgram.url,
    assemblyaiUrl: assemblyai.url,
    deepgram: of(deepgram),
    assemblyai: of(assemblyai),
  };
}

process.on("message", () => process.send?.(report()));
process.on("disconnect", () => process.exit(0));
process.send?.(report());
