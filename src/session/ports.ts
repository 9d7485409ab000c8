/**
 * What the domain may ask of the world. Sessions see these ports and never a socket, a worker or a database, so that
 * every rule can be tested with a fake clock and fakes of these.
 */
import type { AppRecord } from "../store/store.ts";
import type { SessionRequest, StopRequest, ToApp } from "../wire/apps.ts";
import type { Close } from "../wire/close-codes.ts";
import type { ToGlasses } from "../wire/glasses.ts";

/**
 * `sent`: handed to the kernel or queued within the socket's bound. `dropped`: the socket is closed or its queue is full;
 * the port has counted it.
 */
export type SendResult = "sent" | "dropped";

/** One glasses socket. Adds the `timestamp` field to what it sends. */
export interface GlassesPort {
  send(message: ToGlasses): SendResult;
  close(close: Close): void;
}

/** How a message fares when its reader is slow: interims make room first, then audio; control is never dropped silently. */
export type MessageClass = "control" | "event" | "interim";

/** One app socket. Adds the `timestamp` field to what it sends. */
export interface AppPort {
  send(message: ToApp, messageClass: MessageClass): SendResult;
  /** Sends raw audio as one binary frame. The bytes are copied before this returns. */
  sendAudio(pcm: Uint8Array): SendResult;
  close(close: Close): void;
}

/** What an app's server made of a webhook. */
export type WebhookOutcome =
  | { readonly kind: "accepted" }
  /** It answered, and said no: another try would get the same answer. `sdkError` marks the SDK's own 500. */
  | { readonly kind: "refused"; readonly status: number; readonly sdkError: boolean }
  /** Nobody answered, or only a proxy did: it may help to try again. */
  | { readonly kind: "unreachable"; readonly detail: string };

export interface Webhooks {
  /** Asks an app's server to connect. Never rejects; an aborted request is `unreachable`. */
  start(app: AppRecord, request: SessionRequest, signal: AbortSignal): Promise<WebhookOutcome>;
  /** Tells an app's server that its app was stopped. Bounded in time, and nobody waits for it. */
  stop(app: AppRecord, request: StopRequest): void;
  /** Whether the app's server answers its health probe. Never rejects. */
  probe(app: AppRecord, signal: AbortSignal): Promise<boolean>;
}
