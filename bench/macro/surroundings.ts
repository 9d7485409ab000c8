import type { AppHostCommands } from "./app-host.ts";
import { BenchProcess } from "./control.ts";
import type { GeneratorCommands } from "./generator.ts";
import type { SpeechServiceCommands } from "./speech-service.ts";

/**
 * The processes around the server under test, which all trials share. They stand for other machines, so they have the
 * processor before the server does: what they lack would be taken for the server's slowness, or make them late and the
 * trial void. What they take, the server lacks.
 */
export class Surroundings {
  readonly generator = new BenchProcess<GeneratorCommands>(
    new URL("./generator.ts", import.meta.url),
    "first",
  );
  readonly appHost = new BenchProcess<AppHostCommands>(new URL("./app-host.ts", import.meta.url));
  readonly speech = new BenchProcess<SpeechServiceCommands>(
    new URL("./speech-service.ts", import.meta.url),
    "first",
  );

  async close(): Promise<void> {
    await Promise.all([this.generator.close(), this.appHost.close(), this.speech.close()]);
  }
}
