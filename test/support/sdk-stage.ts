import type { Config } from "../../src/kernel/config.ts";
import type { Limits } from "../../src/kernel/limits.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import type { AppRecord } from "../../src/store/store.ts";
import type { ToGlasses } from "../../src/wire/glasses.ts";
import { AppRelay } from "./app-relay.ts";
import { EventLog } from "./event-log.ts";
import type { SdkApp, SdkAppOptions, SdkReport } from "./sdk-app.ts";
import { Stage } from "./stage.ts";
import { until } from "./until.ts";

/** A user with glasses, for whom one app runs. */
export interface SdkUser {
  readonly email: string;
  readonly sessionId: string;
  readonly glasses: SimulatedGlasses;
  /** Everything the glasses were sent. */
  readonly messages: EventLog<ToGlasses>;
  readonly session: UserSession;
  /** What the app's process has reported of this user's session, oldest first. */
  reports<Kind extends SdkReport["kind"]>(kind: Kind): Extract<SdkReport, { kind: Kind }>[];
  /** Data with which the handler of a stream or method was called. */
  heard(name: string): unknown[];
}

/** A server, apps on the real SDK, and a relay between them that sees every frame and can break every connection. */
export class SdkStage {
  readonly relay: AppRelay;
  readonly stage: Stage;
  #users = 0;

  private constructor(stage: Stage, relay: AppRelay) {
    this.stage = stage;
    this.relay = relay;
  }

  static async open(over: Partial<Config> = {}, limits: Partial<Limits> = {}): Promise<SdkStage> {
    const relay = new AppRelay();
    const stage = await Stage.open({ recogniser: "off", publicUrl: relay.url, ...over }, limits);
    relay.to(`http://127.0.0.1:${stage.server.port}`);
    return new SdkStage(stage, relay);
  }

  /** The server's own address, past the relay. */
  get url(): string {
    return `http://127.0.0.1:${this.stage.server.port}`;
  }

  /** Starts an app's process and registers it behind the relay: in the background, with every permission. */
  async app(options: Omit<SdkAppOptions, "apiKey">, record: Partial<AppRecord> = {}): Promise<SdkApp> {
    const app = await this.stage.sdkApp(options, { type: "background", ...record });
    await this.register(options.packageName, { publicUrl: this.relay.app(options.packageName, app.url) });
    return app;
  }

  /** Changes an app's record. */
  async register(packageName: string, over: Partial<AppRecord>): Promise<void> {
    const record = this.stage.server.store.apps.get(packageName);
    if (record === undefined) throw new Error(`${packageName} is not registered`);
    await this.stage.server.store.saveApp({ ...record, ...over });
  }

  /** A new user, whose id is full of hyphens, puts glasses on. */
  async glasses(email = `ann-marie.user-${++this.#users}@ex-ample.com`) {
    const messages = new EventLog<ToGlasses>();
    const events = { onMessage: (message: { type: string }) => messages.add(message as ToGlasses) };
    const glasses = await this.stage.glasses({ url: this.url, background: "none", events }, email);
    const session = this.stage.server.sessions.getSession(email);
    if (session === undefined) throw new Error(`${email} has no session`);
    return { email, glasses, messages, session };
  }

  /** A new user starts the app. Resolves when the app's handlers are there and the server knows of them. */
  async join(app: SdkApp, packageName: string, email?: string): Promise<SdkUser> {
    const user = await this.glasses(email);
    const sessionId = `${user.email}-${packageName}`;
    user.glasses.startApp(packageName);
    await app.reports.until((report) => report.kind === "ready" && report.sessionId === sessionId, 15_000);
    await this.inSync(app, { ...user, sessionId });
    const of = (report: SdkReport) => "sessionId" in report && report.sessionId === sessionId;
    const mine = () => app.reports.events.filter(of);
    return {
      ...user,
      sessionId,
      reports: <Kind extends SdkReport["kind"]>(kind: Kind) =>
        mine().filter((report): report is Extract<SdkReport, { kind: Kind }> => report.kind === kind),
      heard: (name) =>
        mine().flatMap((report) =>
          report.kind === "event" && (report.argument === name || report.method === name)
            ? [report.data]
            : [],
        ),
    };
  }

  /** Resolves when the server knows of every handler that the app has registered for a user. */
  async inSync(app: SdkApp, { sessionId, session }: Pick<SdkUser, "sessionId" | "session">): Promise<void> {
    const wanted = await app.call<string[]>(sessionId, "events.getRegisteredStreams");
    const packageName = sessionId.slice(session.userId.length + 1);
    await until("the server to know what the app listens to", () => {
      const known = session.apps.subscriptions.literalsOf(packageName);
      return wanted.every((literal) => known.includes(literal));
    });
  }

  async close(): Promise<void> {
    await this.stage.close();
    await this.relay.stop();
  }
}
