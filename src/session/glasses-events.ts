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
    case "phone_notification":
    case "phone_notification_dismissed":
    case "calendar_event":
      return { keys: [message.type], deliveryClass: "must" };
    case "touch_event":
      return { keys: ["touch_event", `touch_event:${message.gesture_name}`], deliveryClass: "must" };
    case "head_position":
    case "glasses_battery_update":
    case "phone_battery_update":
    case "glasses_connection_state":
    case "VAD":
      return { keys: [message.type], deliveryClass: "newest" };
    case "location_update":
      return { keys: ["location_update", "location_stream"], deliveryClass: "newest" };
    default:
      return undefined;
  }
}
