import { EventLog } from "./event-log.ts";

interface ServiceReport {
  /** Attempts to connect, refused ones included. */
  readonly opened: number;
  /** The most connections at one time. */
  readonly mostOpen: number;
  readonly messages: number;
}

export interface ServicesReport {
  readonly deepgramUrl: string;
  readonly assemblyaiUrl: string;
  readonly deepgram: ServiceReport;
  readonly assemblyai: ServiceReport;
}

/** The simulated Deepgram and AssemblyAI in another process. */
export class SpeechServices {
  readonly #reports = new EventLog<ServicesReport>();
  readonly #child: Bun.Subprocess;

  private constructor(faultEvery: number) {
    this.#child = Bun.spawn(
      [process.execPath, new URL("./speech-services-process.ts", import.meta.url).pathname],
      {
        env: { ...process.env, FAULT_EVERY: String(faultEvery) },
        ipc: (report: ServicesReport) => this.#reports.add(report),
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
  }

  /** `faultEvery`: of so many connections one fails, in one of three ways. 0: none. */
  static async start(faultEvery: number): Promise<SpeechServices> {
    const services = new SpeechServices(faultEvery);
    await services.#reports.until(() => true);
    return services;
  }

  async report(): Promise<ServicesReport> {
    const before = this.#reports.events.length;
    this.#child.send("report");
    await this.#reports.until(() => this.#reports.events.length > before);
    const report = this.#reports.events.at(-1);
    if (report === undefined) throw new Error("no report");
    return report;
  }

  async stop(): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }
}
