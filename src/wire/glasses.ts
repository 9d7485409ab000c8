import { Type } from "@sinclair/typebox";
import type { Layout, View } from "./layouts.ts";
import { type MessageOf, messageParser, timestamp } from "./schema.ts";

const percent = Type.Number({ minimum: 0, maximum: 100 });
const battery = Type.Object({
  level: percent,
  charging: Type.Boolean(),
  timeRemaining: Type.Optional(Type.Unknown()),
  timestamp,
});

/** Text messages from glasses, phones and simulated clients that this server acts on: message type -> fields. */
const schemas = {
  connection_init: Type.Object({ timestamp }),
  ping: Type.Object({}),
  pong: Type.Object({}),
  start_app: Type.Object({ packageName: Type.String({ minLength: 1 }), timestamp }),
  stop_app: Type.Object({ packageName: Type.String({ minLength: 1 }), timestamp }),
  /** Voice activity as the phone hears it. Phones write `VAD`, simulated clients `vad`. */
  VAD: Type.Object({
    status: Type.Union([Type.Boolean(), Type.Literal("true"), Type.Literal("false")]),
    timestamp,
  }),
  glasses_connection_state: Type.Object({
    modelName: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    status: Type.String(),
    wifi: Type.Optional(
      Type.Union([
        Type.Object({
          connected: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
          ssid: Type.Optional(Type.Union([Type.String(), Type.Null()])),
        }),
        Type.Null(),
      ]),
    ),
    timestamp,
  }),
  button_press: Type.Object({ buttonId: Type.String(), pressType: Type.String(), timestamp }),
  head_position: Type.Object({ position: Type.Union([Type.Literal("up"), Type.Literal("down")]), timestamp }),
  touch_event: Type.Object({ gesture_name: Type.String({ minLength: 1 }), timestamp }),
  glasses_battery_update: battery,
  phone_battery_update: battery,
  location_update: Type.Object({ lat: Type.Number(), lng: Type.Number(), timestamp }),
  phone_notification: Type.Object({ notificationId: Type.String(), timestamp }),
  phone_notification_dismissed: Type.Object({ notificationId: Type.String(), timestamp }),
  calendar_event: Type.Object({ eventId: Type.String(), title: Type.String(), timestamp }),
  local_transcription: Type.Object({
    text: Type.String(),
    isFinal: Type.Boolean(),
    startTime: Type.Optional(Type.Number()),
    endTime: Type.Optional(Type.Number()),
    transcribeLanguage: Type.Optional(Type.String({ maxLength: 35 })),
    speakerId: Type.Optional(Type.Unknown()),
    provider: Type.Optional(Type.String({ maxLength: 64 })),
    timestamp,
  }),
  core_status_update: Type.Object({
    status: Type.Object({
      status: Type.Object({
        core_info: Type.Record(Type.String(), Type.Unknown()),
        connected_glasses: Type.Record(Type.String(), Type.Unknown()),
        glasses_settings: Type.Record(Type.String(), Type.Unknown()),
      }),
    }),
    timestamp,
  }),
  request_settings: Type.Object({ timestamp }),
  settings_update_request: Type.Object({ timestamp }),
  dashboard_state: Type.Object({ isOpen: Type.Optional(Type.Boolean()), timestamp }),
  open_dashboard: Type.Object({ timestamp }),
  /** Success, the nested error of older phones, or the flat error of newer ones. */
  photo_response: Type.Object({
    requestId: Type.String({ minLength: 1 }),
    success: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
    photoUrl: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    error: Type.Optional(
      Type.Union([
        Type.Object({ code: Type.Optional(Type.String()), message: Type.Optional(Type.String()) }),
        Type.Null(),
      ]),
    ),
    errorCode: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    errorMessage: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    timestamp,
  }),
  photo_taken: Type.Object({ timestamp }),
  audio_play_response: Type.Object({
    requestId: Type.String({ minLength: 1 }),
    success: Type.Boolean(),
    error: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    duration: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
    timestamp,
  }),
  rgb_led_control_response: Type.Object({
    requestId: Type.String({ minLength: 1 }),
    success: Type.Boolean(),
    error: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    timestamp,
  }),
  vps_coordinates: Type.Object({ timestamp }),
  video_stream_response: Type.Object({ timestamp }),
  swipe_volume_status: Type.Object({ timestamp }),
  switch_status: Type.Object({ timestamp }),
  /** The phone listens for its own local apps. */
  phone_subscription_update: Type.Object({ subscriptions: Type.Array(Type.String()), timestamp }),
} as const;

