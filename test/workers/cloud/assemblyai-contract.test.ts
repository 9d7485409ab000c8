import { AssemblyAi } from "../../../workers/stt/cloud/assemblyai.ts";
import { type AssemblyAiFaults, AssemblyAiSimulator } from "../../support/assemblyai-simulator.ts";
import { describeTrusting } from "../../support/trusting-process.ts";
import { type VendorStage, type VendorTrouble, vendorContract } from "./vendor-contract.ts";

const faults: Record<VendorTrouble, AssemblyAiFaults> = {
  none: {},
  refused: {},
  neverOpens: { beginMs: Number.POSITIVE_INFINITY },
  cut: { cutAfterBytes: 9_600 },
  leaves: { closeAfter: { bytes: 9_600, code: 1000 } },
  garbage: { sayAfter: { bytes: 1, text: "{garbage" } },
  silentClose: { silentTerminate: true },
};

function stage(trouble: VendorTrouble, formatTurns: boolean): VendorStage {
  const service = new AssemblyAiSimulator({ apiKeys: ["akey"], faults: () => faults[trouble] });
  const vendor = new AssemblyAi({
    credential: { kind: "apiKey", apiKey: trouble === "refused" ? "wrong" : "akey" },
    baseUrl: service.url,
    formatTurns,
  });
  return { vendor, close: () => service.close() };
}

describeTrusting(import.meta.path, "AssemblyAI as any vendor", () => {
  vendorContract("AssemblyAI", (trouble) => stage(trouble, true));
  vendorContract("AssemblyAI, unformatted", (trouble) => stage(trouble, false));
});
