import type { GlassesMessage } from "../wire/glasses.ts";
import type { DeliveryClass } from "./outbox.ts";

/** How a message of the glasses reaches the apps: under which streams, and what becomes of it while an app is away. */
export interface GlassesEvent {
  /** Stream keys; an app hears the event once for each of its strings that match. */
  readonly keys: readonly string[];
  readonly deliveryClass: DeliveryClass;
}

/** Which messages are simply passed on, and how. Undefined for those the session keeps to itself. */
export function glassesEvent(message: GlassesMessage): GlassesEvent | undefined {
  switch (message.type) {
    case "button_press":
    case "open_dashboard":
    case "photo_taken":
    case "rgb_led_control_response":
    case "settings_update_request":
    case "video_stream_response":
      return { keys: [message.type], deliveryClass: "must" };
    case "touch_event":
      return { keys: ["touch_event", `touch_event:${message.gesture_name}`], deliveryClass: "must" };
    case "local_transcription":
      return { keys: [message.type], deliveryClass: message.isFinal ? "must" : "newest" };
    case "core_status_update":
    case "dashboard_state":
    case "head_position":
    case "swipe_volume_status":
    case "switch_status":
    case "vps_coordinates":
    case "glasses_battery_update":
    case "phone_battery_update":
    case "VAD":
      return { keys: [message.type], deliveryClass: "newest" };
    default:
      return undefined;
  }
}
