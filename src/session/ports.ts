/**
 * What the domain may ask of the world. Sessions see these ports and never a socket, a worker or a database, so that
 * every rule can be tested with a fake clock and fakes of these.
 */
import type { AppRecord } from "../store/store.ts";
import type { SessionRequest, StopRequest } from "../wire/apps.ts";
import type { Close } from "../wire/close-codes.ts";
import type { ToGlasses } from "../wire/glasses.ts";
import type { PhotoFailure } from "../wire/photo-response.ts";
import type { NumberedMessage } from "./numbered-message.ts";

/**
 * `sent`: handed to the kernel or queued within the socket's bound. `dropped`: the socket is closed or its queue is full;
 * the port has counted it.
 */
export type SendResult = "sent" | "dropped";

/** One glasses socket. Adds the `timestamp` field to what it sends. */
export interface GlassesPort {
  send(message: ToGlasses): SendResult;
  /**
   * Asks for a sign of life. `onSilent` is called if not a byte comes within `probeAnswerMs`, but only on a socket whose
   * peer is known to answer, and never once the socket has closed.
   */
  probe(onSilent: () => void): void;
  close(close: Close): void;
}

/** How a message fares when its reader is slow: interims make room first, then audio; control is never dropped silently. */
export type MessageClass = "control" | "event" | "interim";

/** One app socket. */
export interface AppPort {
  /** The address that it comes from, without a port; that of a proxy, where one stands before the server. */
  readonly peer: string;
  /** What waits to be sent because the app reads slowly. */
  readonly queuedBytes: number;
  /**
   * @param slot of an interim: what it replaces while it waits for a slow reader; of any other: such an interim that it has
   * made pointless.
   */
  send(numbered: NumberedMessage, messageClass: MessageClass, slot?: string): SendResult;
  /**
   * Asks the app to confirm everything up to this number: by a ping that carries it, behind all that was sent before. The
   * app's pong comes back to its session as `confirmed`. Repeated with every heartbeat.
   */
  askReceipt(seq: number): void;
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

/** A picture as it was uploaded: its bytes in the pieces in which they came. */
export interface Picture {
  readonly pieces: readonly Uint8Array[];
  /** As its bytes tell, not as its sender claims. */
  readonly mimeType: string;
}

/** What is heard of a requested picture. */
export type PhotoNews =
  | { readonly kind: "picture"; readonly picture: Picture }
  | { readonly kind: "failure"; readonly failure: PhotoFailure }
  /** The glasses say that they have uploaded it. */
  | { readonly kind: "uploaded" };

/** Where the glasses are to upload a picture: to its app, to this server for its app, or nowhere. */
export type PhotoRoute =
  | { readonly kind: "direct"; readonly url: string }
  | { readonly kind: "relay" }
  | { readonly kind: "none"; readonly problem: string };

/** What an app's server made of a picture or of the word that there is none. */
export type PhotoOutcome =
  | "delivered"
  /** It waits for no such picture: it has it, has given up, or is another process by now. */
  | "unwanted"
  | "refused"
  | "unreachable";

/** A picture that the world has been told to expect. */
export interface ExpectedPhoto {
  /** An address of this server that takes this picture, once. */
  readonly uploadUrl: string;
  /** What comes now comes too late. Safe to call twice. */
  close(): void;
}

export interface PhotoDelivery {
  /** @param customUrl an address that the app wants its picture at, in place of its own server's. */
  route(app: AppRecord, customUrl: string | undefined): PhotoRoute;
  /**
   * Takes uploads of a picture and reports on it until it is closed. `onNews` is never called before this returns.
   * @param untilMs from then on uploads are turned away.
   * @param formerUrl the upload address that a former process of this server gave out for it, which stays good.
   */
  expect(
    userId: string,
    requestId: string,
    untilMs: number,
    onNews: (news: PhotoNews) => void,
    formerUrl?: string,
  ): ExpectedPhoto;
  /** Hands a picture to its app's server, in more than one try where that can help. Never rejects. */
  deliver(
    app: AppRecord,
    requestId: string,
    picture: Picture,
    authToken: string | undefined,
  ): Promise<PhotoOutcome>;
  /** Tells an app's server that a picture will not come. Never rejects. */
  fail(app: AppRecord, requestId: string, failure: PhotoFailure): Promise<PhotoOutcome>;
}
