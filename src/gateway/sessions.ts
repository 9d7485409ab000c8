/**
 * What the gateway asks of the domain. The session room's own classes fit these shapes; naming only what is used lets
 * the sockets be tested without a session behind them.
 */
import type { Fault } from "../kernel/faults.ts";
import type { AppUser } from "../session/app-rooms.ts";
import type { SessionApp } from "../session/manager.ts";
import type { AppPort, GlassesPort } from "../session/ports.ts";
import type { UserSession } from "../session/user-session.ts";
import type { AppRecord } from "../store/store.ts";
import type { AppMessage, StopReason, ToApp } from "../wire/apps.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import type { Close } from "../wire/close-codes.ts";
import type { GlassesMessage, SessionSnapshot } from "../wire/glasses.ts";

export interface Sessions {
  /** Never a disposed one. */
  getSession(userId: string): Session | undefined;
  /** One creation at a time per user. Rejects with a `Fault`: AT_CAPACITY or SHUTTING_DOWN. */
  getOrCreate(userId: string): Promise<Session>;
  /** The session that an app means by its session id. */
  findAppSession(sessionId: string, packageName: string): Session | undefined;
  readonly size: number;
}

/** Where a session takes in the frames of audio. A socket asks its session for it once, not fifty times a second. */
export interface AudioIntake {
  /** Synchronous and O(1); the bytes are copied before it returns. */
  receive(generation: number, frame: Uint8Array): void;
}

export interface Session {
  readonly userId: string;
  readonly disposed: boolean;
  readonly apps: SessionApps;
  /** Makes `port` the session's socket and acknowledges it. Returns the generation that its frames are to carry. */
  attachGlasses(port: GlassesPort): number;
  receiveGlasses(generation: number, message: GlassesMessage): void;
  /** A message of a type that is not known here. Returns whether anybody hears it. */
  receiveUnknown(generation: number, type: string, message: object): boolean;
  readonly audio: AudioIntake;
  glassesClosed(generation: number): void;
  /** From the next frame on; remembered for the user. */
  configureAudio(format: AudioFormat): void;
  snapshot(): SessionSnapshot;
}

/** All that HTTP asks of the sessions. */
export interface ApiSessions extends Sessions {
  getSession(userId: string): ApiSession | undefined;
  findAppSession(sessionId: string, packageName: string): ApiSession | undefined;
  all(): Iterable<ApiSession>;
  /** Everybody for whom an app runs or is expected back, longest first. */
  usersOf(packageName: string): readonly AppUser[];
  /** Whether an app's server is known to be down. */
  isServerDown(app: AppRecord): boolean;
}

/** A session as HTTP sees it: what the sockets need, and the managers that phones report to. */
export interface ApiSession
  extends Session,
    Pick<UserSession, "state" | "connected" | "hasInstalled" | "setInstalled" | "announce" | "end"> {
  readonly apps: ApiSessionApps;
  readonly settings: Pick<
    UserSession["settings"],
    "phone" | "valuesOf" | "settingsOf" | "changeApp" | "changePhone"
  >;
  readonly device: Pick<UserSession["device"], "applyReport" | "facts" | "state">;
  readonly location: Pick<UserSession["location"], "applyReport" | "answerPoll">;
  readonly calendar: Pick<UserSession["calendar"], "applyEvents">;
  readonly notifications: Pick<UserSession["notifications"], "receive" | "dismiss">;
  readonly dashboard: Pick<UserSession["dashboard"], "applyDatetime">;
  readonly transcription: { readonly history: Pick<UserSession["transcription"]["history"], "query"> };
}

export interface ApiSessionApps extends SessionApps {
  /** Whether there was something to stop. Its local effects are done when this returns. */
  stop(packageName: string, reason?: StopReason): boolean;
  /** What the apps have heard since the session began, for operators. */
  readonly history: Pick<UserSession["apps"]["history"], "all">;
  /** What every app is about, by package: what runs is RESURRECTING while the glasses are away. */
  readonly states: UserSession["apps"]["states"];
  /** The address that an app's socket comes from; undefined while it has none. */
  peerOf(packageName: string): string | undefined;
  /** An app that runs or is expected back. */
  app(packageName: string): SessionApp | undefined;
  all(): readonly SessionApp[];
}

export type AppStartResult =
  | { readonly success: true }
  | { readonly success: false; readonly error: { readonly stage: string; readonly message: string } };

export interface SessionApps {
  start(packageName: string): Promise<AppStartResult>;
  /** Whether there was something to stop. Its local effects are done when this returns. */
  stop(packageName: string): boolean;
  /** Checks key and state, and sends the ack through `port` if it lets the app in. `close`: another socket has won. */
  accept(
    packageName: string,
    apiKey: string,
    nonce: string | undefined,
    port: AppPort,
    lastSeq?: number,
  ): { readonly generation: number } | { readonly fault: Fault } | { readonly close: Close };
  receive(packageName: string, generation: number, message: AppMessage): void;
  /** A request of a known type that could not be read. Returns whether it was answered. */
  receiveBad(
    packageName: string,
    generation: number,
    type: string,
    request: object,
    problem: string,
  ): boolean;
  closed(packageName: string, generation: number): void;
  /** A message of the gateway's own to the app's socket, if that is still the current one. */
  tell(packageName: string, generation: number, message: ToApp): void;
  /** Everything that the app was sent up to this number has come. */
  confirmed(packageName: string, generation: number, seq: number): void;
}
