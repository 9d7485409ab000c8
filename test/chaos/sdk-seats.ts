import { type SdkApp, startSdkApp } from "../support/sdk-app.ts";
import type { AppSeat } from "./app-seat.ts";

/** The seats of users whose app is the real SDK, in a process of its own. */
export class SdkSeats {
  readonly #app: SdkApp;
  readonly #seats = new Map<string, AppSeat>();
  #read = 0;

  private constructor(app: SdkApp) {
    this.#app = app;
  }

  /** @param register given the app's address, returns its key. */
  static async start(packageName: string, apiKey: string, port: number): Promise<SdkSeats> {
    const app = await startSdkApp({
      runtime: "bun",
      packageName,
      apiKey,
      port,
      listen: [["events.onButtonPress"], ["events.onConnected"]],
    });
    return new SdkSeats(app);
  }

  seat(seat: AppSeat): void {
    this.#seats.set(seat.sessionId, seat);
  }

  /** Takes in what the app's process has reported. To be called often. */
  read(): void {
    const { events } = this.#app.reports;
    for (; this.#read < events.length; this.#read++) {
      const report = events[this.#read];
      if (report === undefined || !("sessionId" in report)) continue;
      const seat = this.#seats.get(report.sessionId);
      if (seat === undefined) continue;
      if (report.kind !== "event" || report.method !== "events.onButtonPress") {
        const method = report.kind === "event" ? report.method : "";
        seat.journal.note(`${seat.packageName} (SDK): ${report.kind} ${method}`);
      }
      switch (report.kind) {
        case "session":
          seat.back(0);
          break;
        case "disconnected":
        case "stopped":
          seat.away();
          break;
        case "event":
          if (report.method === "events.onButtonPress") seat.pressed(report.data);
          else seat.back(0);
          break;
        default:
          break;
      }
    }
    // What has been read is not needed again, and a long run has much of it.
    if (this.#read > 1_000) {
      events.splice(0, this.#read);
      this.#read = 0;
    }
  }

  async close(): Promise<void> {
    await this.#app.kill();
  }
}
