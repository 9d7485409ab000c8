import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AppRecord } from "../store/store.ts";
import type { AppMessage, ToApp } from "../wire/apps.ts";
import type { GlassesMessage, ToGlasses } from "../wire/glasses.ts";
import type { Permission } from "../wire/streams.ts";
import type { DeliveryClass } from "./outbox.ts";
import type { SendResult } from "./ports.ts";

/** An app of the session as a manager sees it: what its socket authenticated as, and nothing that it merely claims. */
export interface SessionApp {
  readonly packageName: string;
  /** The id under which the app knows this session. */
  readonly sessionId: string;
  readonly record: AppRecord;
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

/** What a session offers its managers. */
export interface SessionContext {
  readonly userId: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  /** Whether a glasses socket is attached. */
  readonly glassesConnected: () => boolean;
  /** Sends to the current glasses socket; `dropped` while there is none. */
  readonly sendToGlasses: (message: ToGlasses) => SendResult;
  readonly publish: Publish;
  /** An app that runs or is expected back. */
  readonly app: (packageName: string) => SessionApp | undefined;
  readonly apps: () => readonly SessionApp[];
  /** Whether some app hears the stream `key`. */
  readonly isHeard: (key: string) => boolean;
}

/**
 * One specialised department of a session. A manager keeps its own state, sees the context and nothing else, and is told
 * what happens; what it does not care about it leaves out. No call may throw on a client's input or wait for anybody.
 */
export interface Manager {
  /** A request of a running app. Returns whether it was this manager's to handle. */
  onAppMessage?(app: SessionApp, message: AppMessage): boolean;
  onGlassesMessage?(message: GlassesMessage): void;
  /** An app's socket has just been acknowledged. */
  onAppConnected?(app: SessionApp): void;
  /** An app hears streams that it did not hear before on this connection. */
  onAppHears?(app: SessionApp, keys: readonly string[]): void;
  /** What the apps together hear has changed. */
  onSubscriptionsChanged?(): void;
  /** An app has stopped, handed over or been given up: nothing of it may go on. */
  onAppGone?(packageName: string): void;
  /** A glasses socket has been acknowledged. `returning`: not the session's first. */
  onGlassesConnected?(returning: boolean): void;
  onGlassesGone?(): void;
  dispose?(): void;
}
