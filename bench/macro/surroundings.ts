import type { AppHostCommands } from "./app-host.ts";
import { BenchProcess } from "./control.ts";
import type { GeneratorCommands } from "./generator.ts";
import type { SpeechServiceCommands } from "./speech-service.ts";

/**
 * The processes around the server under test, which all trials share. The generator has the processor before the others do:
 * glasses do not wait for their server, and one that is late makes the trial void.
 */
export class Surroundings {
  readonly generator = new BenchProcess<GeneratorCommands>(
    new URL("./generator.ts", import.meta.url),
    "first",
  );
  readonly appHost = new BenchProcess<AppHostCommands>(new URL("./app-host.ts", import.meta.url));
  readonly speech = new BenchProcess<SpeechServiceCommands>(new URL("./speech-service.ts", import.meta.url));

  async close(): Promise<void> {
    await Promise.all([this.generator.close(), this.appHost.close(), this.speech.close()]);
  }
}
