/**
 * The strings that apps subscribe with. An app gets an event only under the very string it subscribed with, character
 * for character, so every parsed stream keeps its `literal`.
 */
export type Stream =
  | {
      readonly kind: "transcription";
      readonly literal: string;
      /** BCP 47 tag such as `en-US`, or `auto`. */
      readonly language: string;
      readonly hints: readonly string[];
      readonly identifyLanguage: boolean;
    }
  | {
      readonly kind: "translation";
      readonly literal: string;
      readonly source: string;
      readonly target: string;
    }
  | { readonly kind: "touch"; readonly literal: string; readonly gesture: string }
  | { readonly kind: "setting"; readonly literal: string; readonly key: string }
  /** `*` and `all`: every stream. */
  | { readonly kind: "wildcard"; readonly literal: string }
  | {
      readonly kind: "plain";
      readonly literal: string;
      readonly name: string;
      /** How often or exactly, for `location_stream`. */
      readonly rate?: string;
    }
  /** A newer app, and newer glasses, may know types of messages that this server does not. */
  | { readonly kind: "unknown"; readonly literal: string };

/** Language of a bare `transcription`. */
export const defaultLanguage = "en-US";

const plainStreams = new Set([
  "button_press",
  "head_position",
  "touch_event",
  "glasses_battery_update",
  "phone_battery_update",
  "glasses_connection_state",
  "location_update",
  "location_stream",
  "vps_coordinates",
  "VAD",
  "audio_chunk",
  "phone_notification",
  "phone_notification_dismissed",
  "calendar_event",
  "start_app",
  "stop_app",
  "open_dashboard",
  "core_status_update",
  "video",
  "photo_request",
  "photo_response",
  "photo_taken",
  "rtmp_stream_status",
  "managed_stream_status",
  "settings_update_request",
  "custom_message",
  "dashboard_state",
  "rgb_led_control_response",
  "swipe_volume_status",
  "switch_status",
  "video_stream_response",
  "local_transcription",
]);

const language = /^(?:[a-z]{2,3}-[A-Z]{2}|auto)$/;
const translationPair = /^([a-z]{2,3}-[A-Z]{2}|all)-to-([a-z]{2,3}-[A-Z]{2})$/;

/** Reads one subscription string. Never fails: what it does not understand is `unknown`. */
export function parseStream(literal: string): Stream {
  if (literal === "*" || literal === "all") return { kind: "wildcard", literal };
  if (plainStreams.has(literal)) return { kind: "plain", literal, name: literal };
  if (literal === "transcription") {
    return { kind: "transcription", literal, language: defaultLanguage, hints: [], identifyLanguage: true };
  }
  const colon = literal.indexOf(":");
  if (colon < 0) return { kind: "unknown", literal };
  const head = literal.slice(0, colon);
  const [tail = "", query = ""] = split(literal.slice(colon + 1), "?");
  if (head === "transcription" && language.test(tail)) {
    const options = new URLSearchParams(query);
    const hints = (options.get("hints") ?? "").split(",").filter((hint) => hint !== "");
    const identifyLanguage = options.get("no-language-identification") !== "true";
    return { kind: "transcription", literal, language: tail, hints, identifyLanguage };
  }
  if (head === "translation") {
    const [, source, target] = translationPair.exec(tail) ?? [];
    if (source !== undefined && target !== undefined) return { kind: "translation", literal, source, target };
  }
  if (head === "touch_event" && tail !== "") return { kind: "touch", literal, gesture: tail };
  if (head === "augmentos" && tail !== "") return { kind: "setting", literal, key: tail };
  return { kind: "unknown", literal };
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/**
 * The key under which a stream is indexed: two strings with one key hear the same events.
 * `undefined` for what is never matched.
 */
export function streamKey(stream: Stream): string | undefined {
  switch (stream.kind) {
    case "transcription":
      return `transcription:${stream.language}`;
    case "translation":
      return `translation:${stream.source}-to-${stream.target}`;
    case "touch":
      return `touch_event:${stream.gesture}`;
    case "setting":
      return `augmentos:${stream.key}`;
    case "wildcard":
      return "*";
    case "plain":
      return stream.name;
    case "unknown":
      return isNearKnown(stream.literal) ? undefined : `other:${stream.literal}`;
  }
}

/**
 * Whether a string that is no stream looks like one. It is never matched: what needs a permission under its right name
 * must not be had without one under another.
 */
function isNearKnown(literal: string): boolean {
  const [head = ""] = split(literal.toLowerCase(), ":");
  return head === "" || nearlyKnown.has(head);
}

const nearlyKnown: ReadonlySet<string> = new Set(
  [...plainStreams, "transcription", "translation", "augmentos", "*", "all"].map((name) =>
    name.toLowerCase(),
  ),
);

/** What an app must have been granted to hear a stream; undefined where nothing is needed. */
export function requiredPermission(stream: Stream): Permission | undefined {
  switch (stream.kind) {
    case "transcription":
    case "translation":
      return "MICROPHONE";
    case "plain":
      return plainPermissions[stream.name];
    default:
      return undefined;
  }
}

export type Permission = "ALL" | "MICROPHONE" | "LOCATION" | "CALENDAR" | "CAMERA" | "READ_NOTIFICATIONS";

export const permissions: readonly Permission[] = [
  "ALL",
  "MICROPHONE",
  "LOCATION",
  "CALENDAR",
  "CAMERA",
  "READ_NOTIFICATIONS",
];

const plainPermissions: Readonly<Record<string, Permission>> = {
  audio_chunk: "MICROPHONE",
  local_transcription: "MICROPHONE",
  VAD: "MICROPHONE",
  location_update: "LOCATION",
  location_stream: "LOCATION",
  calendar_event: "CALENDAR",
  photo_response: "CAMERA",
  photo_taken: "CAMERA",
  rtmp_stream_status: "CAMERA",
  managed_stream_status: "CAMERA",
  phone_notification: "READ_NOTIFICATIONS",
  phone_notification_dismissed: "READ_NOTIFICATIONS",
};
