import { Type } from "@sinclair/typebox";
import { type MessageOf, messageParser, timestamp } from "./schema.ts";
import type { Permission } from "./streams.ts";

/**
 * Text messages from apps that this server acts on: message type -> fields. `packageName` and `sessionId` of a frame are
 * left out on purpose: after its init, an app is what its socket authenticated as.
 */
const schemas = {
  tpa_connection_init: Type.Object({
    sessionId: Type.String({ minLength: 1 }),
    packageName: Type.String({ minLength: 1 }),
    apiKey: Type.String(),
    timestamp,
  }),
  subscription_update: Type.Object({
    subscriptions: Type.Array(
      Type.Union([Type.String(), Type.Object({ stream: Type.String(), rate: Type.Optional(Type.String()) })]),
    ),
    timestamp,
  }),
  display_event: Type.Object({
    view: Type.Optional(Type.Union([Type.Literal("main"), Type.Literal("dashboard")])),
    /** Checked by `parseLayout`, which knows the sizes that are allowed. */
    layout: Type.Unknown(),
    durationMs: Type.Optional(Type.Number({ minimum: 0 })),
    forceDisplay: Type.Optional(Type.Boolean()),
    timestamp,
  }),
  ownership_release: Type.Object({ reason: Type.Optional(Type.String()), timestamp }),
} as const;

export type AppMessage = MessageOf<typeof schemas>;

/** Reads one text frame from an app socket. */
export const parseAppMessage = messageParser(schemas, { connection_init: "tpa_connection_init" });

/** One of an app's own settings, as its ack carries them. */
export interface AppSetting {
  readonly key: string;
  readonly type: string;
  readonly label?: string;
  readonly value?: unknown;
  readonly defaultValue?: unknown;
}

export type SystemSettings = Readonly<Record<string, unknown>>;

/** System settings of a user who has changed none. */
export const defaultSystemSettings: SystemSettings = {
  useOnboardMic: false,
  contextualDashboard: true,
  headUpAngle: 20,
  dashboardHeight: 4,
  dashboardDepth: 5,
  brightness: 50,
  autoBrightness: false,
  sensingEnabled: true,
  alwaysOnStatusBar: false,
  bypassVad: false,
  bypassAudioEncoding: false,
  metricSystemEnabled: false,
};

export interface DeniedStream {
  readonly stream: string;
  readonly requiredPermission: Permission;
  readonly message: string;
}

/** Text messages to apps. A type that the SDK does not know raises an error in the app, so this list is closed. */
export type ToApp =
  | {
      readonly type: "tpa_connection_ack";
      readonly sessionId: string;
      readonly settings: readonly AppSetting[];
      /** The SDK reads `mentraosSettings`; older lines read `augmentosSettings`. */
      readonly mentraosSettings: SystemSettings;
      readonly augmentosSettings: SystemSettings;
    }
  | { readonly type: "tpa_connection_error"; readonly code: string; readonly message: string }
  | {
      readonly type: "data_stream";
      readonly sessionId: string;
      /** Character for character the string the app subscribed with, or the SDK drops the event. */
      readonly streamType: string;
      readonly data: unknown;
    }
  | { readonly type: "permission_error"; readonly message: string; readonly details: readonly DeniedStream[] }
  | { readonly type: "app_stopped"; readonly reason: StopReason; readonly message?: string };

export type StopReason = "user_disabled" | "system_stop" | "error";

/** Body of the webhook that asks an app's server to connect. */
export interface SessionRequest {
  readonly type: "session_request";
  readonly sessionId: string;
  readonly userId: string;
  readonly timestamp: string;
  readonly mentraOSWebsocketUrl: string;
  /** The same address, for older lines of the SDK. */
  readonly augmentOSWebsocketUrl: string;
}

/** Body of the webhook that tells an app's server that the user stopped the app. */
export interface StopRequest {
  readonly type: "stop_request";
  readonly sessionId: string;
  readonly userId: string;
  readonly reason: StopReason;
  readonly timestamp: string;
}

/** One piece of recognised speech, as apps receive it in `data`. Times in milliseconds of the session's audio. */
export interface TranscriptionData {
  readonly type: "transcription";
  /** The whole utterance so far, not only what is new. */
  readonly text: string;
  readonly isFinal: boolean;
  /** One id from the first interim to the final. */
  readonly utteranceId: string;
  readonly transcribeLanguage: string;
  readonly detectedLanguage: string;
  readonly startTime: number;
  readonly endTime: number;
  readonly duration: number;
  readonly speakerId: string;
  /** 0 to 1. */
  readonly confidence?: number;
  readonly provider: string;
}
