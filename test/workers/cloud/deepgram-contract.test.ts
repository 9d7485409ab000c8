import { Deepgram, type DeepgramSettings } from "../../../workers/stt/cloud/deepgram.ts";
import { type DeepgramFaults, DeepgramSimulator } from "../../support/deepgram-simulator.ts";
import { DeepgramInWorker } from "../../support/vendor-in-worker.ts";
import { type VendorStage, type VendorTrouble, vendorContract } from "./vendor-contract.ts";

const faults: Record<VendorTrouble, DeepgramFaults> = {
  none: {},
  refused: {},
  neverOpens: { openMs: Number.POSITIVE_INFINITY },
  cut: { cutAfterBytes: 9_600 },
  leaves: { closeAfter: { bytes: 9_600, code: 1000 } },
  garbage: { sayAfter: { bytes: 1, text: "{garbage" } },
  silentClose: { silentClose: true },
};

function stage(trouble: VendorTrouble, model: string, place: "here" | "worker"): VendorStage {
  const service = new DeepgramSimulator({ apiKeys: ["akey"], faults: () => faults[trouble] });
  const settings: DeepgramSettings = {
    credential: { kind: "apiKey", apiKey: trouble === "refused" ? "wrong" : "akey" },
    baseUrl: service.url,
    model,
  };
  const vendor = place === "here" ? new Deepgram(settings) : new DeepgramInWorker(settings);
  return {
    vendor,
    close: async () => {
      if (vendor instanceof DeepgramInWorker) vendor.stop();
      await service.close();
    },
  };
}

vendorContract("Deepgram Nova", (trouble) => stage(trouble, "nova-3", "here"));
vendorContract("Deepgram Nova, in a worker", (trouble) => stage(trouble, "nova-3", "worker"));
vendorContract("Deepgram Flux", (trouble) => stage(trouble, "flux-general-en", "here"));
