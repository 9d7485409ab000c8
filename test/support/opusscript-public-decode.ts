/** Runs the scenario through the package's own `decode()`, as a process of its own: it may take the process with it. */
import { createRequire } from "node:module";
import { opusReferenceStreams } from "./opus-reference.ts";
import { runOpusScenario } from "./opus-scenario.ts";
import { seededRandom } from "./seeded-random.ts";

interface PublicDecoder {
  decode(packet: Uint8Array): Uint8Array;
  delete(): void;
}
const OpusScript: new (rate: number, channels: number) => PublicDecoder = createRequire(import.meta.url)(
  "opusscript",
);

const result = runOpusScenario({
  random: seededRandom("the package's own decode()"),
  streams: opusReferenceStreams(6, 40),
  steps: 8_000,
  open: () => {
    const decoder = new OpusScript(16_000, 1);
    return {
      decode: (packet) => {
        const bytes = decoder.decode(packet);
        return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
      },
      close: () => decoder.delete(),
    };
  },
});
process.stdout.write(`\nresult ${JSON.stringify(result)}\n`);
