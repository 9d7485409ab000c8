import type { Clock } from "../kernel/clock.ts";
import type { Containment } from "../kernel/containment.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AppRecord } from "../store/store.ts";
import type { AppMessage, ToApp, TranscriptionData } from "../wire/apps.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import type { GlassesMessage, ToGlasses } from "../wire/glasses.ts";
import type { Layout } from "../wire/layouts.ts";
import type { Permission, Stream } from "../wire/streams.ts";
import type { DeliveryClass } from "./outbox.ts";
import type { SendResult } from "./ports.ts";

/** An app of the session as a manager sees it: what its socket authenticated as, and nothing that it merely claims. */
export interface SessionApp {
  readonly packageName: string;
  /** The id under which the app knows this session. */
  readonly sessionId: string;
  readonly record: AppRecord;
  /** Counts the processes that have answered for the app: a socket that follows a later webhook is a new one's. */
  readonly process: number;
  may(permission: Permission): boolean;
  /** Sends to the app's socket now; lost if it has none. For what is pointless later. */
  send(message: ToApp): void;
  /** Sends, or keeps it while the app is away. `slot` names what a newest-wins message replaces. */
  deliver(message: ToApp, deliveryClass: DeliveryClass, slot: string): void;
}

/** An event for every app that hears the stream `key`, under the app's own string for it. */
export type Publish = (
  key: string,
  data: unknown,
  deliveryClass: DeliveryClass,
  /** What a newest-wins event replaces while the app is away. */
  slot: string,
  /** A slot that this event makes pointless, as a final does its interims. */
  supersedes?: string,
) => void;

/** What is known of the glasses behind the phone. */
export interface GlassesFacts {
  /** False only while the phone has reported its glasses gone: glasses it says nothing of count as there. */
  readonly connected: boolean;
  /** The model worn last; undefined while none has been reported. */
  readonly modelName: string | undefined;
  /** What that model has; undefined while none has been reported. */
  readonly capabilities: Capabilities | undefined;
}

/** What a session offers its managers. */
export interface SessionContext {
  readonly userId: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** For what nobody waits for, and for what is called by somebody whom other sessions need. */
  readonly containment: Containment;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  /** Whether a glasses socket is attached. */
  readonly glassesConnected: () => boolean;
  /** Sends to the current glasses socket; `dropped` while there is none. */
  readonly sendToGlasses: (message: ToGlasses) => SendResult;
  /**
   * Asks the glasses' socket for a sign of life, which a phone that is there gives at once. `onSilent` is called if there is
   * none within `probeAnswerMs`, and never where silence would prove nothing.
   */
  readonly probeGlasses: (onSilent: () => void) => void;
  /** The glasses themselves, as the phone reports them. */
  readonly glasses: () => GlassesFacts;
  readonly publish: Publish;
  /** The same for one app only, such as what was last known when it begins to hear a stream. */
  readonly publishTo: (packageName: string, ...event: Parameters<Publish>) => void;
  /** An app that runs or is expected back. */
  readonly app: (packageName: string) => SessionApp | undefined;
  readonly apps: () => readonly SessionApp[];
  /** Whether some app hears the stream `key`. */
  readonly isHeard: (key: string) => boolean;
  /** What an app is subscribed to. */
  readonly streamsOf: (packageName: string) => readonly Stream[];
  /** What all subscribers are subscribed to, the phone included. */
  readonly allStreams: () => readonly Stream[];
  /** What the dashboard shows where no app draws on it; undefined: nothing. */
  readonly showDashboard: (layout: Layout | undefined) => void;
  /** The same for the main view. */
  readonly showStatus: (layout: Layout | undefined) => void;
  /** Something has changed that a manager's `keep` gives. */
  readonly changed: () => void;
}

/**
 * One specialised department of a session. A manager keeps its own state, sees the context and nothing else, and is told
 * what happens; what it does not care about it leaves out. No call may throw on a client's input or wait for anybody.
 */
export interface Manager {
  /** A request of a running app. Returns whether it was this manager's to handle. */
  onAppMessage?(app: SessionApp, message: AppMessage): boolean;
  /**
   * A request of a known type that could not be read. Returns whether it was answered; otherwise it is on the app's own
   * socket.
   */
  onBadRequest?(app: SessionApp, type: string, request: object, problem: string): boolean;
  onGlassesMessage?(message: GlassesMessage): void;
  /** An app's socket has just been acknowledged. */
  onAppConnected?(app: SessionApp): void;
  /** An app hears streams that it did not hear before on this connection. */
  onAppHears?(app: SessionApp, keys: readonly string[]): void;
  /** What the apps together hear has changed. */
  onSubscriptionsChanged?(): void;
  /** Something was recognised, an interim or a final. Apps that hear the transcription have been told. */
  onSaid?(said: TranscriptionData): void;
  /** An app has stopped, handed over or been given up: nothing of it may go on. */
  onAppGone?(packageName: string): void;
  /** An app has not come back in its time while the user was away: it sleeps until the glasses return. */
  onAppAsleep?(packageName: string): void;
  /** A glasses socket has been acknowledged. `returning`: not the session's first. */
  onGlassesConnected?(returning: boolean): void;
  onGlassesGone?(): void;
  /** What of this department the next process needs, should this one end without warning. As JSON holds it. */
  keep?(): object | undefined;
  /** Goes on with what `keep` of a former process gave. Called once, before anything else; the apps are there by then. */
  resume?(kept: object): void;
  dispose?(): void;
}