export type GlassesMessage = MessageOf<typeof schemas>;

/** Reads one text frame from a glasses socket. */
export const parseGlassesMessage = messageParser(schemas, { vad: "VAD" });

/** What a client is told of its session in `connection_ack` and `app_state_change`. */
export interface SessionSnapshot {
  readonly userId: string;
  readonly startTime: string;
  readonly activeAppSessions: readonly string[];
  readonly loadingApps: readonly string[];
  readonly appSubscriptions: Readonly<Record<string, readonly string[]>>;
  readonly requiresAudio: boolean;
  readonly minimumTranscriptionLanguages: readonly string[];
  readonly isTranscribing: boolean;
}

/** Text messages to glasses and phones. Every one carries the time at which it was built. */
export type ToGlasses =
  | { readonly type: "connection_ack"; readonly sessionId: string; readonly userSession: SessionSnapshot }
  | { readonly type: "connection_error"; readonly code: string; readonly message: string }
  | {
      readonly type: "app_state_change";
      readonly sessionId: string;
      readonly userSession: SessionSnapshot;
      readonly error?: string;
    }
  | { readonly type: "app_started" | "app_stopped"; readonly packageName: string }
  | {
      readonly type: "microphone_state_change";
      readonly sessionId: string;
      readonly isMicrophoneEnabled: boolean;
      /** Phones read only this and `bypassVad`, simulated clients only `isMicrophoneEnabled`: both must agree. */
      readonly requiredData: readonly ("pcm" | "transcription")[];
      readonly bypassVad: boolean;
    }
  | {
      readonly type: "display_event";
      readonly packageName: string;
      readonly view: View;
      readonly layout: Layout;
      readonly durationMs?: number;
    }
  | {
      readonly type: "photo_request";
      readonly sessionId: string;
      readonly requestId: string;
      /** Package name of the app. */
      readonly appId: string;
      /** Where the glasses are to upload the picture. */
      readonly webhookUrl: string;
      readonly authToken?: string;
      readonly size: string;
      readonly compress: string;
      readonly flash: boolean;
      readonly sound: boolean;
      readonly saveToGallery: boolean;
    }
  | {
      readonly type: "audio_play_request";
      readonly sessionId: string;
      readonly requestId: string;
      readonly packageName: string;
      readonly appId: string;
      readonly audioUrl: string;
      /** 0 to 1. */
      readonly volume: number;
      readonly stopOtherAudio: boolean;
      readonly trackId: number;
    }
  | {
      readonly type: "audio_stop_request";
      readonly sessionId: string;
      readonly appId: string;
      readonly trackId?: number;
    }
  | {
      readonly type: "rgb_led_control";
      readonly sessionId: string;
      readonly requestId: string;
      readonly appId: string;
      readonly packageName: string;
      readonly action: "on" | "off";
      readonly color: string;
      readonly ontime: number;
      readonly offtime: number;
      readonly count: number;
    }
  | { readonly type: "show_wifi_setup"; readonly reason?: string; readonly appPackageName: string }
  | { readonly type: "set_location_tier"; readonly tier: string }
  | { readonly type: "request_single_location"; readonly accuracy: string; readonly correlationId: string }
  | {
      readonly type: "settings_update";
      readonly sessionId: string;
      readonly settings: Readonly<Record<string, unknown>>;
      readonly success?: true;
      readonly message?: string;
    }
  /** An event for the phone's own local apps. */
  | { readonly type: "data_stream"; readonly streamType: string; readonly data: unknown };

/** Answer to a client's JSON ping: exactly this, at once. */
export const pong = '{"type":"pong"}';
