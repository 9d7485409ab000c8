import { Type } from "@sinclair/typebox";
import type { Capabilities } from "./capabilities.ts";
import type { DeniedStream, Hop, RefusalCode } from "./refusals.ts";
import { type MessageOf, messageParser, timestamp } from "./schema.ts";

/** Ids that apps make up. Bounded, since they are kept as keys. */
const requestId = Type.String({ minLength: 1, maxLength: 256 });

/**
 * Text messages from apps that this server acts on: message type -> fields. `packageName` and `sessionId` of a frame are
 * left out on purpose: after its init, an app is what its socket authenticated as.
 */
const schemas = {
  tpa_connection_init: Type.Object({
    sessionId: Type.String({ minLength: 1 }),
    packageName: Type.String({ minLength: 1 }),
    apiKey: Type.String(),
    /**
     * An addition of ours: the number up to which the app has got everything, 0 at first. It is `resume.seq` of the latest
     * acknowledgement, or the `seq` of the latest message after that. Who sends it gets exactly what comes after, at once.
     * The SDK does not.
     */
    lastSeq: Type.Optional(Type.Integer({ minimum: 0 })),
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
  dashboard_content_update: Type.Object({
    /** A text, or a layout of which the text is taken; checked by the dashboard. */
    content: Type.Unknown(),
    modes: Type.Array(Type.String()),
    timestamp,
  }),
  dashboard_system_update: Type.Object({
    section: Type.Union([
      Type.Literal("topLeft"),
      Type.Literal("topRight"),
      Type.Literal("bottomLeft"),
      Type.Literal("bottomRight"),
    ]),
    content: Type.String(),
    timestamp,
  }),
  dashboard_mode_change: Type.Object({
    mode: Type.Union([Type.Literal("none"), Type.Literal("main"), Type.Literal("expanded")]),
    timestamp,
  }),
  photo_request: Type.Object({
    requestId,
    saveToGallery: Type.Optional(Type.Boolean()),
    customWebhookUrl: Type.Optional(Type.String()),
    authToken: Type.Optional(Type.String()),
    /** Vocabularies differ by generation of phone, so these are passed on as they are. */
    size: Type.Optional(Type.String()),
    compress: Type.Optional(Type.String()),
    sound: Type.Optional(Type.Boolean()),
    timestamp,
  }),
  audio_play_request: Type.Object({
    requestId,
    audioUrl: Type.String({ minLength: 1 }),
    volume: Type.Optional(Type.Number()),
    stopOtherAudio: Type.Optional(Type.Boolean()),
    trackId: Type.Optional(Type.Number()),
    timestamp,
  }),
  /** Without a track: all of the app's. */
  audio_stop_request: Type.Object({ trackId: Type.Optional(Type.Number()), timestamp }),
  rgb_led_control: Type.Object({
    requestId,
    action: Type.Union([Type.Literal("on"), Type.Literal("off")]),
    color: Type.Optional(Type.String()),
    ontime: Type.Optional(Type.Number({ minimum: 0 })),
    offtime: Type.Optional(Type.Number({ minimum: 0 })),
    count: Type.Optional(Type.Number({ minimum: 0 })),
    timestamp,
  }),
  location_poll_request: Type.Object({
    correlationId: requestId,
    accuracy: Type.Optional(Type.String()),
    timestamp,
  }),
  request_wifi_setup: Type.Object({ reason: Type.Optional(Type.String()), timestamp }),
  rtmp_stream_request: Type.Object({ rtmpUrl: Type.Optional(Type.String()), timestamp }),
  rtmp_stream_stop: Type.Object({ streamId: Type.Optional(Type.String()), timestamp }),
  managed_stream_request: Type.Object({ timestamp }),
  managed_stream_stop: Type.Object({ timestamp }),
  stream_status_check: Type.Object({ timestamp }),
  app_broadcast_message: Type.Object({
    payload: Type.Unknown(),
    messageId: requestId,
    /** To the others in this room only. The SDK leaves it out. */
    roomId: Type.Optional(requestId),
    timestamp,
  }),
  app_direct_message: Type.Object({
    targetUserId: Type.String({ minLength: 1 }),
    payload: Type.Unknown(),
    messageId: requestId,
    timestamp,
  }),
  app_room_join: Type.Object({
    roomId: requestId,
    roomConfig: Type.Optional(
      Type.Object({
        maxUsers: Type.Optional(Type.Number({ minimum: 1 })),
        isPrivate: Type.Optional(Type.Boolean()),
        metadata: Type.Optional(Type.Unknown()),
      }),
    ),
    timestamp,
  }),
  app_room_leave: Type.Object({ roomId: requestId, timestamp }),
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
  /** What a `select` lets choose from. */
  readonly options?: readonly { readonly label: string; readonly value: unknown }[];
  /** Bounds of a `slider`. */
  readonly min?: number;
  readonly max?: number;
}

/** A heading among an app's settings, for the phone's page. */
export interface AppSettingGroup {
  readonly type: "group" | "titleValue";
  readonly title?: string;
  readonly label?: string;
  readonly value?: unknown;
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

/** A stretch of speech that was not recognised, or not to its end. Milliseconds since the Unix epoch. */
export interface SpeechGap {
  readonly fromMs: number;
  readonly toMs: number;
}

/** An addition of ours, which the SDK ignores: how an app's stream of messages goes on over this socket. */
export interface Resume {
  /** Names the numbering. Another one than before: what was not confirmed of the former one is not replayed. */
  readonly epoch: number;
  /** Behind this number the socket goes on: messages after the acknowledgement have higher ones, and they rise. */
  readonly seq: number;
  /** Events that were meant for the app and that it will not get. */
  readonly lost: number;
  /** What was being said when the server was killed. Absent: nothing. */
  readonly gap?: SpeechGap;
}

/** The first message on every socket of an app. */
export interface AppAck {
  readonly type: "tpa_connection_ack";
  readonly sessionId: string;
  readonly settings: readonly AppSetting[];
  /** The SDK reads `mentraosSettings`; older lines read `augmentosSettings`. */
  readonly mentraosSettings: SystemSettings;
  readonly augmentosSettings: SystemSettings;
  /** Absent while the model of the glasses is not known. */
  readonly capabilities?: Capabilities;
  readonly resume: Resume;
}

/** Text messages to apps. A type that the SDK does not know raises an error in the app, so this list is closed. */
export type ToApp =
  | AppAck
  | {
      readonly type: "tpa_connection_error";
      readonly code: string;
      readonly message: string;
      /** Where a request got stuck; absent where it is the connection itself that is refused. */
      readonly hop?: string;
    }
  | {
      readonly type: "data_stream";
      readonly sessionId: string;
      /** Character for character the string the app subscribed with, or the SDK drops the event. */
      readonly streamType: string;
      readonly data: unknown;
    }
  | {
      readonly type: "permission_error";
      readonly message: string;
      readonly details: readonly DeniedStream[];
      readonly code: RefusalCode;
      readonly hop: Hop;
    }
  | { readonly type: "app_stopped"; readonly reason: StopReason; readonly message?: string }
  /** Makes the SDK forget its system settings: an `augmentos_settings_update` has to follow. */
  | {
      readonly type: "settings_update";
      readonly packageName: string;
      readonly settings: readonly AppSetting[];
    }
  /** Replaces the whole map in the app: never a part of it. */
  | {
      readonly type: "augmentos_settings_update";
      readonly sessionId: string;
      readonly settings: SystemSettings;
    }
  | {
      readonly type: "capabilities_update";
      readonly capabilities: Capabilities | null;
      readonly modelName: string | null;
    }
  | { readonly type: "device_state_update"; readonly state: DeviceState; readonly fullSnapshot: boolean }
  | { readonly type: "dashboard_mode_changed"; readonly mode: DashboardMode }
  | { readonly type: "custom_message"; readonly action: string; readonly payload: unknown }
  | {
      readonly type: "audio_play_response";
      readonly requestId: string;
      readonly success: boolean;
      readonly error?: string;
      /** Milliseconds. */
      readonly duration?: number;
      /** The server's own refusals only: why, and where on the way. */
      readonly code?: RefusalCode;
      readonly hop?: Hop;
    }
  | {
      readonly type: "rgb_led_control_response";
      readonly requestId: string;
      readonly success: boolean;
      readonly error?: string;
      readonly code?: RefusalCode;
      readonly hop?: Hop;
    }
  | {
      readonly type: "rtmp_stream_status";
      readonly streamId: string;
      readonly status: "error" | "stopped";
      readonly errorDetails?: string;
      readonly appId: string;
      readonly code?: RefusalCode;
      readonly hop?: Hop;
    }
  | {
      readonly type: "managed_stream_status";
      readonly streamId: string;
      readonly status: "error" | "stopped";
      readonly message?: string;
      readonly code?: RefusalCode;
      readonly hop?: Hop;
    }
  | { readonly type: "stream_status_check_response"; readonly hasActiveStream: boolean }
  | {
      readonly type: "app_message_received";
      readonly payload: unknown;
      readonly messageId: string;
      readonly senderUserId: string;
      readonly senderSessionId: string;
      readonly roomId?: string;
    }
  | {
      readonly type: "app_direct_message_response";
      readonly messageId: string;
      readonly success: boolean;
      readonly error?: string;
      readonly code?: string;
      readonly hop?: Hop;
      readonly targetUserId: string;
    }
  | {
      readonly type: "app_user_joined";
      readonly userId: string;
      readonly sessionId: string;
      readonly joinedAt: string;
      readonly roomId?: string;
    }
  | {
      readonly type: "app_user_left";
      readonly userId: string;
      readonly sessionId: string;
      readonly leftAt: string;
      readonly roomId?: string;
    }
  | {
      readonly type: "app_room_updated";
      readonly roomId: string;
      readonly updateType: "user_joined" | "user_left" | "config_changed" | "room_closed";
      readonly roomData: {
        readonly memberCount: number;
        readonly maxUsers?: number;
        readonly isPrivate: boolean;
        readonly metadata?: unknown;
      };
    };

/** The one app that may write the dashboard's corners and change its mode. */
export const systemDashboardPackage = "system.augmentos.dashboard";

export type DashboardMode = "none" | "main" | "expanded";

/** What is known of the glasses and their phone. Absent: not known, or not part of this update; null: no longer so. */
export interface DeviceState {
  readonly connected?: boolean;
  readonly modelName?: string | null;
  readonly wifiConnected?: boolean | null;
  readonly wifiSsid?: string | null;
  readonly wifiLocalIp?: string | null;
  readonly batteryLevel?: number | null;
  readonly charging?: boolean | null;
  readonly caseBatteryLevel?: number | null;
  readonly caseCharging?: boolean | null;
  readonly caseOpen?: boolean | null;
  readonly caseRemoved?: boolean | null;
  readonly hotspotEnabled?: boolean | null;
  readonly hotspotSsid?: string | null;
}

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

/** Words in another language, as apps receive them in `data`. Fields as in a transcription, from which they were made. */
export interface TranslationData extends Omit<TranscriptionData, "type" | "detectedLanguage"> {
  readonly type: "translation";
  readonly originalText: string;
  readonly translateLanguage: string;
  /** False where it was said in that language already. */
  readonly didTranslate: boolean;
}
