import { sha256Hex } from "../../src/kernel/identity.ts";
import type { AppRecord } from "../../src/store/store.ts";
import type { ToApp } from "../../src/wire/apps.ts";
import { type SdkApp, type SdkReport, type SdkRuntime, startSdkApp } from "./sdk-app.ts";
import { WireApp } from "./wire-app.ts";

/** The unmodified SDK on each of its runtimes, and a client of our own that keeps count. */
export type Listener = SdkRuntime | "counting";

export const listeners: readonly Listener[] = ["bun", "node", "counting"];
export const sdkRuntimes: readonly SdkRuntime[] = ["bun", "node"];

const apiKey = "key-of-the-listeners";
/** Soon enough for a loss to be about an app's absence, and not so soon that it is not noticed. */
const redialMs = 150;

export function packageOf(listener: Listener): string {
  return `com.example.${listener}`;
}

/** The same of each listener. */
export function ofEach<Value>(tell: (listener: Listener) => Value): Record<Listener, Value> {
  return { bun: tell("bun"), node: tell("node"), counting: tell("counting") };
}

/** Apps that hear the same, for any number of users and servers. */
export class ContinuityApps {
  readonly counting = new WireApp(
    packageOf("counting"),
    apiKey,
    ["button_press", "transcription:en-US"],
    redialMs,
  );
  readonly #sdk: ReadonlyMap<SdkRuntime, SdkApp>;

  private constructor(sdk: ReadonlyMap<SdkRuntime, SdkApp>) {
    this.#sdk = sdk;
  }

  static async start(): Promise<ContinuityApps> {
    const listen = [["events.onButtonPress"], ["events.onTranscription"]] as const;
    const apps = await Promise.all(
      sdkRuntimes.map((runtime) => startSdkApp({ runtime, packageName: packageOf(runtime), apiKey, listen })),
    );
    return new ContinuityApps(new Map(sdkRuntimes.map((runtime, i) => [runtime, apps[i] as SdkApp])));
  }

  sdk(runtime: SdkRuntime): SdkApp {
    const app = this.#sdk.get(runtime);
    if (app === undefined) throw new Error(`no app on ${runtime}`);
    return app;
  }

  /** As they are registered. */
  get records(): AppRecord[] {
    return listeners.map((listener) => ({
      packageName: packageOf(listener),
      name: listener,
      publicUrl: listener === "counting" ? this.counting.url : this.sdk(listener).url,
      // What an app in the background shows gives way after a while.
      type: listener === "bun" ? "standard" : "background",
      apiKeyHash: sha256Hex(apiKey),
      permissions: ["ALL"],
    }));
  }

  /** What the app on a runtime has reported of a user, oldest first. */
  reports(runtime: SdkRuntime, email: string): SdkReport[] {
    const sessionId = `${email}-${packageOf(runtime)}`;
    return this.sdk(runtime).reports.events.filter(
      (report) => "sessionId" in report && report.sessionId === sessionId,
    );
  }

  /** What the counting app was sent for a user, over all its sockets. */
  messages(email: string): ToApp[] {
    return this.counting.sessions.events
      .filter(({ userId }) => userId === email)
      .flatMap(({ messages }) => messages.events);
  }

  /** Data with which a listener's handler of a stream was called for a user, in order. */
  heard(listener: Listener, stream: "button_press" | "transcription", email: string): unknown[] {
    if (listener === "counting") {
      return this.messages(email).flatMap((message) =>
        message.type === "data_stream" && message.streamType.split(":")[0] === stream ? [message.data] : [],
      );
    }
    const method = stream === "button_press" ? "events.onButtonPress" : "events.onTranscription";
    return this.reports(listener, email).flatMap((report) =>
      report.kind === "event" && report.method === method ? [report.data] : [],
    );
  }

  /** The counters of the presses that a listener's handler was called with for a user, in order. */
  presses(listener: Listener, email: string): number[] {
    return this.heard(listener, "button_press", email).map((data) =>
      Number((data as { buttonId: string }).buttonId),
    );
  }

  async stop(): Promise<void> {
    await Promise.all([this.counting.close(), ...[...this.#sdk.values()].map((app) => app.stop())]);
  }
}
