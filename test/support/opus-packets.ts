import { loadOpusscriptModule } from "../../workers/codecs/opusscript.ts";

const voip = 2048;
const largestPacketBytes = 1275;

/** Encodes mono 16 kHz samples as Opus packets of `frameMs`; a rest that fills no packet is left out. */
export function opusPackets(pcm: Int16Array, frameMs = 20): Uint8Array[] {
  const module = loadOpusscriptModule();
  const handler = new module.OpusScriptHandler(16_000, 1, voip);
  const frameSamples = frameMs * 16;
  const pcmAddress = module._malloc(5760 * 4);
  const packetAddress = module._malloc(3 * largestPacketBytes);
  const packets: Uint8Array[] = [];
  for (let from = 0; from + frameSamples <= pcm.length; from += frameSamples) {
    const cells = module.HEAPU16;
    for (let i = 0; i < frameSamples; i++) {
      const sample = pcm[from + i] ?? 0;
      cells[(pcmAddress >> 1) + 2 * i] = sample & 0xff;
      cells[(pcmAddress >> 1) + 2 * i + 1] = (sample >> 8) & 0xff;
    }
    const bytes = handler._encode(pcmAddress, frameSamples * 2, packetAddress, frameSamples);
    if (bytes <= 0) throw new Error(`Opus cannot encode: ${bytes}`);
    packets.push(module.HEAPU8.slice(packetAddress, packetAddress + bytes));
  }
  return packets;
}

/** Samples with some voice-like structure: a few gliding tones under a slow envelope. */
export function hummedSamples(count: number, pitch: number): Int16Array {
  return Int16Array.from({ length: count }, (_, i) => {
    const t = i / 16_000;
    const envelope = 0.6 + 0.4 * Math.sin(2 * Math.PI * 3 * t);
    const tone = (hz: number) => Math.sin(2 * Math.PI * (hz + 20 * Math.sin(t)) * t);
    return 6_000 * envelope * (tone(pitch) + 0.5 * tone(2.1 * pitch) + 0.3 * tone(5.3 * pitch));
  });
}
